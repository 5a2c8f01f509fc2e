"""Plain L1 (or squares) of two images of a step. None of these is in the paper's eq. 11.

- cycle: r* = r and n* = n, CycleGAN's demand, which this paper gives up.
- identity: G_n(n) = n and G_r(r) = r, the known cure of colour inversion; in the authors' code.
- rederain: n* = n. The clean branch makes its own pairs (r~, n), so this teaches the derainer
  with exact truths, as far as r~ looks like rain. Only the derainer hears it: the rainer would
  learn to please it by raining less.
- rehearsal: the derainer finds the clean picture under a rendered shower (`data/shower.py`).
- transplant: it finds the clean picture under the rain that it took from a rainy one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from cclgan_lite.losses.term import Look, Views
from cclgan_lite.validation import at_least, check


@dataclass(frozen=True)
class PixelL1:
    """Mean over `roles`, pairs (image, target), of their mean absolute difference.

    With a `beta` b above 0, differences d below it count d^2 / (2 b), larger ones |d| - b / 2.
    Most pixels have no rain, so the best guess of an untrained derainer under L1 is no rain at
    all, and there it stays; the quadratic part follows the mean, not the median.
    """

    weight: float
    roles: tuple[tuple[str, str], ...]
    trains: str = "generators"  # who descends it: all generators, or one network
    beta: float = 0.0  # if above 0, smaller differences count quadratically (Huber)

    def __post_init__(self):
        check(self, weight=at_least(0), beta=at_least(0))

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        images = [(step.image(a), step.image(b)) for a, b in self.roles]
        losses = [F.smooth_l1_loss(a, b, beta=self.beta) for a, b in images]
        return {self.trains: sum(losses) / len(losses)}


@dataclass(frozen=True)
class PixelMSE:
    """Mean over `roles`, pairs (image, target), of their mean squared difference."""

    weight: float
    roles: tuple[tuple[str, str], ...]

    def __post_init__(self):
        check(self, weight=at_least(0))

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        losses = [F.mse_loss(step.image(a), step.image(b)) for a, b in self.roles]
        return {"generators": sum(losses) / len(losses)}


def cycle(weight: float) -> PixelL1:
    return PixelL1(weight, (("rerained", "rainy"), ("rederained", "clean")))


def identity(weight: float) -> PixelL1:
    return PixelL1(weight, (("identity_clean", "clean"), ("identity_rainy", "rainy")))


def rederain(weight: float) -> PixelL1:
    return PixelL1(weight, (("rederained", "clean"),), trains="derainer")


def rehearsal(weight: float) -> PixelL1:
    return PixelL1(weight, (("derained_rendered", "practice"),), trains="derainer", beta=0.1)


def transplant(weight: float) -> PixelL1:
    return PixelL1(weight, (("derained_transplanted", "clean"),), trains="derainer", beta=0.1)
