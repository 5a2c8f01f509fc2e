"""What a derainer's attention is to see: the rain, and nothing where there is none."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cclgan_lite.losses.term import Look, Views
from cclgan_lite.validation import at_least, check


@dataclass(frozen=True)
class RainAttention:
    """mean (A(r) + n~ - r)^2 + mean A(n)^2: A is the derainer's tap `attention`, one layer for
    all three channels.
    """

    weight: float = 5.0

    def __post_init__(self):
        check(self, weight=at_least(0))

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        rain, none = (
            step.features("derainer", image)["attention"] for image in ("rainy", "clean")
        )
        left = rain + step.image("derained") - step.image("rainy")
        return {"generators": left.square().mean() + none.square().mean()}
