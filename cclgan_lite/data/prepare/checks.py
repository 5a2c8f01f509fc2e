"""Looking at every picture before it becomes part of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cclgan_lite.data.images import ImageError, read_rgb
from cclgan_lite.data.prepare.pair_rules import Picture
from cclgan_lite.data.unpaired import scene_hash


@dataclass(frozen=True)
class Checked:
    """A picture that can be decoded: its height and width, and the hash of its scene."""

    size: tuple[int, int]
    hash: np.ndarray


def cut(rgb: np.ndarray, half: str | None) -> np.ndarray:
    """The left or right half of uint8 [H, 2 W, 3], or all of it; ValueError if it has no half."""
    if half is None:
        return rgb
    if rgb.shape[1] % 2:
        raise ImageError(f"is {rgb.shape[1]} pixels wide, which cannot be halved")
    middle = rgb.shape[1] // 2
    return rgb[:, :middle] if half == "left" else rgb[:, middle:]


def check(
    pictures: Iterable[Picture], paths: Mapping[str, Path], progress: bool = True
) -> tuple[dict[Picture, Checked], dict[Picture, str]]:
    """Decode every picture in full: the good ones, and what is wrong with the others."""

    def look(picture: Picture) -> Checked | str:
        path = paths[picture.file]
        try:
            rgb = cut(read_rgb(path), picture.half)
            return Checked(rgb.shape[:2], scene_hash(rgb))
        except ImageError as error:
            return str(error).replace(str(path), picture.file)

    pictures = list(dict.fromkeys(pictures))
    found = dict(zip(pictures, parallel(look, pictures, "checking", progress), strict=True))
    good = {p: c for p, c in found.items() if isinstance(c, Checked)}
    return good, {p: c for p, c in found.items() if isinstance(c, str)}


def parallel(work: Callable, things: Iterable, title: str, progress: bool) -> Iterable:
    """`map` over threads (decoding and hashing leave Python's lock), lazily and in order."""
    things = list(things)
    queue = iter(things)
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(things), desc=title, unit="picture", disable=not progress) as bar,
    ):
        while batch := list(islice(queue, 256)):
            for result in pool.map(work, batch):
                bar.update()
                yield result
