"""Snow: white flakes at their distances, smeared by their fall, before the veil of all the others.

A flake of diameter D at distance z is f D / z wide in a camera of focal length f and smears by
f v T / z while it falls with speed v for the exposure T, so that it covers a place for the part
D / (D + v T) of that time. The layer around z holds the flakes of the frustum between z / sqrt(2)
and z sqrt(2). Flakes too far away to be seen take light away and add their own, as haze does
(`haze.py`); the extinction of particles much larger than the wavelength is twice their area (van
de Hulst, "Light scattering by small particles", 1957): beta = 2 N pi D^2 / 4.

Ours: one mean size with a spread instead of an exponential law of sizes, everything in focus,
white flakes. Aggregates fall at 1 to 1.5 m/s whatever their size.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np

from cclgan_lite.data.degradations.base import Rows
from cclgan_lite.data.rain import MARGIN, MAX_ANGLE, compose, draw_streaks, haze
from cclgan_lite.validation import above, at_least, check, within

DISTANCES = (0.5, 1.0, 2.0, 4.0, 8.0)  # metres; farther flakes are less than a pixel


@dataclass(frozen=True)
class Snow:
    concentration: float = 60.0  # N, flakes per cubic metre
    diameter: float = 0.006  # mean D, metres
    speed: float = 1.2  # v, metres per second
    exposure: float = 0.01  # T, seconds
    focal: float = 1.2  # f in image heights: 1.2 sees 45 degrees from top to bottom
    angle: float = 10.0  # degrees from the vertical: wind
    jitter: float = 12.0  # degrees, standard deviation per flake: flutter
    airlight: float = 0.85  # the grey of the far snow

    def __post_init__(self):
        check(
            self,
            **dict.fromkeys(("diameter", "speed", "exposure", "focal"), above(0)),
            **dict.fromkeys(("concentration", "jitter"), at_least(0)),
            angle=within(-MAX_ANGLE, MAX_ANGLE),
            airlight=within(0, 1),
        )

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Snow:
        """From a few flakes to a heavy fall, at exposures of 1/250 to 1/50 s."""
        return cls(
            concentration=float(np.exp(rng.uniform(*np.log((30, 150))))),
            diameter=float(rng.uniform(0.004, 0.009)),
            speed=float(rng.uniform(1.0, 1.5)),
            exposure=float(np.exp(rng.uniform(*np.log((1 / 250, 1 / 50))))),
            angle=float(rng.uniform(-35, 35)),
            airlight=float(rng.uniform(0.75, 0.95)),
        )

    @property
    def beta(self) -> float:
        """Extinction of all flakes together, 1/m."""
        return 2 * self.concentration * pi * self.diameter**2 / 4

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Rows:
        height, columns = shape
        smeared = self.diameter + self.speed * self.exposure
        layers = []
        for z in DISTANCES:
            pixels = self.focal * height / z  # of a metre
            margin = 2 * MARGIN * smeared * pixels  # they are spread over this much more
            area = (height + margin) * (columns + margin) / pixels**2
            depth_of_layer = z * (2 * sqrt(2) - 1 / (2 * sqrt(2))) / 3  # of the same volume at z
            layer = draw_streaks(
                shape,
                rng,
                count=round(self.concentration * area * depth_of_layer),
                length=smeared * pixels,
                width=self.diameter * pixels,
                brightness=self.diameter / smeared,
                angle=self.angle,
                jitter=self.jitter,
            )
            layers.append((z, layer))

        def rows(clean: np.ndarray, depth: np.ndarray, top: int) -> np.ndarray:
            veil = haze(depth, self.beta)
            clear = np.ones(depth.shape, np.float32)
            for z, layer in layers:
                clear *= 1 - layer.paint(top, top + len(depth), columns) * (depth > z)
            return compose(clean, np.minimum(1 - clear, 1 - veil), veil, self.airlight)

        return rows
