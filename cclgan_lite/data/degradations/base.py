"""What a degradation is. Neither the folders, nor the bundled data, nor `degrade` know more of it.

A degradation is a frozen dataclass: its fields are the physical parameters of one picture, with
their units. It draws whatever chance decides of a picture once, and then changes it in bands of
rows from the top, so that memory does not grow with what the picture shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

BAND = 2**19  # pixels that are worked on at a time: some hundred bytes each

# clean rows [h, W, 3] in [0, 1], their depth [h, W] in metres, the first row's number -> rows
Rows = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


class Degradation(Protocol):
    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Rows:
        """What happens to a picture of this height and width.

        The rows are asked for once, in order and without gaps, so that they may go on drawing
        from `rng`; into how many bands they fall must not matter.
        """


def degraded(
    degradation: Degradation, clean: np.ndarray, depth: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The whole picture at once, float32 [H, W, 3] in [0, 1]; `clean` alike, depth in metres."""
    return degradation.draw(depth.shape, rng)(clean, depth, 0).clip(0, 1).astype(np.float32)


def degrade_rgb(
    rgb: np.ndarray,
    degradation: Degradation,
    rng: np.random.Generator,
    depth: np.ndarray,
    band: int = BAND,
) -> np.ndarray:
    """uint8 [H, W, 3] and its depth, [H, W] in metres, to uint8 [H, W, 3].

    `band` is how many pixels are worked on at a time; it does not change the picture.
    """
    out = np.empty_like(rgb)
    rows = degradation.draw(depth.shape, rng)
    step = max(1, band // rgb.shape[1])
    for top in range(0, len(rgb), step):
        part = np.s_[top : top + step]
        out[part] = np.rint(255 * rows(rgb[part] / np.float32(255), depth[part], top).clip(0, 1))
    return out
