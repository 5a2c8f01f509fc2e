"""Scoring a deraining function on pairs of rainy and clean picture files."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from tqdm import tqdm

from cclgan_lite.data.images import ImageError, read_rgb
from cclgan_lite.data.pairs import Pair
from cclgan_lite.evaluation.metrics import scores


def evaluate_pairs(
    pairs: Iterable[Pair],
    derain: Callable[[np.ndarray], np.ndarray],
    *,
    progress: bool = False,
) -> dict:
    """Score `derain`, uint8 [H, W, 3] to the same, on every pair at full size.

    Returns:
        `n`; `psnr_y`, `ssim_y`, `psnr_rgb`, `ssim_rgb`, the means of the per-picture values;
        `images`, a list of these four with each pair's `name`. All of it is JSON.

    Raises:
        ImageError: a file cannot be read, or there is no pair.
        ValueError: the sizes of a pair differ, or are under 11 pixels.
    """
    images = []
    for name, rainy, clean in tqdm(list(pairs), unit="pair", disable=not progress):
        try:
            images.append({"name": name, **scores(derain(read_rgb(rainy)), read_rgb(clean))})
        except ImageError:
            raise
        except ValueError as error:
            raise ValueError(f"{rainy} and {clean}: {error}") from error
    if not images:
        raise ImageError("There are no pairs to evaluate.")
    keys = [key for key in images[0] if key != "name"]
    means = {key: float(np.mean([image[key] for image in images])) for key in keys}
    return {"n": len(images), **means, "images": images}
