"""Veil for pictures without a depth: A = 1 - exp(-beta d) with beta d drawn, airlight drawn.

A picture gets a random mixture of three fields, each in [0, 1], as its optical depth beta d:
flat ground below a horizon (as `assumed_depth`, at a random height), a smooth function of a random
colour (what has one colour tends to lie at one depth, so that veil ends where things end) and
smooth noise.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter


def veil(
    image: np.ndarray,
    depth: tuple[float, float],
    airlight: tuple[float, float],
    rng: np.random.Generator,
    square: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Haze A, H x W in [0, 1), and airlight A0, [3] in [0, 1], for `image` H x W x 3 in [0, 1].

    `depth` is the range of the largest optical depth beta d, `airlight` that of A0, whose tint
    lies between grey and the mean colour of the picture. A pixel of `image` may be the mean of a
    `square` x `square` of the real one.
    """
    shape = image.shape[:2]
    colour = rng.standard_normal(3)
    fields = (
        _ground(shape, rng),
        _unit(
            gaussian_filter(image @ (colour / np.linalg.norm(colour)), rng.uniform(1, 6) / square)
        ),
        _unit(gaussian_filter(rng.standard_normal(shape), rng.uniform(15, 50) / square)),
    )
    optical = float(np.exp(rng.uniform(*np.log(depth))))
    mixture = sum(
        w * field for w, field in zip(rng.dirichlet((1.2, 0.8, 0.5)), fields, strict=True)
    )
    haze = -np.expm1(-optical * mixture)
    tint = (image.mean((0, 1)) + 1e-3) ** rng.uniform(0, 0.8)
    light = (rng.uniform(*airlight) * tint / tint.mean()).clip(0, 1)
    return haze.astype(np.float32), light.astype(np.float32)


def _ground(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """1 at and above a tilted horizon, inversely proportional to the distance below it.

    The horizon may lie outside the crop; in three crops of ten it is all of one depth.
    """
    if rng.random() < 0.3:
        return np.full(shape, rng.uniform())
    below = np.linspace(0, np.exp(rng.uniform(*np.log((0.4, 1.5)))), shape[0])[:, None]
    below = below + rng.uniform(-1, 0.4) + rng.uniform(-0.3, 0.3) * np.linspace(-1, 1, shape[1])
    return (0.08 / below.clip(1e-3)).clip(0, 1)


def _unit(field: np.ndarray) -> np.ndarray:
    return (field - field.min()) / (np.ptp(field) + 1e-3)
