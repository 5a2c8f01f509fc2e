"""Scoring a deraining function on pairs of rainy and clean picture files.

Two protocols:

* `full-size`: every picture as it is. Its figures are the headline.
* `cclgan-code`: input and truth are first squashed to 256 x 256, bicubic with antialiasing as
  Pillow resizes, and the derainer sees the squashed input. So do the released options of CCLGAN's
  code (load and crop size 256 in the CUT family's loader), whose figures therefore are of small
  pictures. Squashing averages rain away: the input of Rain100L's test set gains 0.6 dB by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from cclgan_lite.data.images import ImageError, read_each, read_rgb
from cclgan_lite.data.pairs import Pair
from cclgan_lite.evaluation.metrics import scores
from cclgan_lite.evaluation.statistics import interval
from cclgan_lite.files import sha256_of

Protocol = Literal["full-size", "cclgan-code"]
Derain = Callable[[np.ndarray], np.ndarray]  # uint8 [H, W, 3] to the same
Metric = Callable[[np.ndarray, np.ndarray], float]  # derained and clean, uint8 [H, W, 3]
SQUASHED = (256, 256)


def evaluate_pairs(
    pairs: Iterable[Pair],
    derain: Derain,
    *,
    protocol: Protocol = "full-size",
    extras: Mapping[str, Metric] | None = None,
    progress: bool = False,
) -> dict:
    """Score `derain` on every pair.

    Args:
        extras: further metrics by name (`evaluation/extras.py`).

    Returns:
        `protocol`; `n`; `scenes`, the number of different truths; `psnr_y`, `ssim_y`, `psnr_rgb`,
        `ssim_rgb` and the extras, the means of the per-picture values; `intervals`, from these
        keys to the 95 % interval of the mean, [low, high] or None; `images`, a list of these
        values with each pair's `name` and `scene`, a hash of the truth's file. All of it is JSON.

    Raises:
        ImageError: files cannot be read, all of them named before the work; or there is no pair.
        ValueError: the sizes of a pair differ, or are under 11 pixels.
    """
    images, pairs = [], list(pairs)
    # A picture that breaks off is told before the work, not after it.
    read_each((file for _, *files in pairs for file in files), lambda file: read_rgb(file).shape)
    for name, rainy, clean in tqdm(pairs, unit="pair", disable=not progress):
        try:
            picture, truth = read_pair(rainy, clean, protocol)
            derained = derain(picture)
            values = scores(derained, truth)
            values |= {key: metric(derained, truth) for key, metric in (extras or {}).items()}
        except ImageError:
            raise
        except ValueError as error:
            raise ValueError(f"{rainy} and {clean}: {error}") from error
        images.append({"name": name, "scene": sha256_of(clean)[:12], **values})
    if not images:
        raise ImageError("There are no pairs to evaluate.")
    scenes = [image["scene"] for image in images]
    columns = {
        key: [image[key] for image in images] for key in images[0] if key not in ("name", "scene")
    }
    return {
        "protocol": protocol,
        "n": len(images),
        "scenes": len(set(scenes)),
        **{key: float(np.mean(column)) for key, column in columns.items()},
        "intervals": {key: interval(column, scenes) for key, column in columns.items()},
        "images": images,
    }


def read_pair(rainy: Path, clean: Path, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures, uint8 [H, W, 3], as `protocol` sees them.

    Raises:
        ImageError: a file cannot be read.
        ValueError: no such protocol.
    """
    pictures = read_rgb(rainy), read_rgb(clean)
    if protocol == "full-size":
        return pictures
    if protocol != "cclgan-code":
        raise ValueError(f"no protocol {protocol!r}; there are 'full-size' and 'cclgan-code'")
    bicubic = Image.Resampling.BICUBIC
    one, two = (np.asarray(Image.fromarray(p).resize(SQUASHED, bicubic)) for p in pictures)
    return one, two
