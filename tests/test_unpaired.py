"""The perceptual hash: the library's, robust to rain, and what is built on it."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cclgan_lite import cli
from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.degrade import degrade_photo
from cclgan_lite.data.images import ImageError, list_images, read_rgb
from cclgan_lite.data.pairs import pair_files
from cclgan_lite.data.unpaired import (
    SAME_SCENE,
    SharedScenes,
    assert_unpaired,
    folders_of_test,
    hash_distance,
    hash_folder,
    same_scenes,
    scene_hash,
    shared_scenes,
    unpaired_kind,
)


def scene(number: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A smooth picture of its own, uint8."""
    rng = np.random.default_rng(number)
    coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def rainy(number: int) -> np.ndarray:
    return degrade_photo(scene(number), "rain", np.random.default_rng(number))


def folder(path, numbers, make=scene):
    path.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(make(number)).save(path / f"{number}.png")
    return path


def test_the_hash_is_that_of_imagehash():
    imagehash = pytest.importorskip("imagehash")
    for number in range(20):
        rgb = scene(number, 90 + number, 200)
        expected = imagehash.phash(Image.fromarray(rgb), hash_size=16, highfreq_factor=4)
        np.testing.assert_array_equal(scene_hash(rgb), expected.hash.ravel())


def test_distance_counts_bits():
    rng = np.random.default_rng(0)
    first, second = rng.random((5, 256)) < 0.5, rng.random((7, 256)) < 0.5
    slow = [
        [sum(bool(x) != bool(y) for x, y in zip(a, b, strict=True)) for b in second] for a in first
    ]
    np.testing.assert_array_equal(hash_distance(first, second), slow)


def test_same_scenes_takes_the_threshold_in_and_works_in_blocks():
    base = np.zeros((1, 256), bool)
    others = np.zeros((2500, 256), bool)
    others[:, 100:] = True
    others[7] = others[2000] = others[2400] = False
    others[7, :SAME_SCENE] = True
    others[2400, : SAME_SCENE + 1] = True
    assert list(same_scenes(others, base)) == [(7, 0), (2000, 0)]
    assert list(same_scenes(base, others)) == [(0, 7), (0, 2000)]
    assert list(same_scenes(base, others[:0])) == []


@pytest.mark.parametrize("change", ["rain", "jpeg", "half", "brightness"])
def test_the_hash_survives(change):
    for number in range(10):
        rgb = scene(number)
        if change == "rain":
            other = rainy(number)
        elif change == "jpeg":
            buffer = BytesIO()
            Image.fromarray(rgb).save(buffer, "JPEG", quality=15)
            other = np.asarray(Image.open(buffer))
        elif change == "half":
            other = np.asarray(Image.fromarray(rgb).resize((64, 48)))
        else:
            other = (rgb * 0.6 + 60).astype(np.uint8)
        near = hash_distance(scene_hash(rgb)[None], scene_hash(other)[None]).item()
        far = hash_distance(scene_hash(rgb)[None], scene_hash(scene(number + 50))[None]).item()
        assert near <= SAME_SCENE < far


def test_rain100l_verification_half_has_no_error(rain100l):
    """SAME_SCENE was chosen on pairs 001-100; these are 101-200 and the unpaired photographs."""
    (wet_paths, wet), (dry_paths, dry), (_, other) = (
        hash_folder(rain100l / name) for name in ("rainy", "clean", "unpaired_clean")
    )
    assert [p.stem for p in wet_paths] == [p.stem for p in dry_paths]
    distance = hash_distance(wet, dry)
    own = np.diag(distance)
    others = distance + 1000 * np.eye(len(wet))
    chosen = (own[:100].max() + others[:100, :100].min()) / 2
    assert int(chosen) == SAME_SCENE
    assert own[100:].max() <= SAME_SCENE
    assert others[100:, 100:].min() > SAME_SCENE
    assert hash_distance(wet, other).min() > SAME_SCENE
    assert hash_distance(dry, other).min() > SAME_SCENE


def test_generated_scenes_are_told_apart(tmp_path):
    """Street scenes look alike; the bundled data must not be called paired."""
    root = bundled_data(
        tmp_path, rainy=16, clean=16, val=4, test=4, size=(96, 128), progress=False
    )
    assert shared_scenes(root / "train/rainy", root / "train/clean") == []
    assert_unpaired(root / "train/rainy", root / "train/clean", root / "test/rainy")
    pairs = pair_files(root / "val/rainy", root / "val/clean")
    for _, wet, dry in pairs:
        hashes = [scene_hash(read_rgb(path))[None] for path in (wet, dry)]
        assert hash_distance(*hashes).item() <= SAME_SCENE


def test_assert_unpaired_lists_who_offends(tmp_path):
    wet = folder(tmp_path / "rainy", [1, 2, 3], rainy)
    dry = folder(tmp_path / "clean", [4, 5, 6])
    assert_unpaired(wet, dry)
    assert_unpaired(wet, dry, folder(tmp_path / "test", [7, 8]))
    assert shared_scenes(wet, dry) == []

    mixed = folder(tmp_path / "mixed", [2, 4, 6])
    with pytest.raises(SharedScenes, match=r"1 of 3 pictures of .*mixed .*rainy: 2.png = 2.png"):
        assert_unpaired(wet, mixed)
    assert shared_scenes(wet, mixed) == [(wet / "2.png", mixed / "2.png")]
    with pytest.raises(SharedScenes, match=r"rainy show a scene of .*mixed: 2.png") as error:
        assert_unpaired(wet, dry, mixed)
    assert "clean show a scene of" in str(error.value) and "2 of 3 pictures" in str(error.value)
    with pytest.raises(ImageError):
        assert_unpaired(wet, tmp_path / "none")


def test_long_lists_are_cut(tmp_path):
    wet, dry = (folder(tmp_path / name, range(25)) for name in ("a", "b"))
    with pytest.raises(SharedScenes, match="25 of 25 .*and 5 more"):
        assert_unpaired(wet, dry)


def test_kind_is_read_computed_or_unknown(tmp_path):
    wet = folder(tmp_path / "train/rainy", [1, 2], rainy)
    dry = folder(tmp_path / "train/clean", [3, 2])
    other = folder(tmp_path / "other/clean", [5])
    assert unpaired_kind(wet, dry) == "unknown"
    assert unpaired_kind(wet, dry, compute=True) == "same scenes"
    assert unpaired_kind(wet, other, compute=True) == "strict"
    for content, expected in (
        ({"unpaired": "strict"}, "strict"),
        ({}, "same scenes"),
        ([], "same scenes"),
    ):
        (tmp_path / "manifest.json").write_text(json.dumps(content))
        assert unpaired_kind(wet, dry, compute=True) == expected
    (tmp_path / "manifest.json").write_text('{"unpaired": "strict"}')
    assert unpaired_kind(wet, other) == "unknown"  # the manifest speaks of its own folders only
    (tmp_path / "manifest.json").write_text("broken")
    assert unpaired_kind(wet, dry) == "unknown"
    assert list_images(wet)


def test_the_command_lists_or_confirms(tmp_path, capsys):
    wet, dry = folder(tmp_path / "r", [1, 2], rainy), folder(tmp_path / "c", [3, 4])
    test = folder(tmp_path / "t", [4, 5])
    command = ["check-unpaired", "--rainy", str(wet), "--clean", str(dry)]
    cli.main(command)
    assert "strictly unpaired: no scene is shared\n" in capsys.readouterr().out
    with pytest.raises(SystemExit) as error:
        cli.main([*command, "--test", str(wet), str(test)])
    assert "4.png = 4.png" in str(error.value) and "Remove them" in str(error.value)


def test_training_can_be_made_to_refuse(tmp_path):
    """By the training folders alone, and by the test set of a prepared data set beside them."""
    root = tmp_path / "data"
    wet, dry = folder(root / "train/rainy", [1, 2], rainy), folder(root / "train/clean", [2, 3])
    mine = folder(tmp_path / "mine", [6, 7])
    run = tmp_path / "run"
    command = [
        "train",
        "--recipe",
        "demo",
        "--out",
        str(run),
        "--check-unpaired",
        "--device",
        "cpu",
        "--steps",
        "1",
        "--rainy",
        str(wet),
    ]
    with pytest.raises(SystemExit, match="2.png = 2.png"):
        cli.main([*command, "--clean", str(dry)])
    folder(root / "test/clean", [1])
    with pytest.raises(SystemExit, match=r"test.clean: 1.png = 1.png"):
        cli.main([*command, "--clean", str(mine)])
    assert not run.exists()


def test_test_folders_are_those_of_the_same_data_set(tmp_path):
    wet = folder(tmp_path / "train/rainy", [1])
    assert folders_of_test(wet) == []
    (tmp_path / "test/rainy").mkdir(parents=True)  # empty: Rain100L may come without its test set
    clean = folder(tmp_path / "test/clean", [2])
    assert folders_of_test(wet) == [clean] and folders_of_test(clean) == []
