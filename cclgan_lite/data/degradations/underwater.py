"""Under water: what each metre of it leaves of red, green and blue, towards the camera and down
to the scene.

    I_c = L_c (J_c t_c + b (1 - t_c)),    t_c = p_c^(s d),    L_c = p_c^D / max_c p_c^D

with p_c the part of colour c that a metre lets through. The first factor is the daylight at depth
D, which the camera exposes for; the second is haze with a transmission for each colour (Jaffe,
"Computer modeling and the design of optimal underwater imaging systems", 1990, without blur). The
numbers p_c of Jerlov's ten waters are those of Anwar, Li and Porikli, "Deep underwater image
enhancement", 2018, who apply the law to pixel values too. Nobody sees as far under water as
across a street, so that distances are shrunk by s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cclgan_lite.data.degradations.base import Rows
from cclgan_lite.validation import above, at_least, check, within

Water = Literal["I", "IA", "IB", "II", "III", "1", "3", "5", "7", "9"]
WATERS: dict[Water, tuple[float, float, float]] = {  # p of red, green, blue, per metre
    "I": (0.85, 0.961, 0.982),  # the clearest ocean ...
    "IA": (0.84, 0.955, 0.975),
    "IB": (0.83, 0.95, 0.968),
    "II": (0.80, 0.925, 0.94),
    "III": (0.75, 0.885, 0.89),
    "1": (0.75, 0.885, 0.875),  # ... and coasts
    "3": (0.71, 0.82, 0.80),
    "5": (0.67, 0.73, 0.67),
    "7": (0.62, 0.61, 0.50),
    "9": (0.55, 0.46, 0.29),
}


@dataclass(frozen=True)
class Underwater:
    water: Water = "II"
    down: float = 5.0  # D, metres of water above the scene
    shrink: float = 0.1  # s: a street of 80 m stands for 8 m of water
    background: float = 0.9  # b; the brightness of water without end

    def __post_init__(self):
        check(self, down=at_least(0), shrink=above(0), background=within(0, 1))

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Underwater:
        """Any of the waters, shallow enough for daylight; b over Anwar's range, 0.8 to 1."""
        return cls(
            water=list(WATERS)[rng.integers(len(WATERS))],
            down=float(rng.uniform(0.5, 6)),
            shrink=float(rng.uniform(0.03, 0.1)),
            background=float(rng.uniform(0.8, 1.0)),
        )

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Rows:
        passes = np.array(WATERS[self.water], np.float32)
        light = passes**self.down / (passes**self.down).max()

        def rows(clean: np.ndarray, depth: np.ndarray, top: int) -> np.ndarray:
            left = passes ** (self.shrink * depth[..., None])
            return light * (clean * left + self.background * (1 - left))

        return rows
