"""Folders to train on where the content of the pictures does not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def noise_folders(root: Path, count: int = 3) -> tuple[Path, Path]:
    """(root/rainy, root/clean), `count` pictures of noise in each, none alike or nearly white."""
    rng = np.random.default_rng(0)
    folders = root / "rainy", root / "clean"
    for folder in folders:
        folder.mkdir()
        for number in range(count):
            pixels = rng.integers(0, 200, (60, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return folders
