"""Controls of lesson 00, on pictures of uint8 [H, W, 3]: what a derainer must be held against."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter


def with_noise(clean: np.ndarray, rainy: np.ndarray, seed: int) -> np.ndarray:
    """`clean` plus grey noise of the same mean square as the rain in `rainy`."""
    strength = np.sqrt(np.mean((rainy.astype(float) - clean) ** 2))
    grey = np.random.default_rng(seed).normal(size=clean.shape[:2] + (1,))
    return _uint8(clean + strength * grey)


def blurred(picture: np.ndarray) -> np.ndarray:
    """Slightly, by a Gaussian of half a pixel."""
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(0.5)))


def darkened(rainy: np.ndarray, derained: np.ndarray) -> np.ndarray:
    """`rainy`, evenly darker: its mean becomes that of `derained`, up to clipping."""
    return _uint8(rainy - (rainy.mean() - derained.mean()))


def _uint8(picture: np.ndarray) -> np.ndarray:
    return np.rint(picture.clip(0, 255)).astype(np.uint8)
