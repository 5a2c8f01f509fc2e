"""Rain, haze and the like on a folder of clean photographs: the other half of a data set."""

from __future__ import annotations

import os
from pathlib import Path
from zlib import crc32

import numpy as np

from cclgan_lite.data.degradations.base import Degradation, degrade_rgb
from cclgan_lite.data.degradations.kinds import sample
from cclgan_lite.data.images import ImageError, list_images, rewrite_photos
from cclgan_lite.data.rain import assumed_depth
from cclgan_lite.files import refuse_unwritable


def degrade(
    clean: str | Path,
    out: str | Path,
    kind: str | Degradation = "rain",
    seed: int = 0,
    *,
    progress: bool = True,
) -> list[Path]:
    """Degrade every picture in the folder `clean`; write it into `out` under the same name.

    `kind` is rain, veil (rain in its veil), haze, snow, noise or underwater; each picture draws
    parameters of its own from `seed` (0 or more) and the file's name, so that pictures which come
    or go leave the others as they are. A degradation with parameters, such as
    `cclgan_lite.data.degradations.haze.Haze(visibility=300)`, is the same for all pictures.
    Format, orientation and what else `write_photo` keeps are kept; a file already in `out` is
    replaced in a single step. Beside the picture and its result, memory does not grow with it.

    Returns the files written, in natural order.

    Raises:
        ImageError: before any work, if `clean` holds no picture, or if `out` is `clean` itself;
            after it, if pictures could not be read: each is named and all others are
            written.
        ValueError: there is no such kind, or `seed` is negative.
        OSError: a file cannot be written.
    """
    sample(kind, np.random.default_rng(seed))  # what is wrong is told before the work
    sources, out = list_images(clean), Path(out)
    refuse_unwritable(out, folder=True)
    if out.exists() and out.samefile(clean):
        raise ImageError(f"{out} holds the clean pictures; name another folder for the result.")
    return rewrite_photos(
        {out / source.name: source for source in sources},
        lambda source, rgb: degrade_photo(rgb, kind, picture_rng(seed, source.name)),
        out=out,
        done="degraded",
        progress=progress,
    )


def make_rain(
    clean: str | Path, out: str | Path, seed: int = 0, *, progress: bool = True
) -> list[Path]:
    """`degrade` of kind rain, under its old name."""
    return degrade(clean, out, "rain", seed, progress=progress)


def picture_rng(seed: int, name: str) -> np.random.Generator:
    """The generator of one picture: the same on every machine, whatever lies beside the file."""
    return np.random.default_rng((seed, crc32(os.fsencode(name))))


def degrade_photo(
    rgb: np.ndarray, kind: str | Degradation, rng: np.random.Generator
) -> np.ndarray:
    """One picture without a depth, uint8 [H, W, 3]: the ground is assumed to be flat."""
    depth = np.broadcast_to(assumed_depth((len(rgb), 1)), rgb.shape[:2])
    return degrade_rgb(rgb, sample(kind, rng), rng, depth)
