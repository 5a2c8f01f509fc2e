"""Generated scenes as tensors, to learn with: no download, any number, with and without rain."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from cclgan_lite.data.images import to_tensor
from cclgan_lite.data.rain import add_rain, demo_rain
from cclgan_lite.data.scenes import render_scene


def scene_pairs(n: int, size: int = 128, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(rainy, clean), each [n, 3, size, size] in [-1, 1]: the same scenes with and without rain.

    Calls with the same arguments return the same tensors: do not change them in place.
    """
    return _pairs(n, size, seed)


@lru_cache(maxsize=16)
def _pairs(n: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    rainy, clean = [], []
    for number in range(n):
        image, depth = render_scene((seed, number, 7), size, size)
        rng = np.random.default_rng((seed, number, 8))
        clean.append(_tensor(image))
        rainy.append(_tensor(add_rain(image, depth, demo_rain(rng), rng)))
    return torch.stack(rainy), torch.stack(clean)


def unpaired_scenes(n: int, size: int = 128, seed: int = 1) -> tuple[Tensor, Tensor]:
    """(rainy, clean), each [n, 3, size, size] in [-1, 1], of different scenes, for training."""
    return _pairs(n, size, seed)[0], _pairs(n, size, seed + 1_000_003)[1]


def _tensor(image: np.ndarray) -> Tensor:
    """A picture in [0, 1], as 8-bit files would hold it, in [-1, 1]."""
    return to_tensor(np.rint(image * 255).astype(np.uint8))
