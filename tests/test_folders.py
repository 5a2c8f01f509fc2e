"""Unpaired and paired folders: reproducible, every image once an epoch, nothing squashed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from noise import noise_folders
from PIL import Image

from cclgan_lite.data.folders import Augment, PairedCrops, PairedFolders, UnpairedFolders
from cclgan_lite.data.images import ImageError


def write(folder: Path, names: list[str], size=(40, 30), blue=200) -> Path:
    """Images whose every pixel tells which file they are."""
    folder.mkdir(parents=True)
    for i, name in enumerate(names):
        Image.new("RGB", size, (10 * i, 100, blue)).save(folder / name)
    return folder


@pytest.fixture
def folders(tmp_path):
    rainy = write(tmp_path / "rainy", [f"{i}.png" for i in range(5)])
    clean = write(tmp_path / "clean", [f"c{i}.png" for i in range(3)])
    return rainy, clean


def which(image: torch.Tensor) -> int:
    return round(((image[0].mean().item() + 1) * 127.5) / 10)


def test_every_epoch_shows_every_rainy_image_once_in_a_new_order(folders):
    data = UnpairedFolders(*folders, Augment(resize=None, crop=16), seed=3, length=20)
    assert len(data) == 20
    seen = [which(data[k]["rainy"]) for k in range(20)]
    epochs = [tuple(seen[i : i + 5]) for i in range(0, 20, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len(set(epochs)) > 1
    assert {which(data[k]["clean"]) for k in range(20)} == {0, 1, 2}


def test_item_k_depends_on_seed_and_k_alone(tmp_path):
    folders = noise_folders(tmp_path)
    make = lambda seed: UnpairedFolders(  # noqa: E731
        *folders, Augment(resize=None, crop=16), seed, length=9
    )
    forward = [make(0)[k] for k in range(9)]
    data = make(0)
    backward = [data[k] for k in reversed(range(9))][::-1]
    other = [make(1)[k] for k in range(9)]
    for name in ("rainy", "clean"):
        assert all(torch.equal(a[name], b[name]) for a, b in zip(forward, backward, strict=True))
        assert not all(torch.equal(a[name], b[name]) for a, b in zip(forward, other, strict=True))
        assert forward[0][name].shape == (3, 16, 16)
        assert -1 <= forward[0][name].min() and forward[0][name].max() <= 1


def test_the_clean_partner_says_nothing_of_the_rainy_picture(tmp_path):
    """Unpaired at random: chi square of independence, 9 degrees of freedom, 27.9 at .001."""
    rainy = write(tmp_path / "rainy", [f"{i}.png" for i in range(4)])
    clean = write(tmp_path / "clean", [f"{i}.png" for i in range(4)])
    data = UnpairedFolders(rainy, clean)
    of_rainy, of_position = np.zeros((4, 4)), np.zeros((4, 4))
    for k in range(4000):
        one, two = (int(path.stem) for path in data.choose(k)[0].values())
        of_rainy[one, two] += 1
        of_position[k % 4, two] += 1
    for table in (of_rainy, of_position):
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        assert ((table - expected) ** 2 / expected).sum() < 27.9
        assert table.min() > 200  # all partners come, about 250 times each


def test_cache_changes_nothing_but_speed(folders):
    augment = Augment(resize=20, crop=16)
    cached = UnpairedFolders(*folders, augment)
    uncached = UnpairedFolders(*folders, augment, cache_bytes=0)
    for _ in range(2):
        assert all(torch.equal(cached[k]["rainy"], uncached[k]["rainy"]) for k in range(5))
    assert not uncached._cache and len(cached._cache) > 0


def test_augmentation():
    rng = np.random.default_rng(0)
    ramp = np.zeros((30, 40, 3), np.uint8)
    ramp[..., 0] = np.arange(40)  # columns
    ramp[..., 1] = np.arange(30)[:, None]  # rows
    crops = [Augment(resize=None, crop=16)(ramp, rng) for _ in range(200)]
    steps = {int(c[0, 1, 0]) - int(c[0, 0, 0]) for c in crops}
    assert steps == {1, -1}  # plain crops and mirrored ones, never resampled
    mirrored = sum(int(c[0, 1, 0]) < int(c[0, 0, 0]) for c in crops)
    assert 70 < mirrored < 130
    lefts = {int(c[..., 0].min()) for c in crops}
    tops = {int(c[..., 1].min()) for c in crops}
    assert lefts == set(range(25)) and tops == set(range(15))  # every place, both ends included
    assert all(
        c[0, 1, 0] > c[0, 0, 0]
        for c in (Augment(resize=None, crop=16, flip=False)(ramp, rng) for _ in range(20))
    )


def test_paper_augmentation_squashes_and_small_images_grow():
    rng = np.random.default_rng(0)
    wide = np.zeros((10, 60, 3), np.uint8)
    assert Augment(resize=20, crop=16)(wide, rng).shape == (16, 16, 3)
    grown = np.zeros((5, 9, 3), np.uint8)
    grown[..., 0] = np.linspace(0, 255, 9)
    assert Augment(resize=None, crop=16)(grown, rng).shape == (16, 16, 3)
    with pytest.raises(ValueError, match="multiple of 4"):
        Augment(crop=30)
    with pytest.raises(ValueError, match="must not be smaller"):
        Augment(resize=100, crop=128)


def test_missing_or_empty_folder(tmp_path, folders):
    with pytest.raises(ImageError, match="nowhere"):
        UnpairedFolders(tmp_path / "nowhere", folders[1])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="empty"):
        UnpairedFolders(folders[0], tmp_path / "empty")


def test_paired_folders(tmp_path):
    rainy = write(tmp_path / "r", ["rain-2.png", "rain-10.png"], (20, 16))
    clean = write(tmp_path / "c", ["norain-2.png", "norain-10.png"], (20, 16), 199)
    data = PairedFolders(rainy, clean)
    assert [item["name"] for item in data] == ["rain-2", "rain-10"]
    assert data[1]["clean"].shape == (3, 16, 20)
    assert which(data[1]["rainy"]) == which(data[1]["clean"]) == 1
    (clean / "norain-10.png").unlink()
    with pytest.raises(ImageError, match="rain-10"):
        PairedFolders(rainy, clean)


def test_zoom_shrinks_larger_crops_to_the_same_side():
    """Stripes of period 8 keep it without zoom; with zoom some have up to twice as many."""
    stripes = np.zeros((128, 160, 3), np.uint8)
    stripes[:, np.arange(160) % 8 < 4] = 255
    counts = []
    for k in range(40):
        rgb = Augment(resize=None, crop=32, zoom=2.0)(stripes, np.random.default_rng(k))
        assert rgb.shape == (32, 32, 3)
        spectrum = np.abs(np.fft.rfft(rgb[16, :, 0].astype(float) - rgb[16, :, 0].mean()))
        counts.append(int(spectrum.argmax()))  # periods in the crop: 4 unzoomed, 8 at twice
    assert min(counts) == 4 and max(counts) >= 7 and {5, 6} & set(counts)
    with pytest.raises(ValueError, match="zoom"):
        Augment(zoom=0.5)


def test_paired_crops_show_a_picture_and_its_truth_at_the_same_place(tmp_path):
    """Every truth is its rainy picture, darker by 20 levels and listed in another order."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(("b", "a", "c")):
        pixels = rng.integers(20, 255, (40, 50, 3), dtype=np.uint8)
        for kind, shown in (("rainy", pixels), ("clean", pixels - 20)):
            (tmp_path / kind).mkdir(exist_ok=True)
            stem = f"rain-{number}" if kind == "rainy" else f"{name}-{number}"
            Image.fromarray(shown).save(tmp_path / kind / f"{stem}.png")
    folders = tmp_path / "rainy", tmp_path / "clean"
    data = PairedCrops(*folders, Augment(resize=None, crop=16), seed=1)
    seen = [data[k] for k in range(len(data) * 4)]
    for item in seen:
        difference = (item["rainy"] - item["clean"]) * 127.5
        torch.testing.assert_close(difference, torch.full_like(difference, 20.0))
    assert len({item["rainy"].sum().item() for item in seen}) == 12  # other places each time


def test_unpaired_folders_are_no_pairs(tmp_path):
    """Where the manifest says that scenes differ, equal names are chance."""
    (tmp_path / "train").mkdir()
    folders = noise_folders(tmp_path / "train")
    PairedCrops(*folders)
    (tmp_path / "manifest.json").write_text(json.dumps({"unpaired": "strict"}))
    with pytest.raises(ImageError, match="pair by name"):
        PairedCrops(*folders)
