"""Haze by Koschmieder's law (1924), as in RESIDE (Li et al., "Benchmarking single-image dehazing
and beyond", TIP 2019):

    I = J t + A0 (1 - t),    t = exp(-beta d).

beta is told by the visibility V, the distance at which 2 % of a contrast is left:
exp(-beta V) = 0.02. Fog is V below 1 km. As in RESIDE the law is applied to pixel values instead
of linear light, the air is the same everywhere, and its light is grey.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from cclgan_lite.data.degradations.base import Rows
from cclgan_lite.data.rain import compose
from cclgan_lite.data.rain import haze as share_of_airlight
from cclgan_lite.validation import above, check, within


@dataclass(frozen=True)
class Haze:
    visibility: float = 400.0  # V, metres
    airlight: float = 0.85  # A0; the grey of the far haze

    def __post_init__(self):
        check(self, visibility=above(0), airlight=within(0, 1))

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Haze:
        """Fog, thin to thick; A0 over RESIDE's range, 0.7 to 1."""
        return cls(
            visibility=float(np.exp(rng.uniform(*np.log((100, 1000))))),
            airlight=float(rng.uniform(0.7, 1.0)),
        )

    @property
    def beta(self) -> float:
        """Extinction, 1/m."""
        return log(50) / self.visibility

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Rows:
        def rows(clean: np.ndarray, depth: np.ndarray, top: int) -> np.ndarray:
            streaks = np.zeros(depth.shape, np.float32)
            return compose(clean, streaks, share_of_airlight(depth, self.beta), self.airlight)

        return rows
