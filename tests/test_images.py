"""Reading every kind of picture file, and writing derained ones in the manner of their source."""

import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin

from cclgan_lite.data.images import (
    ImageError,
    ImageNote,
    list_images,
    read_each,
    read_photo,
    read_rgb,
    read_size,
    rewrite_photos,
    to_tensor,
    to_uint8,
    write_photo,
)

ORIENTATION = 0x0112
RGB = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[40:140:2, 40:140:2], 90), axis=2).astype(np.uint8)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def save(path: Path, image: Image.Image | np.ndarray, **options) -> Path:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image.save(path, **options)
    return path


def rewrite(path: Path) -> Path:
    """The file that `derain` writes when the network changes nothing."""
    photo = read_photo(path)
    out = path.with_name(f"out_{path.name}")
    write_photo(out, photo, photo.rgb)
    return out


def viewed(path: Path) -> np.ndarray:
    """What a viewer shows, by Pillow alone."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


# Folders


def test_list_images_in_natural_order(tmp_path):
    for name in ("10.png", "9.JPG", "a2.webp", "a10.webp", ".hidden.png", "notes.txt", "x.tiff"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "inner.png").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "inner.png").touch()
    flat = ["9.JPG", "10.png", "a2.webp", "a10.webp", "x.tiff"]
    with pytest.warns(ImageNote, match="1 .txt, 1 folder left out"):
        assert [path.name for path in list_images(tmp_path)] == flat
    with pytest.warns(ImageNote, match="1 .txt left out"):
        deep = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path, True)]
    assert deep == [*flat[:4], "folder.png/inner.png", "x.tiff"]


def test_list_images_says_what_is_wrong(tmp_path):
    with pytest.raises(ImageError, match="no file or folder .*missing"):
        list_images(tmp_path / "missing")
    with pytest.raises(ImageError, match="holds no pictures .* is empty"):
        list_images(tmp_path)
    (tmp_path / "IMG_1.HEIC").touch()
    with pytest.raises(ImageError, match=r"holds no pictures .* but only 1 \.heic: convert"):
        list_images(tmp_path)
    with pytest.raises(ImageError, match="a.png is a file"):
        list_images(save(tmp_path / "a.png", RGB))


@pytest.mark.parametrize("closed", ["", "inner"])
def test_folders_that_may_not_be_read_are_named(tmp_path, monkeypatch, closed):
    (tmp_path / "inner").mkdir()
    save(tmp_path / "a.png", RGB)
    scandir = os.scandir

    def refusing(folder):
        if Path(folder) == tmp_path / closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ImageError, match=f"{closed} may not be read"):
        list_images(tmp_path, recursive=True)


def test_all_bad_pictures_are_named_at_once(tmp_path):
    for name in ("a.png", "c.png"):
        (tmp_path / name).write_bytes(b"words")
    save(tmp_path / "b.png", RGB)
    with pytest.raises(ImageError, match="(?s)2 pictures.*a.png.*c.png"):
        read_each(list_images(tmp_path), read_size)
    assert read_each([tmp_path / "b.png"], read_size) == [(37, 50)]


# Reading


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_pictures_are_read_upright(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path / f"a.{suffix}", RGB, exif=exif)
    rgb = read_rgb(path)
    np.testing.assert_array_equal(rgb, viewed(path))
    assert read_size(path) == rgb.shape[:2] == ((37, 50) if orientation < 5 else (50, 37))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16"])
def test_uncompressed_tiffs_are_read_upright(tmp_path, mode):
    """Pillow maps these into memory, where it mixes up the sides of turned ones."""
    ramp = np.arange(0, 240, 6)[:, None] + np.arange(0, 40, 2)
    image = (
        Image.fromarray((257 * ramp).astype(np.uint16))
        if mode == "I;16"
        else Image.fromarray(ramp.astype(np.uint8)).convert(mode)
    )
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image.save(tmp_path / "raw.tif", exif=exif)
    image.save(tmp_path / "lzw.tif", exif=exif, compression="tiff_lzw")
    rgb = read_rgb(tmp_path / "raw.tif")
    assert rgb.shape[:2] == (20, 40)
    np.testing.assert_array_equal(rgb, read_rgb(tmp_path / "lzw.tif"))


def test_grey_becomes_rgb(tmp_path):
    grey = RGB[..., 0]
    rgb = read_rgb(save(tmp_path / "a.png", grey))
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, np.stack([grey] * 3, axis=2))


def test_one_bit(tmp_path):
    bits = np.array([[0, 1], [1, 0]], dtype=bool)
    np.testing.assert_array_equal(read_rgb(save(tmp_path / "a.png", bits))[..., 2], bits * 255)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    values = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)
    rgb = read_rgb(save(tmp_path / f"a.{suffix}", values))
    assert rgb[0, :, 1].tolist() == [0, 0, 1, 1, 128, 255]  # values / 257, rounded


def test_palette_cmyk_and_alpha_become_rgb(tmp_path):
    palette = Image.fromarray(RGB).quantize(16)
    np.testing.assert_array_equal(
        read_rgb(save(tmp_path / "p.png", palette)), np.asarray(palette.convert("RGB"))
    )
    cmyk = read_rgb(save(tmp_path / "c.tif", Image.fromarray(RGB).convert("CMYK")))
    np.testing.assert_array_equal(cmyk, RGB)
    transparent = np.dstack([RGB, np.zeros_like(RGB[..., 0])])
    np.testing.assert_array_equal(read_rgb(save(tmp_path / "t.png", transparent)), RGB)


def broken(kind: str, tmp_path: Path) -> Path:
    path = tmp_path / "bad.png"
    whole = save(tmp_path / "whole.png", RGB).read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2 :] = bytes(len(whole) - len(whole) // 2)
    content = {
        "empty": b"",
        "text": b"these are words",
        "truncated": whole[: len(whole) // 2],
        "damaged": bytes(damaged),
    }
    if kind in content:
        path.write_bytes(content[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind == "gif":
        save(path, RGB, format="gif")
    elif kind == "animated":
        frames = [Image.fromarray(RGB + i) for i in range(3)]
        frames[0].save(path, save_all=True, append_images=frames[1:])
    elif kind == "floats":
        save(path, np.zeros((4, 4), np.float32), format="tiff")
    elif kind == "32-bit":
        save(path, np.full((4, 4), 70000, np.int32), format="tiff")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    {
        "missing": "does not exist",
        "folder": "is a folder",
        "empty": "is empty",
        "text": "is no JPEG",
        "gif": "is no JPEG",
        "truncated": "is damaged",
        "damaged": "is damaged",
        "animated": "3 frames",
        "floats": "floating-point",
        "32-bit": "32-bit",
    }.items(),
)
def test_bad_pictures_are_named(tmp_path, kind, message):
    with pytest.raises(ImageError, match=f"bad.png.*{message}"):
        read_rgb(broken(kind, tmp_path))


# Metadata that makes no sense


def exif_of(tag: int, kind: int, count: int, value: bytes) -> bytes:
    """An EXIF block of one entry; kind 2 is text, 5 a fraction, 10 a signed one."""
    head = b"II*\0" + struct.pack("<IHHHI", 8, 1, tag, kind, count)
    if len(value) > 4:
        return head + struct.pack("<II", 26, 0) + value
    return head + value.ljust(4, b"\0") + bytes(4)


ODD_EXIF = {
    "garbage": b"\xff" * 40,
    "empty": b"",
    "short": b"II*\0\x08\0\0\0",
    "resolution in words": exif_of(0x011A, 2, 4, b"abc\0"),
    "resolution below zero": exif_of(0x011A, 10, 1, struct.pack("<ii", -72, 1)),
    "resolution over zero": exif_of(0x011A, 5, 1, struct.pack("<II", 300, 0)),
    "orientation in words": exif_of(ORIENTATION, 2, 2, b"6\0"),
    "over 64 KB": exif_of(0x927C, 7, 120_000, bytes(120_000)),
}


def with_chunk(path: Path, name: bytes, data: bytes) -> None:
    """A PNG with this chunk behind its head."""
    content, chunk = path.read_bytes(), name + data
    chunk = struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content[:33] + chunk + content[33:])


def with_exif(path: Path, exif: bytes) -> Path:
    """`path` with this EXIF, in a JPEG in as many segments as it takes."""
    content = path.read_bytes()
    if path.suffix == ".png":
        with_chunk(path, b"eXIf", exif)
    else:
        parts = [exif[i : i + 60_000] for i in range(0, max(1, len(exif)), 60_000)]
        parts = [b"Exif\0\0" + part for part in parts]
        segments = [b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts]
        path.write_bytes(content[:2] + b"".join(segments) + content[2:])
    return path


@pytest.mark.filterwarnings("ignore::cclgan_lite.data.images.ImageNote")
@pytest.mark.parametrize("kind", ODD_EXIF)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_metadata_never_costs_the_pixels(tmp_path, suffix, kind):
    path = save(tmp_path / f"a.{suffix}", SMOOTH)
    plain = read_rgb(path)
    with_exif(path, ODD_EXIF[kind])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # Pillow's lines of its own source
        assert read_size(path) == (50, 50)
        np.testing.assert_array_equal(read_rgb(path), plain)
    assert np.abs(viewed(rewrite(path)).astype(int) - plain).max() < 12


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_long_texts_never_cost_the_pixels(tmp_path, name):
    path = save(tmp_path / "a.png", SMOOTH)
    plain = read_rgb(path)
    with_chunk(path, name, b"text\0\0" + zlib.compress(b"t" * 3_000_000))
    np.testing.assert_array_equal(read_rgb(path), plain)


def test_what_can_be_read_of_an_odd_exif_is_kept(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    path = save(tmp_path / "a.jpg", SMOOTH)
    entries = exif_of(0x011A, 2, 4, b"abc\0")[10:22], exif.tobytes()[16:28]
    entry = struct.pack("<HHI", 0x010F, 2, 4) + b"Me!\0"
    block = b"II*\0" + struct.pack("<IH", 8, 2) + entry + entries[0] + bytes(4)
    with Image.open(rewrite(with_exif(path, block))) as after:
        assert dict(after.getexif()) == {0x010F: "Me!"}


def test_a_folder_is_done_whatever_the_metadata(tmp_path):
    sources = {}
    for name in ("a", "b", "c"):
        path = save(tmp_path / f"{name}.jpg", SMOOTH)
        sources[tmp_path / "out" / path.name] = path
    with_exif(tmp_path / "b.jpg", ODD_EXIF["over 64 KB"])
    with pytest.warns(ImageNote, match="b.jpg: written without its exif"):
        done = rewrite_photos(sources, lambda _, rgb: rgb, out="out", done="", progress=False)
    assert done == list(sources) and all(path.exists() for path in done)


def test_truncated_jpeg(tmp_path):
    path = save(tmp_path / "a.jpg", RGB)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ImageError, match="a.jpg is damaged"):
        read_rgb(path)


def test_50_megapixels_pass_without_warning_and_600_are_refused(tmp_path):
    large = save(tmp_path / "large.png", Image.new("1", (8660, 5774)))
    huge = save(tmp_path / "huge.png", Image.new("1", (30000, 20000)))
    bomb = save(tmp_path / "bomb.png", Image.new("1", (40000, 30000)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_size(large) == (5774, 8660)
    for path in (huge, bomb):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ImageError, match=f"{path.name} has over 500,000,000 pixels"):
                read_rgb(path)


# Tensors


def test_tensors_round_trip_exactly():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgb = np.stack([levels, levels.T, levels[::-1]], axis=2)
    tensor = to_tensor(rgb)
    assert tensor.shape == (3, 16, 16) and tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    assert tensor.min() == -1 and tensor.max() == 1 and tensor[0, 0, 1] == 1 / 127.5 - 1
    np.testing.assert_array_equal(to_uint8(tensor), rgb)


def test_to_uint8_rounds_and_clamps():
    values = torch.tensor([-9.0, -1.0, 99.6 / 127.5 - 1, 9.0]).expand(3, 1, 4)
    assert to_uint8(values)[0, :, 0].tolist() == [0, 0, 100, 255]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_to_uint8_refuses_what_is_not_finite(bad):
    with pytest.raises(ValueError, match="NaN or infinite"):
        to_uint8(torch.full((3, 2, 2), bad))


# Writing in the manner of the source


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_lossless_files_keep_pixels_and_format(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"a.{suffix}", RGB, **options)
    out = rewrite(path)
    np.testing.assert_array_equal(viewed(out), RGB)
    with Image.open(path) as before, Image.open(out) as after:
        assert before.format == after.format


def test_lossy_webp_stays_lossy(tmp_path):
    out = rewrite(save(tmp_path / "a.webp", SMOOTH, quality=50))
    assert b"VP8L" not in out.read_bytes() and b"VP8 " in out.read_bytes()
    assert np.abs(viewed(out).astype(int) - SMOOTH).max() < 30


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_viewer_sees_the_same_way_up(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path / f"a.{suffix}", SMOOTH[:40], exif=exif)
    before, after = viewed(path), viewed(rewrite(path))
    assert before.shape == after.shape
    assert np.abs(before.astype(int) - after).max() < 12


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_profile_resolution_and_camera_are_kept(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0x829A] = 0.5  # exposure time in seconds
    path = save(tmp_path / f"a.{suffix}", RGB, icc_profile=ICC, exif=exif, dpi=(300, 300))
    with Image.open(rewrite(path)) as after:
        assert after.info["icc_profile"] == ICC
        if suffix != "webp":  # has no resolution
            assert after.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        if suffix != "tif":
            assert after.getexif()[0x010F] == "Maker"
            assert after.getexif().get_ifd(0x8769)[0x829A] == 0.5


@pytest.mark.parametrize("options", [{"quality": 40}, {"quality": 93, "subsampling": 0}])
def test_jpeg_keeps_its_quality(tmp_path, options):
    path = save(tmp_path / "a.jpg", RGB, progressive=True, **options)
    with Image.open(path) as before, Image.open(rewrite(path)) as after:
        assert before.quantization == after.quantization
        sampling = [JpegImagePlugin.get_sampling(image) for image in (before, after)]
        assert sampling[0] == sampling[1]
        assert after.info["progressive"]


def test_camera_jpeg_with_a_preview_is_a_jpeg(tmp_path):
    path = tmp_path / "a.jpg"
    preview = Image.fromarray(SMOOTH[::2, ::2])
    Image.fromarray(SMOOTH).save(path, format="MPO", save_all=True, append_images=[preview])
    with Image.open(path) as image:
        assert image.format == "MPO"
    with Image.open(rewrite(path)) as image:
        assert image.format == "JPEG" and image.size == (50, 50)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_alpha_is_kept(tmp_path, mode, suffix):
    image = Image.fromarray(RGB).convert(mode)
    image.putalpha(Image.fromarray(RGB[..., 1]))
    with Image.open(rewrite(save(tmp_path / f"a.{suffix}", image))) as after:
        assert after.mode == mode
        np.testing.assert_array_equal(np.asarray(after), np.asarray(image))


def test_transparent_colour_is_kept_as_alpha(tmp_path):
    path = save(tmp_path / "a.png", RGB, transparency=tuple(map(int, RGB[3, 4])))
    with Image.open(path) as before, Image.open(rewrite(path)) as after:
        np.testing.assert_array_equal(np.asarray(after), np.asarray(before.convert("RGBA")))


def test_grey_stays_grey(tmp_path):
    for suffix in ("png", "jpg", "bmp", "tif"):
        with Image.open(rewrite(save(tmp_path / f"a.{suffix}", RGB[..., 0]))) as after:
            assert after.mode == "L"


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_stays_16_bit(tmp_path, suffix):
    values = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
    with Image.open(rewrite(save(tmp_path / f"a.{suffix}", values))) as after:
        np.testing.assert_array_equal(np.asarray(after), values)


def test_bilevel_tiff_compression_gives_way(tmp_path):
    path = save(tmp_path / "a.tif", Image.fromarray(RGB).convert("1"), compression="group4")
    np.testing.assert_array_equal(viewed(rewrite(path)), viewed(path))


def test_cmyk_jpeg_becomes_rgb_without_its_profile(tmp_path):
    path = save(tmp_path / "a.jpg", Image.fromarray(SMOOTH).convert("CMYK"), icc_profile=ICC)
    with Image.open(rewrite(path)) as after:
        assert after.mode == "RGB" and "icc_profile" not in after.info
        error = np.abs(np.asarray(after).astype(int) - read_rgb(path))
    assert error.mean() < 1


def test_cmyk_jpeg_keeps_its_colours(tmp_path):
    """Sharp colours, which a coarser sampling would blur."""
    path = save(
        tmp_path / "a.jpg", Image.fromarray(RGB).convert("CMYK"), quality=95, subsampling=0
    )
    assert np.abs(viewed(rewrite(path)).astype(int) - read_rgb(path)).mean() < 5


def test_write_photo_checks_the_pixels(tmp_path):
    photo = read_photo(save(tmp_path / "a.png", RGB))
    with pytest.raises(ValueError, match="expected uint8"):
        write_photo(tmp_path / "b.png", photo, RGB[1:])
    with pytest.raises(ValueError, match="expected uint8"):
        write_photo(tmp_path / "b.png", photo, RGB / 255)
    assert not (tmp_path / "b.png").exists()


def test_reading_leaves_no_file_open(tmp_path):
    code = (
        "import sys; from cclgan_lite.data.images import *\n"
        "read_rgb(sys.argv[1])\n"
        "try: read_rgb(sys.argv[2])\n"
        "except ImageError: pass"
    )
    paths = [save(tmp_path / "a.jpg", RGB), broken("truncated", tmp_path)]
    command = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", code]
    done = subprocess.run([*command, *paths], capture_output=True, text=True)
    assert done.returncode == 0 and "ResourceWarning" not in done.stderr, done.stderr
