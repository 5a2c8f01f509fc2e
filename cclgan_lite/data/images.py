"""Reading and writing pictures: every kind of file becomes 8-bit RGB, or a clear error.

`read_rgb` is what training and evaluation need. `read_photo` and `write_photo` also carry what a
derained photograph must keep: format, orientation, profile, transparency, compression.

What cannot be kept, because the networks see 8-bit RGB:

* 16-bit colour becomes 8-bit; 16-bit grey stays 16-bit on disk, with 256 distinct levels;
* palette pictures come back as RGB, 1-bit ones as 8-bit grey;
* CMYK comes back as RGB without its (CMYK) colour profile;
* lossy WebP and CMYK JPEG are compressed anew at quality 95;
* metadata that cannot be read, or not be written again, is left out: it costs nobody the pixels.
"""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from cclgan_lite.files import ignores_case, write_atomically

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 500_000_000

METADATA = ("exif", "dpi", "icc_profile")  # options of `Image.save` that a file can do without
ORIENTATION = 0x0112
TURNS = {  # what brings a picture of this orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

T = TypeVar("T")

# Pillow's own limit warns from 89 megapixels on and refuses 179, less than today's panoramas.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# Its 1 MB for a text or profile refuses the picture; 64 MB is what it allows all of them together.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


class ImageError(ValueError):
    """A picture or folder cannot be used; the message names it and says what to do."""


class ImageNote(UserWarning):
    """Something was left out that does not stop the work; the message names it."""


@dataclass
class Photo:
    """A decoded picture and what is needed to write one like it.

    Attributes:
        rgb: uint8 [H, W, 3], upright (the EXIF orientation is already applied).
        alpha: uint8 [H, W] or None.
        depth: bits per value on disk, 8, or 16 (grey only).
        grey: whether the file holds one brightness channel.
        format: Pillow's name of the file format.
        options: keyword arguments for `Image.save` (profile, EXIF, compression...).
    """

    rgb: np.ndarray
    alpha: np.ndarray | None = None
    depth: int = 8
    grey: bool = False
    format: str = "PNG"
    options: dict[str, Any] = field(default_factory=dict)


def list_images(folder: str | Path, recursive: bool = False) -> list[Path]:
    """The pictures in `folder` in natural order (2.png before 10.png), hidden ones left out.

    Warns (ImageNote) of what else is there, by kind and number.

    Raises:
        ImageError: the folder is missing, is a file, may not be read, or holds no picture.
    """
    folder = Path(folder)
    if not folder.exists():
        raise ImageError(f"There is no file or folder {folder}. Check the path.")
    if not folder.is_dir():
        raise ImageError(f"{folder} is a file, a folder of pictures was expected.")
    found, others = [], Counter()
    for place, inner, names in os.walk(folder, onerror=_refused):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            path = Path(place, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
                found.append(path)
            else:
                others[path.suffix.lower() or "without suffix"] += 1
        if not recursive:
            others["folder"] = len(inner)
            break
    there = ", ".join(
        f"{n} {kind}{'s' * (kind == 'folder' and n > 1)}" for kind, n in others.items() if n
    )
    if not found:
        kinds = " ".join(sorted(IMAGE_SUFFIXES))
        remedy = "convert them to PNG, or name the folder that holds the pictures"
        rest = f"but only {there}: {remedy}" if there else "and is empty"
        raise ImageError(f"{folder} holds no pictures ({kinds}) {rest}.")
    if there:
        warnings.warn(f"{folder}: {there} left out", ImageNote, stacklevel=2)
    return sorted(found, key=natural_key)


def _refused(error: OSError) -> None:
    raise ImageError(f"{error.filename} may not be read ({error.strerror}).") from error


def read_each(paths: Iterable[Path], read: Callable[[Path], T], progress: str = "") -> list[T]:
    """`read(path)` of every path, under a bar called `progress`.

    Raises:
        ImageError: names every picture that cannot be read, not the first alone.
    """
    values, problems = [], []
    for path in tqdm(paths, desc=progress, unit="picture", disable=not progress):
        try:
            values.append(read(path))
        except ImageError as error:
            problems.append(str(error))
    if len(problems) > 1:
        problems.insert(0, f"{len(problems)} pictures cannot be used:")
    if problems:
        raise ImageError("\n  ".join(problems))
    return values


def natural_key(path: Path) -> tuple:
    """Sort key that orders the numbers in a path by value."""
    parts = re.split(r"(\d+)", path.as_posix().casefold())
    return [int(p) if i % 2 else p for i, p in enumerate(parts)], path.as_posix()


def read_rgb(path: str | Path) -> np.ndarray:
    """The upright picture as uint8 [H, W, 3]; an alpha channel is dropped, not composited.

    Raises:
        ImageError: missing, empty, damaged, not a picture, animated, or over `MAX_PIXELS`.
    """
    return read_photo(path).rgb


def read_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of the upright picture, from the file's header alone."""
    with _opened(path) as image:
        width, height = image.size
        turned = image.format != "TIFF" and _exif(image).get(ORIENTATION) in (5, 6, 7, 8)
    return (width, height) if turned else (height, width)


def read_photo(path: str | Path) -> Photo:
    """Decode a picture together with what `write_photo` needs; errors as in `read_rgb`."""
    with _opened(path) as image:
        options = _save_options(image, Path(path))
        format = "JPEG" if image.format == "MPO" else image.format
        image.load()  # a TIFF turns itself
        exif = _exif(image)
        if format != "TIFF":
            turn = TURNS.get(exif.pop(ORIENTATION, 1))
            image = image if turn is None else image.transpose(turn)
            if content := _encoded(exif):
                options["exif"] = content
        return Photo(*_to_rgb(image), format, options)


def _exif(image: Image.Image) -> Image.Exif:
    """The EXIF of a picture, as far as it can be read."""
    with suppress(Exception):  # damaged ones raise a zoo of exceptions
        return image.getexif()
    return Image.Exif()


def _encoded(exif: Image.Exif) -> bytes:
    """Its bytes; tags whose values nothing can write are left out."""
    with suppress(Exception):
        return exif.tobytes() if exif else b""
    for tag, value in dict(exif).items():
        alone = Image.Exif()
        alone[tag] = value
        try:
            alone.tobytes()
        except Exception:
            del exif[tag]
    with suppress(Exception):
        return exif.tobytes()
    return b""


def write_photo(path: str | Path, photo: Photo, rgb: np.ndarray) -> None:
    """Write new pixels, uint8 [H, W, 3], in the manner of `photo`, atomically.

    Warns (ImageNote) of metadata that the format does not take, such as an EXIF over 64 KB in a
    JPEG; it is left out.

    Raises:
        ValueError: `rgb` differs from the photo in size or type.
        ImageError: the picture cannot be encoded.
        OSError: the file cannot be written.
    """
    if rgb.shape != photo.rgb.shape or rgb.dtype != np.uint8:
        raise ValueError(f"expected uint8 {photo.rgb.shape}, got {rgb.dtype} {rgb.shape}")
    image = Image.fromarray(rgb)
    if photo.grey:
        image = image.convert("L")
    if photo.depth == 16 and photo.alpha is None:
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    content = _encode(image, photo, path)  # Pillow, writing itself, would hide a full disk
    write_atomically(path, lambda out: out.write_bytes(content))


def _encode(image: Image.Image, photo: Photo, path: str | Path) -> memoryview:
    """The content of the file, with as much of the metadata as it takes."""
    given = [name for name in METADATA if name in photo.options]
    problem: Exception | None = None
    for left_out in ([], *([name] for name in given), given):
        options = {k: v for k, v in photo.options.items() if k not in left_out}
        encoded = BytesIO()
        try:
            image.save(encoded, format=photo.format, **options)
        except Exception as error:
            problem = problem or error
            continue
        if problem:
            what = " and ".join(left_out)
            warnings.warn(
                f"{path}: written without its {what} ({problem})", ImageNote, stacklevel=3
            )
        return encoded.getbuffer()
    raise ImageError(f"{path} cannot be written as {photo.format} ({problem}).") from problem


def rewrite_photos(
    sources: Mapping[Path, Path],
    change: Callable[[Path, np.ndarray], np.ndarray],
    *,
    out: str | Path,
    done: str,
    progress: bool = True,
) -> list[Path]:
    """Write `change(source, rgb)` of every source to its target, in the manner of the source.

    Args:
        sources: target to source.
        out, done: where and what ("derained"), for the message.

    Returns the files written.

    Raises:
        ImageError: before the work, if two targets would be one file; after it, if pictures could
            not be read: each is named, all others are written.
        OSError: a file cannot be written.
    """
    if ignores_case(Path(out)):
        spelled: dict[str, Path] = {}
        for target, source in sources.items():
            earlier = spelled.setdefault(str(target).casefold(), source)
            if earlier is not source:
                raise doubled(earlier, source, target)
    written, failures = [], []
    for target, source in tqdm(sources.items(), unit="picture", disable=not progress):
        try:
            photo = read_photo(source)
            write_photo(target, photo, change(source, photo.rgb))
            written.append(target)
        except ImageError as error:
            failures.append(str(error))
    if failures:
        count = f"{len(failures)} of {len(sources)} pictures were not {done}"
        raise ImageError("\n  ".join([f"{count}, the others are in {out}:", *failures]))
    return written


def doubled(one: Path, other: Path, target: Path) -> ImageError:
    return ImageError(f"{one} and {other} would both become {target}. Rename one.")


def to_tensor(rgb: np.ndarray) -> Tensor:
    """uint8 [H, W, 3] to float32 [3, H, W] in [-1, 1]."""
    tensor = torch.from_numpy(np.array(rgb, order="C")).permute(2, 0, 1)
    return tensor.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)


def to_uint8(tensor: Tensor) -> np.ndarray:
    """[3, H, W] in [-1, 1] to uint8 [H, W, 3], rounded and clamped; undoes `to_tensor` exactly.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    tensor = tensor.detach().float().cpu()
    if not tensor.isfinite().all():
        raise ValueError("the picture holds NaN or infinite values: the network has diverged")
    levels = ((tensor + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
    return levels.permute(1, 2, 0).contiguous().numpy()


@contextmanager
def _opened(path: str | Path) -> Iterator[Image.Image]:
    """Image.open for still pictures of the known formats; whatever goes wrong: ImageError."""
    try:
        # By file, not by name: named raw TIFFs are mapped into memory, and turned ones scrambled.
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.filterwarnings("ignore", module="PIL")  # of odd metadata
            with Image.open(file, formats=FORMATS) as image:
                yield _still(image, path)
    except ImageError:
        raise
    except Exception as error:  # damaged files raise a zoo of exceptions, not only OSError
        raise ImageError(_explain(Path(path), error)) from error


def _still(image: Image.Image, path: str | Path) -> Image.Image:
    """The same, or ImageError if it is too large or moves."""
    frames = getattr(image, "n_frames", 1)
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(f"{path} has over {MAX_PIXELS:,} pixels. Shrink it first.")
    if frames > 1 and image.format != "MPO":  # MPO: a camera's JPEG with a preview
        raise ImageError(f"{path} has {frames} frames. Save one as a still picture.")
    return image


def _explain(path: Path, error: Exception) -> str:
    if not path.exists():
        return f"{path} does not exist. Check the path."
    if path.is_dir():
        return f"{path} is a folder, a picture was expected."
    if isinstance(error, PermissionError):
        return f"{path} may not be read. Change its permissions."
    if path.stat().st_size == 0:
        return f"{path} is empty (0 bytes). Copy or download it again."
    if isinstance(error, Image.DecompressionBombError):
        return f"{path} has over {MAX_PIXELS:,} pixels. Shrink it first."
    if isinstance(error, UnidentifiedImageError):
        return f"{path} is no {', '.join(FORMATS)} picture or is damaged. Convert it to PNG."
    return f"{path} is damaged or unsupported ({error}). Copy it again or convert it to PNG."


def _to_rgb(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None, int, bool]:
    """(rgb, alpha, depth, grey) of a decoded picture in any of Pillow's modes."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("32-bit values; 8 or 16 bits were expected")
        levels = ((values.astype(np.float32)) / 257).round().astype(np.uint8)
        return np.repeat(levels[..., None], 3, axis=2), None, 16, True
    if image.mode == "F":
        raise ValueError("floating-point values; 8 or 16 bits were expected")
    grey = image.mode in ("1", "L", "LA", "La")
    if not image.has_transparency_data:
        return np.array(image.convert("RGB")), None, 8, grey
    if image.mode == "La":  # premultiplied grey, which Pillow only converts to LA
        image = image.convert("LA")
    rgba = np.array(image.convert("RGBA"))
    return rgba[..., :3].copy(), rgba[..., 3].copy(), 8, grey


def _save_options(image: Image.Image, path: Path) -> dict[str, Any]:
    """How the file was written, as keyword arguments for `Image.save`."""
    keep = ("dpi",) if image.mode in ("CMYK", "LAB") else ("dpi", "icc_profile")
    options = {key: image.info[key] for key in keep if image.info.get(key)}
    if image.format in ("JPEG", "MPO"):
        options |= {"quality": 95, "progressive": bool(image.info.get("progressive"))}
        if image.mode == "CMYK":
            options["subsampling"] = 0  # Pillow does not tell theirs
        else:
            del options["quality"]
            options["qtables"] = [table for _, table in sorted(image.quantization.items())]
            if (subsampling := JpegImagePlugin.get_sampling(image)) >= 0:
                options["subsampling"] = subsampling
    elif image.format == "WEBP":
        lossless = b"VP8L" in _riff_chunks(path)
        options |= {"lossless": lossless, "exact": lossless, "quality": 95}
    elif image.format == "TIFF":
        lossless = ("raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate")
        compression = image.info.get("compression")
        options["compression"] = compression if compression in lossless else "tiff_lzw"
    return options


def _riff_chunks(path: Path) -> set[bytes]:
    """The chunk names of a WebP file: VP8L holds lossless pixels, VP8 lossy ones."""
    names = set()
    with open(path, "rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            names.add(header[:4])
            size = int.from_bytes(header[4:], "little")
            file.seek(size + size % 2, 1)
    return names
