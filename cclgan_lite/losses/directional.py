"""Rain changes little along its streaks, pictures change alike in all directions (UDGNet)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cclgan_lite.losses.term import Look, Views
from cclgan_lite.networks.layers import high_pass
from cclgan_lite.validation import at_least, check


def gradients(images: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the next row and to the next column, [B, C, H - 1, W - 1] each."""
    corner = images[..., :-1, :-1]
    return images[..., 1:, :-1] - corner, images[..., :-1, 1:] - corner


def least_change(images: Tensor) -> tuple[Tensor, Tensor]:
    """The direction, a unit vector (down, right), along which an image changes least in the mean
    square: the last eigenvector of its structure tensor. [B, 1, 1, 1] each.
    """
    g = torch.stack([x.flatten(1) for x in gradients(images)], 1)  # [B, 2, N]
    _, vectors = torch.linalg.eigh(g @ g.mT)  # from the smallest eigenvalue on
    return tuple(vectors[:, :, 0].T[..., None, None, None])


@dataclass(frozen=True)
class Streaks:
    """What makes a layer R rain in the picture O, whose streaks run along v, across w.

    along mean |dR/dv| + across mean |dR/dw - dO/dw| + sparse mean |R|: rain changes little along
    the streaks, across them it is what changes the picture, and there is little of it.
    """

    weight: float = 1.0
    along: float = 3.0
    across: float = 2.0
    sparse: float = 0.2
    roles: tuple[tuple[str, str], ...] = (("rainy", "rain"),)  # (picture, layer)

    def __post_init__(self):
        none = at_least(0)
        check(self, weight=none, along=none, across=none, sparse=none)

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        losses = []
        for picture, layer in self.roles:
            picture, layer = step.image(picture), step.image(layer)
            down, right = least_change(high_pass(picture))
            (y, x), (picture_y, picture_x) = gradients(layer), gradients(picture)
            along = down * y + right * x
            across = right * (picture_y - y) - down * (picture_x - x)
            losses.append(
                self.along * along.abs().mean()
                + self.across * across.abs().mean()
                + self.sparse * layer.abs().mean()
            )
        return {"generators": sum(losses) / len(losses)}


@dataclass(frozen=True)
class Isotropic:
    """Mean squared gradient of an image, in all directions alike: rows' plus columns'."""

    weight: float
    image: str = "derained"

    def __post_init__(self):
        check(self, weight=at_least(0))

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        return {"generators": sum(g.square().mean() for g in gradients(step.image(self.image)))}
