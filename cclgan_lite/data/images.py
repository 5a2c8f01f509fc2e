"""Reading and writing pictures: every kind of file becomes 8-bit RGB, or a clear error.

`read_rgb` is what training and evaluation need. `read_photo` and `write_photo` also carry what a
derained photograph must keep: format, orientation, profile, transparency, compression.

What cannot be kept, because the networks see 8-bit RGB:

* 16-bit colour becomes 8-bit; 16-bit grey stays 16-bit on disk, with 256 distinct levels;
* palette pictures come back as RGB, 1-bit ones as 8-bit grey;
* CMYK comes back as RGB without its (CMYK) colour profile;
* lossy WebP and CMYK JPEG are compressed anew at quality 95.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, JpegImagePlugin, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from cclgan_lite.files import write_atomically

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 500_000_000

# Pillow's own limit warns from 89 megapixels on and refuses 179, less than today's panoramas.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


class ImageError(ValueError):
    """A picture or folder cannot be used; the message names it and says what to do."""


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

    Raises:
        ImageError: the folder is missing, is a file, or holds no picture.
    """
    folder = Path(folder)
    if not folder.exists():
        raise ImageError(f"There is no folder {folder}. Check the path.")
    if not folder.is_dir():
        raise ImageError(f"{folder} is a file, a folder of pictures was expected.")
    found = [
        path
        for path in (folder.rglob("*") if recursive else folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    if not found:
        kinds = " ".join(sorted(IMAGE_SUFFIXES))
        raise ImageError(f"{folder} holds no pictures ({kinds}). Is it the right folder?")
    return sorted(found, key=natural_key)


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
        turned = image.format != "TIFF" and image.getexif().get(0x0112, 1) >= 5
    return (width, height) if turned else (height, width)


def read_photo(path: str | Path) -> Photo:
    """Decode a picture together with what `write_photo` needs; errors as in `read_rgb`."""
    with _opened(path) as image:
        options = _save_options(image, Path(path))
        format = "JPEG" if image.format == "MPO" else image.format
        image = ImageOps.exif_transpose(image)  # turns the pixels and drops the tag
        if format != "TIFF" and (exif := image.getexif()):
            options["exif"] = exif.tobytes()
        return Photo(*_to_rgb(image), format, options)


def write_photo(path: str | Path, photo: Photo, rgb: np.ndarray) -> None:
    """Write new pixels, uint8 [H, W, 3], in the manner of `photo`, atomically.

    Raises:
        ValueError: `rgb` differs from the photo in size or type.
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
    encoded = BytesIO()  # Pillow's encoders, writing themselves, would hide a full disk
    image.save(encoded, format=photo.format, **photo.options)
    write_atomically(path, lambda out: out.write_bytes(encoded.getbuffer()))


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
        ImageError: after the work, if pictures could not be read: each is named, all others are
            written.
        OSError: a file cannot be written.
    """
    written, failures = [], []
    for target, source in tqdm(sources.items(), unit="picture", disable=not progress):
        try:
            photo = read_photo(source)
        except ImageError as error:
            failures.append(str(error))
            continue
        write_photo(target, photo, change(source, photo.rgb))
        written.append(target)
    if failures:
        count = f"{len(failures)} of {len(sources)} pictures were not {done}"
        raise ImageError("\n  ".join([f"{count}, the others are in {out}:", *failures]))
    return written


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
        with open(path, "rb") as file, Image.open(file, formats=FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(f"{path} has over {MAX_PIXELS:,} pixels. Shrink it first.")
            if frames > 1 and image.format != "MPO":  # MPO: a camera's JPEG with a preview
                raise ImageError(f"{path} has {frames} frames. Save one as a still picture.")
            yield image
    except ImageError:
        raise
    except Exception as error:  # damaged files raise a zoo of exceptions, not only OSError
        raise ImageError(_explain(Path(path), error)) from error


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
        if image.mode != "CMYK":
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
