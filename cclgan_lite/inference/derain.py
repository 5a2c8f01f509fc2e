"""Deraining pictures of any size in bounded memory, and whole folders of picture files.

A large picture is cut into overlapping tiles whose results are cross-faded. The fade weights of
all tiles sum to one at every pixel, so whole rows of tiles can be finished and dropped one after
the other: memory holds the 8-bit picture, its result, one row of tiles and one tile's activations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from cclgan_lite.data.images import ImageError, list_images, rewrite_photos, to_tensor, to_uint8

MULTIPLE = 4  # the generator halves the picture twice and doubles it twice
SMALLEST = 16  # reflection padding inside the generator needs a few pixels at quarter size


@torch.inference_mode()
def derain_image(
    generator: Callable[[Tensor], Tensor],
    rgb: np.ndarray,
    *,
    tile: int = 512,
    overlap: int = 96,
    device: str | torch.device = "cpu",
    progress: bool = False,
) -> np.ndarray:
    """Derain one picture, uint8 [H, W, 3], of any size; the result has the same shape.

    Args:
        generator: rainy to derained, [1, 3, h, w] in [-1, 1], for h and w divisible by 4; a
            module has to be on `device` and in evaluation mode.
        tile: side of the square tiles in pixels. A picture no larger passes through the
            generator once, whole. Memory grows with its square.
        overlap: pixels shared by neighbouring tiles. Their outer quarter, which lacks the
            context beyond the tile, is not used; the middle half is cross-faded.

    Raises:
        ValueError: `rgb` is not uint8 [H, W, 3], `tile` or `overlap` is unusable, or the
            generator returns another size or values that are not finite.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"expected uint8 [H, W, 3], got {rgb.dtype} {list(rgb.shape)}")
    if tile % MULTIPLE or overlap % MULTIPLE or tile < SMALLEST or not 0 <= overlap <= tile // 2:
        raise ValueError(
            f"tile {tile} and overlap {overlap} must be multiples of {MULTIPLE}, the tile at "
            f"least {SMALLEST} and the overlap at most half the tile"
        )
    height, width = rgb.shape[:2]
    padding = [(0, max(-size % MULTIPLE, SMALLEST - size)) for size in (height, width)]
    padded = np.pad(rgb, [*padding, (0, 0)], mode="reflect") if np.any(padding) else rgb
    rows, columns = (_spans(size, tile, overlap) for size in padded.shape[:2])

    result = np.empty_like(padded)
    unfinished = torch.zeros(3, 0, padded.shape[1])  # lower part of the tile row above
    # Where the next row of tiles begins, this one's part above is finished.
    finished = [start for start, _ in rows[1:]] + [padded.shape[0]]
    with tqdm(total=len(rows) * len(columns), disable=not progress, leave=False) as bar:
        for (top, fade_y), end in zip(rows, finished, strict=True):
            row = torch.zeros(3, len(fade_y), padded.shape[1])
            row[:, : unfinished.shape[1]] = unfinished
            for left, fade_x in columns:
                window = slice(left, left + len(fade_x))
                rainy = to_tensor(padded[top : top + len(fade_y), window])[None].to(device)
                derained = generator(rainy)
                if derained.shape != rainy.shape:
                    sizes = f"{list(rainy.shape)} into {list(derained.shape)}"
                    raise ValueError(f"the generator turned {sizes}, the shape must stay")
                row[:, :, window] += derained[0].float().cpu() * fade_y[:, None] * fade_x
                bar.update()
            result[top:end] = to_uint8(row[:, : end - top])
            unfinished = row[:, end - top :]
    return result[:height, :width]


def _spans(size: int, tile: int, overlap: int) -> list[tuple[int, Tensor]]:
    """Tiles along one axis: (start, weight of every pixel); the weights sum to one everywhere.

    Starts are multiples of 4, so that a tile meets the generator's strides as the whole does.
    """
    length = min(size, tile)
    starts = [*range(0, size - length, tile - overlap), size - length]
    ramp = (2 * (torch.arange(overlap) + 0.5) / max(overlap, 1) - 0.5).clamp(0, 1)
    weights, total = [], torch.zeros(size)
    for start in starts:
        weight = torch.ones(length)
        if start > 0:
            weight[:overlap] *= ramp
        if start + length < size:
            weight[length - overlap :] *= ramp.flip(0)
        total[start : start + length] += weight
        weights.append(weight)
    return [
        (start, weight / total[start : start + length])
        for start, weight in zip(starts, weights, strict=True)
    ]


def derain_files(
    generator: Callable[[Tensor], Tensor],
    inputs: Iterable[str | Path],
    out: str | Path,
    *,
    progress: bool = True,
    **options,
) -> list[Path]:
    """Derain picture files, and folders of them with all sub-folders, into the folder `out`.

    Names, sub-folders, formats and what else `write_photo` keeps are kept. Files already in
    `out` are replaced one by one, each in a single step, so stopping half-way loses nothing.
    `options` are those of `derain_image`. Returns the files written.

    Raises:
        ImageError: before any work, if there is nothing to do, two inputs would get one name, or
            an input would be overwritten; after it, if pictures could not be read: each is named
            and all others are written.
        OSError: a file cannot be written.
    """
    sources = _plan(inputs, Path(out))
    return rewrite_photos(
        sources,
        lambda source, rgb: derain_image(generator, rgb, progress=progress, **options),
        out=out,
        done="derained",
        progress=progress,
    )


def _plan(inputs: Iterable[str | Path], out: Path) -> dict[Path, Path]:
    """Which input goes to which output."""
    if out.exists() and not out.is_dir():
        raise ImageError(f"{out} is a file; name a folder for the derained pictures.")
    sources: dict[Path, Path] = {}
    for item in map(Path, inputs):
        if item.is_file():
            found = [(out / item.name, item)]
        elif item.resolve() == out.resolve():
            raise ImageError(f"{out} is an input; name another folder for the derained pictures.")
        else:  # results of an earlier run inside the input folder are no inputs
            found = [
                (out / path.relative_to(item), path)
                for path in list_images(item, recursive=True)
                if out.resolve() not in path.resolve().parents
            ]
        for target, source in found:
            earlier = sources.setdefault(target, source)
            if earlier.resolve() != source.resolve():
                raise ImageError(f"{earlier} and {source} would both become {target}. Rename one.")
    taken = {source.resolve(): source for source in sources.values()}
    for target in sources:
        if target.resolve() in taken:
            raise ImageError(f"{target} is an input; name another folder than {out}.")
    if not sources:
        raise ImageError("There are no pictures to derain. Name some files or folders.")
    return sources
