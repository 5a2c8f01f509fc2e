"""Veil rendered on pictures without a depth, where unpaired rainy pictures have it.

Haze A = 1 - exp(-beta d) leaves 1 - A of the contrast of a scene. So two folders that one camera
took, or cameras that look alike, tell without a pair where veil lies and how much: in each part of
the picture, the fine structure that rainy pictures lack beside clean ones (`depth_by_place`).
Brightness would mislead, it differs between scenes for other reasons.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

PARTS = 8, 4  # rows and columns of a picture, for each of which the depth is measured
FINE = 2  # pixels: what is finer than this Gaussian counts as contrast


def depth_by_place(rainy: Sequence[np.ndarray], clean: Sequence[np.ndarray]) -> np.ndarray:
    """Optical depth beta d, [8, 4], left and right alike: log of clean over rainy contrast.

    Pictures are H x W x 3 in [0, 1], of any sizes and scenes; contrast is the root mean square
    over a folder. Where the rainy ones have more of it, the depth is 0.
    """
    return _depth(_fine(rainy), _fine(clean))


def depth_by_chance(pictures: Sequence[np.ndarray]) -> float:
    """The mean depth that halves of one folder seem to have beside each other, since their scenes
    differ: 19 of 20 random halves have less. At least two pictures are needed."""
    fine, rng = _fine(pictures), np.random.default_rng(0)
    orders = (rng.permutation(len(fine)) for _ in range(100))
    depths = [_depth(*np.array_split(fine[order], 2)).mean() for order in orders]
    return float(np.quantile(depths, 0.95))


def _depth(rainy: np.ndarray, clean: np.ndarray) -> np.ndarray:
    rainy, clean = (np.sqrt(fine.mean(0)) + 1e-6 for fine in (rainy, clean))
    depth = np.log(clean / rainy)
    return ((depth + depth[:, ::-1]) / 2).clip(0)


def _fine(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Mean squared fine structure in each part of each picture, [N, 8, 4]."""
    found = []
    for picture in pictures:
        grey = picture.mean(-1)
        fine = np.square(grey - gaussian_filter(grey, FINE, mode="nearest"))
        rows = np.array_split(fine, PARTS[0])
        found.append([[part.mean() for part in np.array_split(r, PARTS[1], 1)] for r in rows])
    return np.array(found)


def veil(
    image: np.ndarray,
    depth: np.ndarray,
    strength: tuple[float, float],
    airlight: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Haze A, H x W in [0, 1), and airlight A0, [3] in [0, 1], for `image` H x W x 3 in [0, 1].

    `depth` is beta d at each place, H x W; a picture gets `strength` times of it. `airlight` is
    the range of A0, whose tint lies between grey and the mean colour of the picture.
    """
    haze = -np.expm1(-np.exp(rng.uniform(*np.log(strength))) * depth)
    tint = (image.mean((0, 1)) + 1e-3) ** rng.uniform(0, 0.8)
    light = (rng.uniform(*airlight) * tint / tint.mean()).clip(0, 1)
    return haze.astype(np.float32), light.astype(np.float32)
