"""Rain on a folder of clean photographs: the rainy half of a training or test set."""

from __future__ import annotations

import os
from pathlib import Path
from zlib import crc32

import numpy as np

from cclgan_lite.data.images import ImageError, list_images, rewrite_photos
from cclgan_lite.data.rain import add_rain, assumed_depth, demo_rain
from cclgan_lite.files import refuse_unwritable


def make_rain(
    clean: str | Path, out: str | Path, seed: int = 0, *, progress: bool = True
) -> list[Path]:
    """Rain on every picture in the folder `clean`; write it into `out` under the same name.

    Each picture gets a shower of its own, drawn from `seed` (0 or more) and the file's name, so
    that pictures which come or go leave the others as they are. Format, orientation and what
    else `write_photo` keeps are kept; a file already in `out` is replaced in a single step.
    Memory grows with the largest picture: 50 megapixels need about 4 GB.

    Returns the files written, in natural order.

    Raises:
        ImageError: before any work, if `clean` holds no picture, or if `out` is `clean` itself;
            after it, if pictures could not be read: each is named and all others are
            written.
        ValueError: `seed` is negative.
        OSError: a file cannot be written.
    """
    sources, out = list_images(clean), Path(out)
    refuse_unwritable(out, folder=True)
    if out.exists() and out.samefile(clean):
        raise ImageError(f"{out} holds the clean pictures; name another folder for the result.")
    return rewrite_photos(
        {out / source.name: source for source in sources},
        lambda source, rgb: rain_on(rgb, picture_rng(seed, source.name)),
        out=out,
        done="rained on",
        progress=progress,
    )


def picture_rng(seed: int, name: str) -> np.random.Generator:
    """The generator of one picture: the same on every machine, whatever lies beside the file."""
    return np.random.default_rng((seed, crc32(os.fsencode(name))))


def rain_on(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A shower of `demo_rain` on one picture, uint8 [H, W, 3], with the ground assumed flat."""
    image, depth = rgb / np.float32(255), assumed_depth(rgb.shape[:2])
    rainy = add_rain(image, depth, demo_rain(rng), rng)
    return np.rint(rainy * 255).astype(np.uint8)
