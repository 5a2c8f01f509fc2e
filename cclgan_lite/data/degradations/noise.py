"""Noise of a sensor: photons arrive by chance, and reading them out adds more.

In linear light x, with E electrons in a white pixel and a read noise of r electrons,

    y = (P + r n) / E,    P ~ Poisson(E x),  n ~ N(0, 1):    var(y) = x / E + (r / E)^2

(Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data",
TIP 2008). Light and pixel values are related by the curve of sRGB (IEC 61966-2-1). Ours: each
colour of a pixel has its own noise; a camera also interpolates colours, denoises and compresses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cclgan_lite.data.degradations.base import Rows
from cclgan_lite.validation import above, at_least, check


@dataclass(frozen=True)
class Noise:
    electrons: float = 200.0  # E, of a white pixel; a daylight picture has tens of thousands
    read: float = 4.0  # r, electrons, standard deviation

    def __post_init__(self):
        check(self, electrons=above(0), read=at_least(0))

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Noise:
        """From dusk to a night at the highest gain."""
        return cls(
            electrons=float(np.exp(rng.uniform(*np.log((20, 500))))),
            read=float(rng.uniform(1.5, 8)),
        )

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Rows:
        def rows(clean: np.ndarray, depth: np.ndarray, top: int) -> np.ndarray:
            noisy = np.empty(clean.shape, np.float32)
            for row, light in zip(noisy, to_light(clean), strict=True):
                photons = rng.poisson(self.electrons * light)
                read = self.read * rng.standard_normal(light.shape)
                row[:] = to_values(((photons + read) / self.electrons).clip(0, 1))
            return noisy

        return rows


def to_light(values: np.ndarray) -> np.ndarray:
    """sRGB pixel values in [0, 1] to linear light in [0, 1]."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_values(light: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] to sRGB pixel values in [0, 1]."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
