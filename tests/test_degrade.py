"""Degraded folders: the same shower whatever lies beside a picture, and nothing of it lost."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from cclgan_lite.data.degradations.haze import Haze
from cclgan_lite.data.degradations.kinds import KINDS
from cclgan_lite.data.degrade import degrade, degrade_photo, make_rain
from cclgan_lite.data.images import ImageError, read_photo, read_rgb


def smooth(height: int, width: int) -> Image.Image:
    y, x = np.mgrid[:height, :width] / 30
    waves = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=2)
    return Image.fromarray((110 + 60 * waves).astype(np.uint8))


@pytest.fixture
def clean(tmp_path):
    folder = tmp_path / "clean"
    folder.mkdir()
    for name in ("10.png", "2.png", "street.jpg"):
        smooth(48, 64).save(folder / name, quality=90)
    return folder


def pixels(paths):
    return {path.name: read_rgb(path) for path in paths}


def rain(clean, out, **options):
    return pixels(make_rain(clean, out, progress=False, **options))


def test_names_and_order_are_kept_and_the_clean_pictures_stay(clean, tmp_path):
    before = {path: path.read_bytes() for path in clean.iterdir()}
    out = tmp_path / "a" / "rainy"
    written = make_rain(clean, out, progress=False)
    assert written == [out / name for name in ("2.png", "10.png", "street.jpg")]
    assert set(out.iterdir()) == set(written)
    assert {path: path.read_bytes() for path in clean.iterdir()} == before


def test_it_rains_on_every_picture_and_each_has_its_own_shower(clean, tmp_path):
    rainy = rain(clean, tmp_path / "rainy")
    dry = pixels(clean.iterdir())
    for name, rgb in rainy.items():
        gain = rgb.astype(float) - dry[name]
        assert rgb.shape == dry[name].shape and gain.mean() > 2 and gain.max() > 20
    assert (dry["2.png"] == dry["10.png"]).all() and (rainy["2.png"] != rainy["10.png"]).any()


def test_the_seed_decides_the_shower_and_the_global_state_does_not(clean, tmp_path):
    first = rain(clean, tmp_path / "first", seed=3)
    np.random.seed(1)
    again, other = rain(clean, tmp_path / "again", seed=3), rain(clean, tmp_path / "other", seed=4)
    for name in first:
        np.testing.assert_array_equal(again[name], first[name])
        assert (other[name] != first[name]).any()
    with pytest.raises(ValueError):
        rain(clean, tmp_path / "none", seed=-1)


def test_showers_do_not_depend_on_the_other_pictures(clean, tmp_path):
    before = rain(clean, tmp_path / "before")
    smooth(30, 40).save(clean / "1.png")
    (clean / "10.png").unlink()
    after = rain(clean, tmp_path / "after")
    assert set(after) == {"1.png", "2.png", "street.jpg"}
    for name in ("2.png", "street.jpg"):
        np.testing.assert_array_equal(after[name], before[name])


def test_seed_and_name_alone_decide_the_shower(clean, tmp_path):
    """By hand: the same in every process and on every machine, unlike Python's own hash."""
    rng = np.random.default_rng((5, 0x21771E74))  # the CRC-32 of "2.png"
    expected = degrade_photo(read_rgb(clean / "2.png"), "rain", rng)
    np.testing.assert_array_equal(rain(clean, tmp_path / "rainy", seed=5)["2.png"], expected)


def test_format_orientation_profile_and_alpha_are_kept(tmp_path):
    clean, out = tmp_path / "clean", tmp_path / "rainy"
    clean.mkdir()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    smooth(40, 60).save(clean / "turned.jpg", exif=exif, icc_profile=profile)
    see_through = smooth(20, 30)
    see_through.putalpha(100)
    see_through.save(clean / "alpha.webp", lossless=True, exact=True)
    smooth(20, 30).convert("L").save(clean / "grey.tif", compression="tiff_lzw")
    smooth(1, 1).save(clean / "dot.bmp")
    for path in make_rain(clean, out, progress=False):
        old, new = read_photo(clean / path.name), read_photo(path)
        assert (new.format, new.grey, new.rgb.shape) == (old.format, old.grey, old.rgb.shape)
        assert new.options.get("icc_profile") == old.options.get("icc_profile")
        assert (new.alpha is None and old.alpha is None) or (new.alpha == old.alpha).all()
    assert read_rgb(out / "turned.jpg").shape == (60, 40, 3)
    assert Image.open(out / "turned.jpg").info["icc_profile"] == profile


@pytest.mark.parametrize("spelling", ["clean", "clean/../clean", "link"])
def test_the_clean_folder_is_never_written_to(clean, tmp_path, spelling):
    (tmp_path / "link").symlink_to(clean)
    before = {path: path.read_bytes() for path in clean.iterdir()}
    with pytest.raises(ImageError, match="another folder"):
        rain(clean, tmp_path / spelling)
    assert {path: path.read_bytes() for path in clean.iterdir()} == before


def test_what_is_no_folder_is_named(clean, tmp_path):
    with pytest.raises(ImageError, match="missing"):
        rain(tmp_path / "missing", tmp_path / "rainy")
    with pytest.raises(OSError, match="2.png is a file"):
        rain(clean, clean / "2.png")


def test_bad_files_are_listed_and_the_others_written(clean, tmp_path):
    (clean / "1.png").write_bytes(b"")
    (clean / "9.jpg").write_bytes(b"no picture")
    out = tmp_path / "rainy"
    with pytest.raises(ImageError, match="2 of 5 pictures") as error:
        rain(clean, out)
    assert "1.png is empty" in str(error.value) and "9.jpg" in str(error.value)
    assert {path.name for path in out.iterdir()} == {"2.png", "10.png", "street.jpg"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_lists_bad_files_and_writes_the_others(clean, tmp_path, kind):
    (clean / "1.png").write_bytes((clean / "2.png").read_bytes()[:200])
    with pytest.raises(ImageError, match="1 of 4 pictures were not degraded") as error:
        degrade(clean, tmp_path / "out", kind, progress=False)
    assert "1.png is damaged" in str(error.value)
    changed = pixels((tmp_path / "out").iterdir())
    assert set(changed) == {"2.png", "10.png", "street.jpg"}
    for name, rgb in pixels(clean / name for name in changed).items():
        assert (changed[name] != rgb).any()


def test_make_rain_is_degrade_of_kind_rain(clean, tmp_path):
    for folder, work in (("one", make_rain), ("two", degrade)):
        work(clean, tmp_path / folder, seed=2, progress=False)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_parameters_can_be_given(clean, tmp_path):
    """Haze at the end of sight: 2 % of the pictures' contrast is left."""
    haze = Haze(visibility=1e-3, airlight=0.5)
    for rgb in pixels(degrade(clean, tmp_path / "out", haze, progress=False)).values():
        assert np.abs(rgb - 127.5).max() <= 1


def test_unknown_kinds_are_told_before_the_work(clean, tmp_path):
    with pytest.raises(ValueError, match="no kind 'hazy'.*'haze'.*there are rain, veil"):
        degrade(clean, tmp_path / "out", "hazy")
    assert not (tmp_path / "out").exists()
