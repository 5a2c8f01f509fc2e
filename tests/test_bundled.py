"""The bundled data set: layout, splits, reproducibility, interruptions, and the level of rain."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cclgan_lite.data.bundled import (
    FOLDERS,
    MANIFEST,
    PHOTOGRAPHS,
    bundled_data,
    load_photograph,
    pixel_hash,
    plan,
)
from cclgan_lite.data.rain import add_rain, compose, demo_rain, haze
from cclgan_lite.data.scenes import render_scene

SMALL = dict(rainy=4, clean=4, val=2, test=3, size=(48, 64), progress=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return bundled_data(tmp_path_factory.mktemp("bundled") / "data", **SMALL)


@pytest.fixture
def data(finished, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(finished, tmp_path / "data")


def names(root, folder):
    return {path.name for path in (root / folder).iterdir()}


def manifest(root):
    return json.loads((root / MANIFEST).read_text())


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def psnr(a, b):
    return -10 * np.log10(np.mean((a - b) ** 2))


def test_layout_pairs_and_disjoint_splits(finished):
    counts = [len(names(finished, folder)) for folder in FOLDERS]
    assert counts == [4, 4, 2, 2, 3, 3]
    for split in ("val", "test"):
        assert names(finished, f"{split}/rainy") == names(finished, f"{split}/clean")
    splits = [names(finished, f"{split}/clean") for split in ("train", "val", "test")]
    splits.append(names(finished, "train/rainy"))  # unpaired: other scenes than train/clean
    assert len(set.union(*splits)) == sum(map(len, splits))
    assert all(name.endswith(".png") for folder in FOLDERS for name in names(finished, folder))


def test_each_scene_and_photograph_belongs_to_one_split():
    items = plan(120, 120, 12, 24)
    assert len({item.number for item in items}) == len(items) == 276
    for photograph, folders, crops in PHOTOGRAPHS:
        homes = [item.folders for item in items if item.photograph == photograph]
        assert homes == [folders] * crops
    assert not any(item.photograph for item in plan(5, 5, 2, 2, photographs=False))


def test_pairs_show_the_same_scene_in_rain(finished):
    for name in names(finished, "test/clean"):
        clean, rainy = (pixels(finished / f"test/{k}" / name) / 255 for k in ("clean", "rainy"))
        assert clean.shape == rainy.shape and 15 < psnr(clean, rainy) < 35


def test_manifest_describes_every_file(finished):
    files = manifest(finished)["files"]
    assert set(files) == {f"{f}/{name}" for f in FOLDERS for name in names(finished, f)}
    for path, digest in files.items():
        assert pixel_hash(pixels(finished / path)) == digest
    assert manifest(finished)["seed"] == 0 and "numpy" in manifest(finished)["versions"]


def test_same_seed_same_pixels_other_seed_others(finished, tmp_path):
    np.random.seed(5)
    again = manifest(bundled_data(tmp_path / "again", **SMALL))["files"]
    other = manifest(bundled_data(tmp_path / "other", seed=1, **SMALL))["files"]
    assert again == manifest(finished)["files"]
    drawn = [path for path in other if "scene" in path or "rainy" in path]
    assert drawn and all(other[path] != again[path] for path in drawn)


def test_finished_data_is_not_made_again(data):
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*.*")}
    assert bundled_data(data, **SMALL) == data
    assert before == {path: path.stat().st_mtime_ns for path in data.rglob("*.*")}


def test_kinds_share_the_clean_pictures(finished, tmp_path):
    one = manifest(finished)["files"]
    two = manifest(bundled_data(tmp_path / "haze", kind="haze", **SMALL))["files"]
    assert one.keys() == two.keys()
    for path, digest in one.items():
        assert (digest == two[path]) == ("clean" in path)
    with pytest.raises(ValueError, match="'kind': 'haze'"):
        bundled_data(tmp_path / "haze", **SMALL)
    with pytest.raises(ValueError, match="no kind 'rian'.*'rain'"):
        bundled_data(tmp_path / "none", kind="rian", **SMALL)
    assert not (tmp_path / "none").exists()


def test_rain_is_what_it_was_before_there_were_kinds(data):
    """The rain of an older version, whose manifest knows no kind, is not made again."""
    item = plan(4, 4, 2, 3)[0]
    clean, depth = (
        load_photograph(item.photograph, 48, 64, item.crop)
        if item.photograph
        else render_scene((0, item.number, 1), 48, 64)
    )
    rng = np.random.default_rng((0, item.number, 2))
    rainy = add_rain(clean, depth, demo_rain(rng), rng)
    np.testing.assert_array_equal(
        pixels(data / "train/rainy" / item.name), np.rint(rainy * 255).astype(np.uint8)
    )
    old = manifest(data)
    del old["kind"]
    (data / MANIFEST).write_text(json.dumps(old))
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*.*")}
    bundled_data(data, **SMALL)
    assert before == {path: path.stat().st_mtime_ns for path in data.rglob("*.*")}


@pytest.mark.parametrize("missing", [MANIFEST, "train/rainy"])
def test_unfinished_data_is_made_again(data, missing):
    whole = manifest(data)["files"]
    broken = sorted((data / "train/rainy").iterdir())[0]
    if missing == MANIFEST:  # interrupted: no manifest, one file of rubbish, one still to come
        (data / MANIFEST).unlink()
        broken.write_bytes(b"half a picture")
        sorted((data / "test/clean").iterdir())[0].unlink()
    else:
        broken.unlink()
    bundled_data(data, **SMALL)
    assert manifest(data)["files"] == whole
    assert {path: pixel_hash(pixels(data / path)) for path in whole} == whole


def test_an_interruption_leaves_no_manifest_and_no_half_file(tmp_path, monkeypatch):
    def stop(path, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("cclgan_lite.files.os.replace", stop)
    with pytest.raises(KeyboardInterrupt):
        bundled_data(tmp_path / "data", **SMALL)
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


@pytest.mark.parametrize("change", [{"seed": 1}, {"val": 1}, {"size": (32, 64)}])
def test_other_settings_are_an_error_that_names_folder_and_remedy(data, change):
    with pytest.raises(ValueError, match="delete") as error:
        bundled_data(data, **SMALL | change)
    assert str(data) in str(error.value)
    assert str(next(iter(change))) in str(error.value) or "counts" in str(error.value)


def test_other_peoples_pictures_are_left_alone(tmp_path):
    mine = tmp_path / "train" / "rainy" / "holiday.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match="holiday.png"):
        bundled_data(tmp_path, **SMALL)
    assert mine.read_bytes() == b"precious" and not (tmp_path / MANIFEST).exists()


@pytest.mark.parametrize("name", [photograph[0] for photograph in PHOTOGRAPHS])
def test_photographs_come_with_the_wheel(name):
    image, depth = load_photograph(name, 120, 160, None)
    assert image.shape == (120, depth.shape[1], 3) and depth.shape[0] == 120
    assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1
    assert np.isfinite(depth).all() and depth.min() > 1
    crops = [load_photograph(name, 90, 100, crop)[0] for crop in (0.0, 1.0)]
    assert crops[0].shape == crops[1].shape == (90, 100, 3) and (crops[0] != crops[1]).any()


def test_motorcycle_has_measured_depth():
    """0.193001 * 994.978 / (disparity + 31.086), by hand at the ends of the disparity range."""
    depth = load_photograph("motorcycle_left.png", 500, 741, None)[1]
    assert depth.min() == pytest.approx(192.0317 / (59.90896 + 31.086), rel=1e-4)
    assert depth.max() == pytest.approx(192.0317 / (7.1913557 + 31.086), rel=1e-4)


def test_demo_rain_is_streaks_in_thin_haze():
    rainy, hazy = [], []
    for seed in range(10):
        clean, depth = render_scene(seed, 120, 160)
        rng = np.random.default_rng(seed)
        rain = demo_rain(rng)
        veil = haze(depth, rain.beta)
        rainy.append(psnr(clean, add_rain(clean, depth, rain, rng)))
        hazy.append(psnr(clean, compose(clean, 0 * veil, veil, rain.airlight)))
    assert 21.5 < np.mean(rainy) < 26.5 and np.mean(hazy) > 30
