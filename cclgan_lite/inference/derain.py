"""Deraining pictures of any size in bounded memory, and whole folders of picture files.

A picture of up to a megapixel passes through the generator whole. A larger one is cut into tiles,
each computed with its surroundings, under norm statistics that are the same for all (`fixed.py`):
the tiles fit without seams, and how many there are changes the speed, not the picture. A veil
(`networks/veil.py`) is looked for in the whole picture, at an eighth of its size or less. Memory
holds the 8-bit picture, its result and the activations of one tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import product
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from cclgan_lite.data.images import (
    ImageError,
    doubled,
    list_images,
    rewrite_photos,
    to_tensor,
    to_uint8,
)
from cclgan_lite.device import Precision, pick_device, pick_precision
from cclgan_lite.files import identity, refuse_unwritable
from cclgan_lite.inference.fixed import fix_statistics
from cclgan_lite.inference.weights import DEFAULT_WEIGHTS, load_derainer
from cclgan_lite.networks import Generator
from cclgan_lite.networks.veil import VeilRemover, side_of, spread, squares_of, take_veil

MULTIPLE = 4  # the generator halves the picture twice and doubles it twice
SMALLEST = 16  # reflection padding inside the generator needs a few pixels at quarter size
WINDOWS, WINDOW = 4, 256  # statistics come from up to 4 x 4 windows of 256 x 256: a megapixel
STRIP = 2**20  # pixels that a veil is taken off at a time, at least a row of squares
LARGEST = 1536  # larger tiles save hardly any surroundings and leave the processor's caches


def derain(
    pictures: Any,
    out: str | Path | None = None,
    weights: str | PathLike = DEFAULT_WEIGHTS,
    *,
    memory: float | None = None,
    precision: Precision | Literal["auto"] = "auto",
    device: str = "auto",
    progress: bool = True,
) -> Any:
    """Remove the rain from a picture or many, of any size. What comes back is of the same kind:

    - a file, a folder or a list of them: written into the folder `out` as `derain_files` does;
      returns the paths written, for a single file its path
    - a PIL image (as RGB) or an array, uint8 [H, W, 3] in 0-255
    - a tensor, float [3, H, W] or [B, 3, H, W] in [-1, 1], on its device

    `weights` is a shipped name, a weights file or a run; `memory` and `precision` are those of
    `derain_image`.

    Raises ImageError, FileNotFoundError or ValueError that name the picture, the weights or the
    argument and the remedy; TypeError for another kind of picture.
    """
    derainer = load_derainer(weights, pick_device(device))
    options = {"memory": memory, "precision": precision}
    if isinstance(pictures, Image.Image):
        return Image.fromarray(
            derain_image(derainer, np.array(pictures.convert("RGB")), **options)
        )
    if isinstance(pictures, np.ndarray):
        return derain_image(derainer, pictures, **options)
    if isinstance(pictures, Tensor):
        batch = pictures if pictures.ndim == 4 else pictures[None]
        derained = [to_tensor(derain_image(derainer, to_uint8(p), **options)) for p in batch]
        return torch.stack(derained).view_as(pictures).to(pictures)
    single = isinstance(pictures, str | PathLike)
    paths = [pictures] if single or not isinstance(pictures, Iterable) else list(pictures)
    if not all(isinstance(path, str | PathLike) for path in paths):
        raise TypeError("give paths, a PIL image, an array uint8 [H, W, 3] or a tensor")
    if out is None:
        raise ValueError("name the folder for the derained pictures: out")
    written = derain_files(derainer, map(fspath, paths), out, progress=progress, **options)
    return written[0] if single and Path(pictures).is_file() else written


def default_memory(device: torch.device) -> float:
    """GiB for activations: half of what a GPU has free; one on a CPU, where more is no faster."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] / 2**31
    return 1.0


@torch.inference_mode()
def derain_image(
    generator: Callable[[Tensor], Tensor],
    rgb: np.ndarray,
    *,
    memory: float | None = None,
    precision: Precision | Literal["auto"] = "auto",
    progress: bool = False,
    tile: int | None = None,
) -> np.ndarray:
    """Derain one picture, uint8 [H, W, 3], of any size; the result has the same shape.

    Args:
        generator: rainy to derained, [1, 3, h, w] in [-1, 1], for h and w divisible by 4; a
            module has to be in evaluation mode, and computes where its parameters are. Any
            function will do, but only the statistics of a `Generator` are fixed for a large
            picture.
        memory: GiB that the activations of one pass may take, besides the picture and its
            result; None is `default_memory`. The megapixel that the statistics come from, in
            float32, is always allowed.
        precision: of the convolutions; auto is bfloat16 where the hardware multiplies it at full
            speed, which changes results by a tenth of a grey level.
        tile: side of the square tiles in pixels, surroundings included, in place of `memory`.

    Raises:
        ValueError: `rgb` is not uint8 [H, W, 3], `tile` or `memory` is unusable, or the
            generator returns another size or values that are not finite.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"expected uint8 [H, W, 3], got {rgb.dtype} {list(rgb.shape)}")
    parameter = next(generator.parameters(), None) if isinstance(generator, nn.Module) else None
    device = torch.device("cpu") if parameter is None else parameter.device
    precision = pick_precision(precision, device)
    dtype = getattr(torch, precision)
    known = isinstance(generator, Generator)
    margin = generator.config.context if known else 48
    if tile is None:
        filters = generator.config.filters if known else 64
        memory = default_memory(device) if memory is None else memory
        tile = max(tile_for(memory, filters, dtype), 4 * margin)
    if tile < 2 * margin + SMALLEST or tile % MULTIPLE:
        raise ValueError(
            f"a tile must be a multiple of {MULTIPLE} and at least {2 * margin + SMALLEST}, to "
            f"hold {margin} pixels of surroundings on each side; got {tile}"
        )
    height, width = rgb.shape[:2]
    padding = [(0, max(-size % MULTIPLE, SMALLEST - size)) for size in (height, width)]
    padded = np.pad(rgb, [*padding, (0, 0)], mode="reflect") if np.any(padding) else rgb
    rows, columns = padded.shape[:2]

    def images(windows: list[tuple[slice, slice]]) -> Tensor:
        return torch.stack([to_tensor(padded[window]) for window in windows]).to(device)

    def plain(rainy: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            return generator(rainy)

    parts = [((0, rows), (0, columns))]
    if rows * columns > tile**2:
        parts = list(product(*(_parts(size, tile, margin) for size in (rows, columns))))
    # Where a norm's statistics come from depends on the picture alone, not on the memory at hand.
    sampled = len(parts) > 1 or rows * columns > (WINDOWS * WINDOW) ** 2
    if known and (sampled or not generator.config.normalises):
        run = fix_statistics(generator, images(_windows(rows, columns)), dtype)
    else:
        run = plain
    result = np.empty_like(padded)
    for (top, bottom), (left, right) in tqdm(parts, disable=not progress, leave=False):
        y, x = max(0, top - margin), max(0, left - margin)  # where the surroundings begin
        rainy = images([np.s_[y : bottom + margin, x : right + margin]])
        derained = run(rainy)
        if derained.shape != rainy.shape:
            sizes = f"{list(rainy.shape)} into {list(derained.shape)}"
            raise ValueError(f"the generator turned {sizes}, the shape must stay")
        inner = derained[0, :, top - y : bottom - y, left - x : right - x]
        result[top:bottom, left:right] = to_uint8(inner)
    result = result[:height, :width]
    return _unveiled(generator.veil, result) if known and generator.veil is not None else result


def _unveiled(veil: VeilRemover, rgb: np.ndarray) -> np.ndarray:
    """`veil(rgb)`, uint8, strip by strip: looking for the veil, it sees the picture whole."""
    side, device = side_of(*rgb.shape[:2]), veil.last.weight.device
    rows = max(1, STRIP // (side * rgb.shape[1]))
    strips = [slice(top, top + rows * side) for top in range(0, len(rgb), rows * side)]

    def light(strip: slice) -> Tensor:
        return (to_tensor(rgb[strip])[None].to(device) + 1) / 2

    found = veil.coefficients(torch.cat([squares_of(light(strip), side) for strip in strips], 2))
    found = F.pad(found, (0, 0, 1, 1), mode="replicate")  # strips see a row of squares beyond
    result = np.empty_like(rgb)
    for i, strip in enumerate(strips):
        seen = light(strip)
        part = found[:, :, i * rows : (i + 1) * rows + 2]
        part = spread(part, side, side + seen.shape[2], seen.shape[3])[:, :, side:]
        result[strip] = to_uint8(2 * take_veil(seen, part)[0] - 1)
    return result


def tile_for(memory: float, filters: int, dtype: torch.dtype) -> int:
    """Side of the largest useful tile whose activations fit into `memory` GiB.

    At its peak a pass holds six times the feature maps of the first layer.
    """
    if not 0 < memory < math.inf:
        raise ValueError(f"memory must be above 0 GiB and finite, not {memory}")
    side = math.isqrt(int(memory * 2**30 / (6 * filters * dtype.itemsize)))
    return min(LARGEST, side) // MULTIPLE * MULTIPLE


def _parts(size: int, tile: int, margin: int) -> list[tuple[int, int]]:
    """An axis in equal parts (start, end), which are tiles together with `margin` on each side."""
    count = 1 if size <= tile else math.ceil(size / (tile - 2 * margin))
    step = MULTIPLE * math.ceil(size / count / MULTIPLE)
    return [(start, min(start + step, size)) for start in range(0, size, step)]


def _windows(rows: int, columns: int) -> list[tuple[slice, slice]]:
    """The windows that the statistics come from: all of a small picture, a grid in a large one."""
    if rows * columns <= (WINDOWS * WINDOW) ** 2:
        return [np.s_[:rows, :columns]]

    def places(size: int) -> list[slice]:
        side = min(size, WINDOW)
        starts = np.linspace(0, size - side, WINDOWS).astype(int) // MULTIPLE * MULTIPLE
        return [slice(start, start + side) for start in starts]

    return list(product(places(rows), places(columns)))


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
    refuse_unwritable(out, folder=True)
    own = identity(out) if out.exists() else None
    sources: dict[Path, Path] = {}
    for item in map(Path, inputs):
        if item.is_file():
            found = [(out / item.name, item)]
        elif item.exists() and identity(item) == own:
            raise ImageError(f"{out} is an input; name another folder for the derained pictures.")
        else:  # results of an earlier run inside the input folder are no inputs
            found = [
                (out / path.relative_to(item), path)
                for path in list_images(item, recursive=True)
                if own not in map(identity, path.resolve().parents)
            ]
        for target, source in found:
            if identity(sources.setdefault(target, source)) != identity(source):
                raise doubled(sources[target], source, target)
    taken = set(map(identity, sources.values()))
    for target in sources:
        if target.exists() and identity(target) in taken:
            raise ImageError(f"{target} is an input; name another folder than {out}.")
    if not sources:
        raise ImageError("There are no pictures to derain. Name some files or folders.")
    return sources
