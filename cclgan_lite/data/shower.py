"""Rendered showers on clean crops: pairs with an exact truth that the derainer can rehearse on.

No rainy photograph is involved, and no pair of one scene. The rain is the additive, grey, sparse
kind of Rain100L: streaks of one direction, each pixel brighter by the same amount in all channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cclgan_lite.data.rain import MARGIN, MAX_ANGLE, streak_layer
from cclgan_lite.validation import above, check, increasing, within


@dataclass(frozen=True)
class Shower:
    """Ranges; each crop draws its own rain. Wide on purpose: the real rain must lie inside."""

    share: float = 0.0  # part of the crops that rain at all; 0: none are made
    length: tuple[float, float] = (10.0, 60.0)  # mean length of the streaks in pixels
    width: tuple[float, float] = (0.8, 3.5)  # mean width in pixels
    brightness: tuple[float, float] = (0.15, 0.7)  # mean light of a streak, 1 is white
    light: tuple[float, float] = (0.015, 0.12)  # what the rain adds to the mean of the picture
    angle: float = 45.0  # degrees; directions up to this far from the vertical

    def __post_init__(self):
        pairs = ("length", "width", "brightness", "light")
        check(
            self,
            **dict.fromkeys(pairs, increasing(above(0))),
            share=within(0, 1),
            angle=within(0, MAX_ANGLE),
        )

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 [H, W, 3] -> the same picture in the rain, or as it was."""
        if rng.random() >= self.share:
            return clean
        length, width, light = (
            float(np.exp(rng.uniform(*np.log(pair))))
            for pair in (self.length, self.width, self.light)
        )
        brightness = rng.uniform(*self.brightness)
        height, columns = clean.shape[:2]
        margin = 2 * MARGIN * length  # `streak_layer` spreads them over this much more
        area = (height + margin) * (columns + margin)
        layer = streak_layer(
            (height, columns),
            rng,
            count=max(1, round(light * area / (length * width * brightness))),
            length=length,
            width=width,
            brightness=brightness,
            angle=rng.uniform(-self.angle, self.angle),
            jitter=rng.uniform(0, 2.5),
        )
        return np.minimum(255, np.rint(clean + 255 * layer[..., None])).astype(np.uint8)
