"""Plain L1 between two images of a step. None of these is in the paper's eq. 11.

- cycle: r* = r and n* = n, CycleGAN's demand, which this paper gives up.
- identity: G_n(n) = n and G_r(r) = r, the known cure of colour inversion; in the authors' code.
- rederain: n* = n. The clean branch makes its own pairs (r~, n), so this teaches the derainer
  with exact truths, as far as r~ looks like rain. Only the derainer hears it: the rainer would
  learn to please it by raining less.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cclgan_lite.losses.contrastive import distance
from cclgan_lite.losses.term import Look, Views


@dataclass(frozen=True)
class PixelL1:
    """Mean over the pairs (image, target) of their mean absolute difference."""

    weight: float
    pairs: tuple[tuple[str, str], ...]
    audience: str = "generators"  # who descends it: all generators, or one network

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        losses = [distance(step.image(a), step.image(b)).mean() for a, b in self.pairs]
        return {self.audience: sum(losses) / len(losses)}


def cycle(weight: float) -> PixelL1:
    return PixelL1(weight, (("rerained", "rainy"), ("rederained", "clean")))


def identity(weight: float) -> PixelL1:
    return PixelL1(weight, (("identity_clean", "clean"), ("identity_rainy", "rainy")))


def rederain(weight: float) -> PixelL1:
    return PixelL1(weight, (("rederained", "clean"),), audience="derainer")
