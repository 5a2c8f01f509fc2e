"""Every data set's script on miniature archives in its published layouts."""

from __future__ import annotations

import io
import json
import os
import random
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from importlib import import_module as script
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image
from prepare import Take, main
from prepare import dataset as layout
from prepare.archives import ArchiveError
from prepare.pair_rules import ByList, ByName, Item, Picture, role_of, split_of
from prepare.selection import choose, drawn, hold_out, leaks, part_scenes
from test_archives import tarred, zipped
from test_download import server  # noqa: F401

from cclgan_lite.data.images import ImageError, list_images, read_rgb
from cclgan_lite.data.pairs import pair_files
from cclgan_lite.data.unpaired import unpaired_kind

SCRIPTS = Path(__file__).parents[1] / "data_scripts"
NAMES = sorted(p.stem for p in SCRIPTS.glob("*.py") if "from prepare" in p.read_text())


def scene(number: int, height: int = 24, width: int = 32) -> np.ndarray:
    rng = np.random.default_rng(number)
    coarse = rng.integers(20, 230, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def rained(number: int, version: int = 0) -> np.ndarray:
    """The scene with two columns of faint drops: it is tiny, real rain would drown it."""
    rgb = scene(number).astype(int)
    rgb[::4, np.random.default_rng((number, version)).integers(0, 32, 2)] += 20
    return rgb.clip(0, 255).astype(np.uint8)


def encode(rgb: np.ndarray, suffix: str = ".png") -> bytes:
    buffer = io.BytesIO()
    kind = {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP"}[suffix]
    Image.fromarray(rgb).save(buffer, kind, quality=95)
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def pairs(rainy: str, clean: str, numbers, offset: int = 0):
    """Files of pairs; `{}` in the patterns is the number, offset + number the scene."""
    files = {}
    for n in numbers:
        files[rainy.format(n)] = encode(rained(offset + n), Path(rainy).suffix)
        files[clean.format(n)] = encode(scene(offset + n), Path(clean).suffix)
    return files


def prepare(dataset, source, out, **options):
    return layout.prepare(dataset, source, out, layout.Settings(**options), progress=False)


def snapshot(folder: Path) -> dict:
    return {p: (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.rglob("*")}


def names(out: Path, folder: str) -> list[str]:
    return sorted(p.name for p in (out / folder).iterdir())


MINI = replace(script("rain100l").RAIN100L, counts={"train": 6, "test": 4}, val=2)
TRAIN, TEST, AWAY = range(1, 7), range(1, 5), 100  # numbers; scenes of test are 101-104

LAYOUTS = {
    "norain-001 beside rain-001": lambda: {
        **pairs("RainTrainL/rain-{}.png", "RainTrainL/norain-{}.png", TRAIN),
        **pairs("Rain100L/rainy/rain-{:03d}.png", "Rain100L/norain-{:03d}.png", TEST, AWAY),
    },
    "norain in both folders": lambda: {
        **pairs("train/rain/norain-{}.png", "train/norain/norain-{}.png", TRAIN),
        **pairs("test/rain/norain-{}.png", "test/norain/norain-{}.png", TEST, AWAY),
    },
    **{
        f"{rainy} and {clean}": lambda rainy=rainy, clean=clean: {
            **pairs(f"train/{rainy}/{{}}.png", f"train/{clean}/{{}}.png", TRAIN),
            **pairs(f"test/{rainy}/{{}}.png", f"test/{clean}/{{}}.png", TEST, AWAY),
        }
        for rainy, clean in (
            ("LQ", "GT"),
            ("rain_img", "norain_img"),
            ("rainy image", "ground truth"),
        )
    },
    "X2, in two zips": lambda: {
        "rain_data_train_Light.zip": zipped(
            pairs("rain/X2/norain-{}x2.png", "norain/norain-{}.png", TRAIN)
        ),
        "v1.test.Light.zip": zipped(
            pairs("rain/X2/norain-{}x2.png", "norain/norain-{}.png", TEST, AWAY)
        ),
    },
    "input and target, in a tar.gz, with junk": lambda: {
        "rain.tar.gz": tarred(
            {
                **pairs("data/train/input/{}.png", "data/train/target/{}.png", TRAIN),
                **pairs("data/test/input/{}.png", "data/test/target/{}.png", TEST, AWAY),
                "data/readme.txt": b"hello",
                "data/logo.png": encode(scene(999)),
                "__MACOSX/data/train/input/._1.png": b"x",
                ".hidden/input/1.png": b"x",
            }
        )
    },
    "by number of pairs alone": lambda: {
        **pairs("a/rainy/{:03d}.webp", "a/clean/{:03d}.png", TRAIN)
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_rain100l_layouts(tmp_path, name):
    out = tmp_path / "out"
    manifest = prepare(MINI, write(tmp_path / "in", LAYOUTS[name]()), out)
    with_test = "alone" not in name
    counts = {"train": 4, "val": 2, "test": 4 * with_test}
    assert manifest["counts"] == {
        f"{split}/{kind}": n for split, n in counts.items() for kind in ("rainy", "clean")
    }
    assert [Path(n).stem for n in names(out, "train/clean")] == ["001", "002", "003", "004"]
    assert [Path(n).stem for n in names(out, "val/clean")] == ["005", "006"]  # the last ones
    for split, offset in (("train", 0), ("val", 0), *([("test", AWAY)] if with_test else [])):
        for key, wet, dry in pair_files(out / split / "rainy", out / split / "clean"):
            np.testing.assert_array_equal(read_rgb(dry), scene(offset + int(key)))
            if wet.suffix == ".png":
                np.testing.assert_array_equal(read_rgb(wet), rained(offset + int(key)))
    assert manifest["dropped"] == manifest["shared_with_test"] == []
    assert manifest["unpaired"] == unpaired_kind(out / "train/rainy", out / "train/clean")
    assert manifest["unpaired"] == "same scenes"
    for path, digest in manifest["files"].items():
        assert sha256((out / path).read_bytes()).hexdigest() == digest
    assert len(manifest["files"]) == sum(manifest["counts"].values())
    archives = sorted(p for p in (tmp_path / "in").iterdir() if p.is_file())
    assert manifest["sources"] == [
        {"name": p.name, "bytes": p.stat().st_size, "sha256": sha256(p.read_bytes()).hexdigest()}
        for p in archives
    ]
    assert not list(out.glob(".*"))  # nothing unfinished stays


def test_the_published_counts_are_those_declared(tmp_path):
    """Rain100L as it is declared: 200 and 100 pairs, validation on 161-200."""
    files = {
        **pairs("train/rain/rain-{:03d}.png", "train/norain/norain-{:03d}.png", range(1, 201)),
        **pairs("test/rain/rain-{:03d}.png", "test/norain/norain-{:03d}.png", range(1, 101), 1000),
    }
    out = tmp_path / "out"
    manifest = prepare(script("rain100l").RAIN100L, write(tmp_path / "in", files), out)
    assert manifest["counts"]["train/rainy"] == 160 and manifest["counts"]["test/rainy"] == 100
    assert names(out, "val/rainy") == [f"{i}.png" for i in range(161, 201)]
    assert manifest["known_leaks"] == [
        "Rain200L: its training images are the test images of Rain200L"
    ]


@pytest.mark.slow
def test_rain100l_real_files(rain100l, tmp_path):
    dataset = script("rain100l").RAIN100L
    manifest = prepare(dataset, rain100l, tmp_path / "pairs")
    assert manifest["counts"]["train/rainy"] == 160 and manifest["counts"]["val/clean"] == 40
    assert manifest["unpaired"] == "same scenes" and manifest["dropped"] == []
    found = pair_files(tmp_path / "pairs/val/rainy", tmp_path / "pairs/val/clean")
    assert [name for name, _, _ in found] == [str(n) for n in range(161, 201)]
    for name, wet, dry in found:
        assert wet.read_bytes() == (rain100l / "rainy" / f"{name}.webp").read_bytes()
        assert dry.read_bytes() == (rain100l / "clean" / f"{name}.jpg").read_bytes()

    manifest = prepare(dataset, rain100l, tmp_path / "unpaired", unpaired=True)
    assert manifest["unpaired"] == "strict" and manifest["dropped"] == []
    assert names(tmp_path / "unpaired", "train/clean") == names(rain100l, "unpaired_clean")
    assert names(tmp_path / "unpaired", "train/rainy") == names(rain100l, "rainy")[:160]

    # The same files under the published names, in archives.
    files = {}
    for n in range(1, 201):
        files[f"train_Light/rain/X2/norain-{n}x2.webp"] = rain100l / f"rainy/{n:03d}.webp"
        files[f"train_Light/norain/norain-{n}.jpg"] = rain100l / f"clean/{n:03d}.jpg"
    write(tmp_path / "in", {"x.zip": zipped({k: v.read_bytes() for k, v in files.items()})})
    published = prepare(dataset, tmp_path / "in", tmp_path / "published")
    assert (
        published["files"] == json.loads((tmp_path / "pairs/manifest.json").read_text())["files"]
    )


def test_rain200_kinds_lie_side_by_side(tmp_path):
    files = {}
    for kind, offset in (("Light", 0), ("Heavy", 50)):
        for split, more in (("train", 0), ("test", AWAY)):
            files[f"rain_data_{split}_{kind}.zip"] = zipped(
                pairs("rain/X2/norain-{}x2.png", "norain/norain-{}.png", TEST, offset + more)
            )
    write(tmp_path / "in", files)
    module = script("rain200")
    for dataset, offset in ((module.RAIN200L, 0), (module.RAIN200H, 50)):
        assert dataset.counts == {"train": 1800, "test": 200}
        mini = replace(dataset, counts={"train": 4, "test": 4}, val=0)
        out = tmp_path / dataset.name
        prepare(mini, tmp_path / "in", out)
        np.testing.assert_array_equal(read_rgb(out / "train/clean/002.png"), scene(offset + 2))
        np.testing.assert_array_equal(
            read_rgb(out / "test/clean/002.png"), scene(offset + AWAY + 2)
        )


def test_rain100h_leaves_out_what_shows_test_scenes(tmp_path):
    """Training images 1-3 show scenes of the test set under other rain; 4 and 5 one photograph."""
    dataset = replace(script("rain100h").RAIN100H, counts={"train": 8, "test": 4}, val=0)
    assert dataset.drop_leaks
    files = pairs("test/rain-{}.png", "test/norain-{}.png", TEST, AWAY)
    for n, number in enumerate((101, 103, 101, 7, 7, 8, 9, 10), 1):
        files[f"train/rain-{n}.png"] = encode(rained(number, n))
        files[f"train/norain-{n}.png"] = encode(scene(number))
    write(tmp_path / "in", files)
    manifest = prepare(dataset, tmp_path / "in", tmp_path / "out")
    assert names(tmp_path / "out", "train/rainy") == [f"{n:03d}.png" for n in (4, 5, 6, 7, 8)]
    assert manifest["dropped"] == [
        f"train/{n:03d}: shows a scene of the test set" for n in (1, 2, 3)
    ]
    assert manifest["shared_with_test"] == manifest["known_leaks"] == []

    kept = prepare(dataset, tmp_path / "in", tmp_path / "kept", keep_leaks=True)
    assert kept["counts"]["train/rainy"] == 8
    assert kept["shared_with_test"] == [
        "train/001 = test/001",
        "train/002 = test/003",
        "train/003 = test/001",
    ]
    assert kept["known_leaks"]

    for seed in range(6):  # one photograph is one scene: 4 and 5 stay together
        parted = tmp_path / f"parted{seed}"
        prepare(dataset, tmp_path / "in", parted, unpaired=True, seed=seed)
        wet, dry = (
            {int(Path(n).stem) for n in names(parted, f"train/{kind}")}
            for kind in ("rainy", "clean")
        )
        assert wet and dry and not wet & dry and wet | dry == {4, 5, 6, 7, 8}
        assert len({4, 5} & wet) in (0, 2)
        held = replace(dataset, val=1)
        prepare(held, tmp_path / "in", tmp_path / f"held{seed}", seed=seed)
        val = {int(Path(n).stem) for n in names(tmp_path / f"held{seed}", "val/rainy")}
        assert val in ({4, 5}, {6}, {7}, {8})


def test_keep_out_keeps_another_test_set_out(tmp_path):
    """Rain200L with the test set of Rain100L at hand: its scenes leave train and val."""
    dataset = replace(script("rain200").RAIN200L, counts={"train": 6, "test": 4}, val=0)
    write(tmp_path / "in", LAYOUTS["norain in both folders"]())
    other = write(
        tmp_path / "Rain100L/test/clean",
        {"x.png": encode(scene(2)), "y.jpg": encode(scene(5), ".jpg")},
    )
    manifest = prepare(dataset, tmp_path / "in", tmp_path / "out", keep_out=[other])
    assert [leak[:9] for leak in manifest["known_leaks"]] == ["Rain100L:"]
    write(tmp_path, {"Rain100L/manifest.json": b'{"dataset": "Rain100L"}'})
    again = prepare(dataset, tmp_path / "in", tmp_path / "known", keep_out=[other])
    assert again["known_leaks"] == [] and again["files"] == manifest["files"]
    assert names(tmp_path / "out", "train/clean") == ["001.png", "003.png", "004.png", "006.png"]
    assert [line[:10] for line in manifest["dropped"]] == ["train/002:", "train/005:"]
    assert manifest["counts"]["test/rainy"] == 4


def test_rain800_halves_are_cut_without_loss(tmp_path):
    dataset = script("rain800").RAIN800
    assert dataset.counts == {"train": 700, "test": 100}
    dataset = replace(dataset, counts={"train": 3, "test": 2}, val=1)
    files = {
        f"rain/{folder}/{n}.jpg": encode(np.hstack([scene(s + n), rained(s + n)]), ".jpg")
        for folder, count, s in (("training", 3, 0), ("test_syn", 2, AWAY))
        for n in range(1, count + 1)
    }
    files["rain/test_nature/1.jpg"] = encode(scene(77), ".jpg")
    write(tmp_path / "in", {"rain800.zip": zipped(files)})
    out = tmp_path / "out"
    manifest = prepare(dataset, tmp_path / "in", out)
    assert manifest["counts"]["train/rainy"] == 2 and manifest["counts"]["val/clean"] == 1
    for n in (1, 2):
        whole = np.asarray(Image.open(io.BytesIO(files[f"rain/test_syn/{n}.jpg"])))
        np.testing.assert_array_equal(read_rgb(out / f"test/clean/00{n}.png"), whole[:, :32])
        np.testing.assert_array_equal(read_rgb(out / f"test/rainy/00{n}.png"), whole[:, 32:])
    odd = encode(np.zeros((8, 9, 3), np.uint8), ".jpg")
    write(tmp_path / "odd", files | {"rain/training/1.jpg": odd})
    with pytest.raises(ImageError, match="training/1.jpg.*9 pixels wide|9 pixels wide"):
        prepare(dataset, tmp_path / "odd", tmp_path / "odd out")


def test_swapped_halves_are_told(tmp_path, capsys):
    """Of 167 pictures of Rain800, the rainy half has more detail in 165."""
    dataset = replace(script("rain800").RAIN800, counts={"test": 3}, val=0)
    for name, order in (("as published", 1), ("swapped", -1)):
        files = {
            f"test/{n}.jpg": encode(np.hstack([scene(n), rained(n)][::order]), ".jpg")
            for n in (1, 2, 3)
        }
        source, out = write(tmp_path / name, files), tmp_path / f"{name} out"
        main("Help.", dataset, arguments=["--source", str(source), "--out", str(out)])
        told = "3 of 3 rainy halves have less fine detail" in capsys.readouterr().out
        assert told == (name == "swapped")


@pytest.mark.parametrize(
    "wet, dry",
    [
        ("rainy/{:03d}.png", "groundtruth/{:03d}.png"),
        ("{:03d}_in.png", "{:03d}_GT.png"),
        ("Rain12/input/{:03d}_in.png", "Rain12/gt/{:03d}_GT.png"),
    ],
)
def test_rain12(tmp_path, wet, dry):
    write(
        tmp_path / "in",
        {
            "li_cvpr16_rain.zip": zipped(pairs(wet, dry, range(1, 13))),
            "other.zip": zipped({"x/input/1.png": encode(scene(1))}),
        },
    )
    archive = tmp_path / "in/li_cvpr16_rain.zip"  # this one alone
    manifest = prepare(script("rain12").RAIN12, archive, tmp_path / "out")
    assert prepare(script("rain12").RAIN12, archive, tmp_path / "out") == manifest
    assert manifest["counts"]["test/rainy"] == 12 and manifest["unpaired"] is None
    np.testing.assert_array_equal(read_rgb(tmp_path / "out/test/clean/012.png"), scene(12))


def test_rain1400_has_versions(tmp_path):
    dataset = script("rain1400").RAIN1400
    assert dataset.counts == {"train": 900 * 14, "test": 100 * 14}
    dataset = replace(dataset, counts={"train": 4 * 14, "test": 2 * 14}, val=1)
    files = {}
    for folder, photos, offset in (("training", 4, 0), ("testing", 2, AWAY)):
        for n in range(1, photos + 1):
            root = f"rainy_image_dataset/{folder}"
            files[f"{root}/ground_truth/{n}.jpg"] = encode(scene(offset + n), ".jpg")
            for version in range(1, 15):
                files[f"{root}/rainy_image/{n}_{version}.jpg"] = encode(
                    rained(offset + n, version), ".jpg"
                )
    out = tmp_path / "out"
    manifest = prepare(dataset, write(tmp_path / "in", files), out)
    assert list(manifest["counts"].values()) == [42, 3, 14, 14, 28, 28]
    found = {
        name: (wet, dry) for name, wet, dry in pair_files(out / "test/rainy", out / "test/clean")
    }
    assert len(found) == 28
    root = tmp_path / "in/rainy_image_dataset/testing"
    wet, dry = found["2_14"]
    assert wet.samefile(root / "rainy_image/2_14.jpg")
    assert dry.samefile(root / "ground_truth/2.jpg")
    photos = {n.split("_")[0] for n in names(out, "train/rainy")}
    assert {Path(n).stem for n in names(out, "train/clean")} == photos
    assert not photos & {n.split("_")[0] for n in names(out, "val/rainy")}

    prepare(dataset, tmp_path / "in", tmp_path / "parted", unpaired=True)
    wet = {n.split("_")[0] for n in names(tmp_path / "parted", "train/rainy")}
    dry = {Path(n).stem for n in names(tmp_path / "parted", "train/clean")}
    assert len(wet | dry) == 3 and not wet & dry and wet and dry


def test_realrain1k_keeps_its_own_validation(tmp_path):
    module = script("realrain1k")
    files = {}
    for kind, offset in (("L", 0), ("H", 500)):
        for split, numbers, more in (
            ("train", (3, 8, 9), 0),
            ("validation", (5,), 50),
            ("test", (2, 7), AWAY),
        ):
            root = f"RealRain-1k/RealRain-1k-{kind}/{split}"
            files |= pairs(root + "/input/{}.png", root + "/target/{}.png", numbers, offset + more)
    write(tmp_path / "in", {"RealRain-1k.zip": zipped(files)})
    for dataset, offset in ((module.REALRAIN_L, 0), (module.REALRAIN_H, 500)):
        assert dataset.pairs == 1120
        out = tmp_path / dataset.name
        manifest = prepare(replace(dataset, pairs=6), tmp_path / "in", out)
        assert [manifest["counts"][f"{s}/rainy"] for s in ("train", "val", "test")] == [3, 1, 2]
        np.testing.assert_array_equal(read_rgb(out / "val/clean/005.png"), scene(offset + 55))
    with pytest.raises(ImageError, match="6 pairs, published are 7"):
        prepare(replace(module.REALRAIN_L, pairs=7), tmp_path / "in", tmp_path / "wrong")


def spa_files():
    """Three videos of patches, a list with one pair that is missing, and a test set."""
    train, lines = {}, []
    for video in range(3):
        for frame in range(2):
            for x in range(3):
                name = f"{video:03d}/{video:03d}-{frame}/{video:03d}-{frame}_{x}_0.png"
                number = video * 100 + frame * 10 + x
                train[f"real_world/{name}"] = encode(rained(number))
                train[f"real_world_gt/{name}"] = encode(scene(number))
                lines.append(f"/real_world/{name} /real_world_gt/{name}")
    test = pairs("rain/{:03d}.png", "gt/{:03d}gt.png", TEST, 900)
    tests = [f"./rain/{n:03d}.png ./gt/{n:03d}gt.png" for n in TEST]
    whole = zipped(train)
    size = len(whole) // 12 + 1
    files = {f"real_world.zip.{i:02d}": whole[i * size : (i + 1) * size] for i in range(12)}
    return files | {
        "real_world.txt": "\n".join(lines).encode(),
        "real_test_1000.zip": zipped(test),
        "real_test_1000.txt": "\r\n".join(tests).encode(),
    }


def test_spa_data_goes_by_its_lists(tmp_path):
    dataset = replace(
        script("spa_data").SPA_DATA,
        counts={"test": 4},
        val=1,
        subsets={"cclgan": {"train": Take(files=5), "val": Take(files=2), "test": Take(files=3)}},
    )
    files = spa_files()
    write(tmp_path / "in", files)
    manifest = prepare(dataset, tmp_path / "in", tmp_path / "all")
    assert [manifest["counts"][f"{s}/clean"] for s in ("train", "val", "test")] == [12, 6, 4]
    np.testing.assert_array_equal(read_rgb(tmp_path / "all/test/clean/003.png"), scene(903))
    videos = [{n[:3] for n in names(tmp_path / "all", f"{s}/rainy")} for s in ("train", "val")]
    assert len(videos[0]) == 2 and len(videos[1]) == 1 and not videos[0] & videos[1]
    for name, wet, dry in pair_files(tmp_path / "all/train/rainy", tmp_path / "all/train/clean"):
        video, frame, x = int(name[:3]), int(name[4]), int(name[6])
        np.testing.assert_array_equal(read_rgb(wet), rained(video * 100 + frame * 10 + x))
        np.testing.assert_array_equal(read_rgb(dry), scene(video * 100 + frame * 10 + x))

    subset = prepare(dataset, tmp_path / "in", tmp_path / "some", subset="cclgan")
    assert [subset["counts"][f"{s}/rainy"] for s in ("train", "val", "test")] == [5, 2, 3]
    drawn_test = sorted(drawn(0, ["001", "002", "003", "004"])[:3])
    assert sorted(subset["subset_list"]["test"]) == drawn_test

    gone = files["real_world.txt"] + b"\n/real_world/009/x.png /real_world_gt/009/x.png\nonly/one"
    write(tmp_path / "in", {"real_world.txt": gone})
    with pytest.raises(ImageError, match="real_world/009/x.png, listed in real_world.txt, is not"):
        prepare(dataset, tmp_path / "in", tmp_path / "gone")
    manifest = prepare(dataset, tmp_path / "in", tmp_path / "gone 2", allow_incomplete=True)
    assert manifest["counts"]["train/rainy"] == 12 and len(manifest["dropped"]) == 3


SETTINGS = (("0.01", "0.005", "0.01"), ("0.02", "0.01", "0.005"), ("0.03", "0.015", "0.002"))


def city_names(photo: str) -> list[str]:
    return [
        f"{photo}_leftImg8bit_rain_alpha_{a}_beta_{b}_dropsize_{d}_pattern_{k}"
        for a, b, d in SETTINGS
        for k in range(1, 13)
    ]


def test_rain_cityscapes_takes_truth_from_the_other_zip(tmp_path):
    dataset = replace(
        script("rain_cityscapes").RAIN_CITYSCAPES,
        counts={"train": 5 * 36, "test": 3 * 36},
        val=1,
        subsets={
            "cclgan": {
                s: Take(scenes=n, each=7) for s, n in (("train", 3), ("val", 1), ("test", 2))
            }
        },
    )
    rain, truth = {}, {}
    photos = [("train", "aachen", n) for n in range(5)] + [("val", "lindau", n) for n in range(3)]
    for split, city, n in photos:
        photo = f"{city}_{n:06d}_000019"
        number = n + 100 * (city == "lindau")
        for k, name in enumerate(city_names(photo)):
            rain[f"leftImg8bit_rain/{split}/{city}/{name}.png"] = encode(rained(number, k))
    for split, city, n in [*photos, ("train", "bochum", 5), ("test", "berlin", 6)]:
        number = n + 100 * (city == "lindau")
        name = f"{city}_{n:06d}_000019_leftImg8bit.png"
        truth[f"leftImg8bit/{split}/{city}/{name}"] = encode(scene(number))
    write(
        tmp_path / "in",
        {
            "leftImg8bit_trainval_rain.zip": zipped(rain),
            "leftImg8bit_trainvaltest.zip": zipped(truth),
        },
    )
    manifest = prepare(dataset, tmp_path / "in", tmp_path / "out")
    assert [manifest["counts"][f"{s}/rainy"] for s in ("train", "val", "test")] == [144, 36, 108]
    assert manifest["counts"]["train/clean"] == 4  # each photograph once
    for name, _, dry in pair_files(tmp_path / "out/test/rainy", tmp_path / "out/test/clean"):
        np.testing.assert_array_equal(read_rgb(dry), scene(100 + int(name.split("_")[1])))
    assert not [p for p in manifest["files"] if "bochum" in p or "berlin" in p]

    subset = prepare(dataset, tmp_path / "in", tmp_path / "some", subset="cclgan", seed=3)
    assert [subset["counts"][f"{s}/rainy"] for s in ("train", "val", "test")] == [21, 7, 14]
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        photos = [n.partition("_leftImg8bit")[0] for n in subset["subset_list"][split]]
        assert len(set(photos)) == count and all(photos.count(p) == 7 for p in photos)

    short = {n.replace("_leftImg8bit_rain", "_rain"): c for n, c in rain.items()}
    write(tmp_path / "short", short | truth)  # the spelling of the authors' lists, unpacked
    assert prepare(dataset, tmp_path / "short", tmp_path / "out 2")["counts"] == manifest["counts"]


def city_items() -> list[Item]:
    items = []
    for split, count in (("train", 262), ("test", 33)):
        for n in range(count):
            photo = f"{split}_{n:06d}_000019"
            clean = Picture(f"{photo}.png")
            items += [
                Item(split, name, Picture(name), clean, f"{split}/{photo}")
                for name in city_names(photo)
            ]
    return items


def test_the_cclgan_preset_of_rain_cityscapes():
    """From the published 9,432 and 1,188 names: 1,400, 175 and 175 files, split by photograph."""
    dataset = script("rain_cityscapes").RAIN_CITYSCAPES
    items = city_items()
    assert {s: sum(i.split == s for i in items) for s in ("train", "test")} == dataset.counts
    chosen = choose(hold_out(items, dataset.val, 0), dataset.subsets["cclgan"], 0)
    by_split = {s: [i for i in chosen if i.split == s] for s in ("train", "val", "test")}
    assert [len(part) for part in by_split.values()] == [1400, 175, 175]
    scenes = {s: {i.scene for i in part} for s, part in by_split.items()}
    assert [len(found) for found in scenes.values()] == [200, 25, 25]
    assert not scenes["train"] & scenes["val"]
    assert leaks(chosen) == []
    random.Random(0).shuffle(items)  # no order of a directory matters
    again = choose(hold_out(items, dataset.val, 0), dataset.subsets["cclgan"], 0)
    assert set(again) == set(chosen)
    other = choose(hold_out(items, dataset.val, 1), dataset.subsets["cclgan"], 1)
    assert set(other) != set(chosen)


def test_the_cclgan_preset_of_spa_data():
    dataset = script("spa_data").SPA_DATA
    items = [
        Item("train", f"{v:03d}-{k}", Picture(f"{v}-{k}"), Picture(f"{v}-{k}g"), f"train/{v:03d}")
        for v in range(60)
        for k in range(70)
    ]
    items += [
        Item("test", f"{n:03d}", Picture(f"t{n}"), Picture(f"t{n}g"), f"test/{n:03d}")
        for n in range(1000)
    ]
    chosen = choose(hold_out(items, dataset.val, 0), dataset.subsets["cclgan"], 0)
    counts = {s: sum(i.split == s for i in chosen) for s in ("train", "val", "test")}
    assert counts == {"train": 2000, "val": 200, "test": 200}
    assert leaks(chosen) == []
    with pytest.raises(ValueError, match="train has 20 files, the subset takes 2000"):
        choose(items[:20], dataset.subsets["cclgan"], 0)


def test_the_draw_is_what_it_says():
    """By hand: the smallest SHA-256 of "seed/name". These values must never change."""
    assert drawn(0, ["a", "b", "c", "d", "a"]) == sorted(
        "abcd", key=lambda n: sha256(f"0/{n}".encode()).digest()
    )
    assert "".join(drawn(0, "abcdef")) == "fcbeda"
    assert "".join(drawn(1, "abcdef")) == "defabc"


def test_scenes_are_parted_by_halves_or_by_other_photographs():
    items = [
        Item("train", str(n), Picture(f"r{n}"), Picture(f"c{n}"), f"train/{n // 2}")
        for n in range(20)
    ]
    test = Item("test", "t", Picture("t"), Picture("tt"), "test/0")
    parted = part_scenes([*items, test], 0)
    assert parted[-1] == test
    wet = {i.scene for i in parted[:-1] if i.rainy}
    dry = {i.scene for i in parted[:-1] if i.clean}
    assert len(wet) == len(dry) == 5 and not wet & dry and len(parted) == 21
    assert all((i.rainy is None) != (i.clean is None) for i in parted[:-1])

    others = [Item("train", f"o{n}", None, Picture(f"o{n}"), f"train/other/{n}") for n in range(3)]
    shown = Item("train", "shown", None, Picture("shown"), "train/4")  # looks like scene 4
    parted = part_scenes([*items, *others, shown], 0)
    assert sum(i.rainy is not None for i in parted) == 20
    assert [i.name for i in parted if i.clean] == ["o0", "o1", "o2"]


def test_own_folder(tmp_path):
    module = script("own_folder")
    write(tmp_path / "in", pairs("rainy/photo {}.png", "clean/photo {}.jpg", TRAIN))
    prepare(module.PAIRED, tmp_path / "in", tmp_path / "pairs")
    assert names(tmp_path / "pairs", "train/rainy")[0] == "photo 1.png"
    assert names(tmp_path / "pairs", "train/clean")[0] == "photo 1.jpg"
    assert (
        unpaired_kind(tmp_path / "pairs/train/rainy", tmp_path / "pairs/train/clean")
        == "same scenes"
    )

    write(
        tmp_path / "in 2",
        {
            **{f"rainy/a{n}.png": encode(rained(n)) for n in (1, 2, 3)},
            **{f"clean/b{n}.png": encode(scene(n)) for n in (3, 4, 5)},
        },
    )
    manifest = prepare(module.UNPAIRED, tmp_path / "in 2", tmp_path / "out 2")
    assert manifest["unpaired"] == "strict"
    assert names(tmp_path / "out 2", "train/rainy") == ["a1.png", "a2.png", "a3.png"]
    assert names(tmp_path / "out 2", "train/clean") == ["b4.png", "b5.png"]
    assert manifest["dropped"] == ["train/b3: shows a rainy scene of train"]
    write(tmp_path / "in 3", {"rainy/1.png": encode(scene(1))})
    with pytest.raises(ImageError, match="no folder named clean"):
        prepare(module.UNPAIRED, tmp_path / "in 3", tmp_path / "out 3")


@pytest.mark.parametrize(
    "name, role, split",
    [
        ("Rain100L/norain-001.png", "clean", None),
        ("Rain100L/rain-001.png", "rainy", None),
        ("x/rain/X2/norain-1x2.png", "rainy", None),
        ("train/norain/norain-1.png", "clean", "train"),
        ("rain_data_test_Light/rain/1.png", "rainy", "test"),
        ("RainTrainL/a.png", None, "train"),
        ("leftImg8bit_trainvaltest/val/clean/x.png", "clean", "val"),
        ("RealRain-1k-L/validation/input/7.png", "rainy", "val"),
        ("unpaired_clean/7.png", "other", None),
        ("streak/7.png", None, None),
    ],
)
def test_roles_and_splits(name, role, split):
    path = PurePosixPath(name)
    assert role_of(path) == role and split_of(path) == split


# What goes wrong, and how it is told.


def test_a_finished_data_set_is_left_untouched(tmp_path):
    source = write(tmp_path / "in", LAYOUTS["X2, in two zips"]())
    out = tmp_path / "out"
    manifest = prepare(MINI, source, out)
    before = snapshot(out)
    assert prepare(MINI, source, out) == manifest
    assert snapshot(out) == before
    (source / "v1.test.Light.zip").unlink()
    with pytest.raises(ValueError, match="other archives"):
        prepare(MINI, source, out)
    for path in source.iterdir():
        path.unlink()
    source.rmdir()
    assert prepare(MINI, source, out) == manifest  # the archives may be deleted
    assert snapshot(out) == before


def test_what_a_call_stopped_at_its_very_end_left_is_removed(tmp_path):
    source = write(tmp_path / "in", LAYOUTS["X2, in two zips"]())
    manifest = prepare(MINI, source, tmp_path / "out")
    settings = json.dumps(manifest["settings"]).encode()
    write(tmp_path / "out/.unfinished", {"settings.json": settings, "abc.png": b"x"})
    assert prepare(MINI, source, tmp_path / "out") == manifest
    assert not (tmp_path / "out/.unfinished").exists()


def test_a_lost_file_is_made_again(tmp_path):
    source = write(tmp_path / "in", LAYOUTS["X2, in two zips"]())
    manifest = prepare(MINI, source, tmp_path / "out")
    (tmp_path / "out/test/clean/001.png").unlink()
    assert prepare(MINI, source, tmp_path / "out") == manifest
    np.testing.assert_array_equal(read_rgb(tmp_path / "out/test/clean/001.png"), scene(AWAY + 1))


def test_other_settings_and_other_peoples_folders_are_refused(tmp_path):
    source = write(tmp_path / "in", LAYOUTS["X2, in two zips"]())
    out = tmp_path / "out"
    prepare(MINI, source, out)
    before = snapshot(out)
    for options, message in (({"seed": 1}, "'seed': 0"), ({"unpaired": True}, "unpaired")):
        with pytest.raises(ValueError, match=message):
            prepare(MINI, source, out, **options)
    with pytest.raises(ValueError, match="Rain100L.*not.*Rain200L"):
        prepare(replace(MINI, name="Rain200L"), source, out)  # data sets do not mix
    assert snapshot(out) == before
    mine = write(tmp_path / "mine", {"diary.txt": b"dear"})
    with pytest.raises(FileExistsError, match="new folder"):
        prepare(MINI, source, mine)
    assert names(tmp_path, "mine") == ["diary.txt"]
    other = write(tmp_path / "other", {"manifest.json": b'{"dataset": "of another program"}'})
    with pytest.raises(ValueError, match="another folder"):
        prepare(MINI, source, other)
    with pytest.raises(ValueError, match="outside"):
        prepare(MINI, source, source / "out")
    with pytest.raises(ValueError, match="no subset 'x'; there are: none"):
        prepare(MINI, source, tmp_path / "x", subset="x")
    with pytest.raises(ImageError, match="There is no .*nowhere"):
        prepare(MINI, tmp_path / "nowhere", tmp_path / "x")


INTERRUPTED = """
import os, sys
sys.path[:0] = {path!r}
from test_data_scripts import MINI, layout, prepare
real, calls = layout.{function}, []
def stop(*arguments):
    calls.append(1)
    if len(calls) > {after}:
        os._exit(9)
    return real(*arguments)
layout.{function} = stop
prepare(MINI, {source!r}, {out!r})
"""


@pytest.mark.parametrize("function, after", [("_link", 5), ("_plan", 0), ("sha256_of", 20)])
def test_a_killed_preparation_goes_on(tmp_path, function, after):
    source, out = write(tmp_path / "in", LAYOUTS["X2, in two zips"]()), tmp_path / "out"
    code = INTERRUPTED.format(
        path=[str(Path(__file__).parent), str(SCRIPTS)],
        function=function,
        after=after,
        source=str(source),
        out=str(out),
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 9, done.stderr
    assert (out / ".unfinished").is_dir() and not (out / "manifest.json").exists()
    written = {p: p.stat().st_ino for p in out.glob("*/*/*.png")}
    if written:
        with pytest.raises(ValueError, match="unfinished data set made with {.seed.: 0}"):
            prepare(MINI, source, out, seed=5)
    prepare(MINI, source, out)
    assert written == {p: p.stat().st_ino for p in written}  # what was done was not done again
    fresh = prepare(MINI, source, tmp_path / "fresh")
    assert json.loads((out / "manifest.json").read_text()) == fresh
    assert sorted(p.relative_to(out) for p in out.rglob("*")) == sorted(
        p.relative_to(tmp_path / "fresh") for p in (tmp_path / "fresh").rglob("*")
    )


def test_a_failed_start_does_not_block_its_remedy(tmp_path):
    source = write(tmp_path / "in", LAYOUTS["norain in both folders"]())
    next(source.rglob("norain*.png")).unlink()
    with pytest.raises(ImageError, match="--allow-incomplete"):
        prepare(MINI, source, tmp_path / "out")
    assert prepare(MINI, source, tmp_path / "out", allow_incomplete=True)["files"]


def test_an_archive_beside_its_unpacked_copy_is_told(tmp_path):
    source = write(tmp_path / "in", LAYOUTS["X2, in two zips"]())
    archive = next(source.glob("*.zip"))
    shutil.unpack_archive(archive, source)
    with pytest.raises(ValueError, match=f"{archive.name} and its unpacked copy"):
        prepare(MINI, source, tmp_path / "out")


def test_missing_truths_and_lists_are_named():
    found, problems = ByName()([f"rain/{n}.png" for n in range(3)])
    assert not found and problems == ["3 rainy pictures, and not one truth: its files are missing"]
    lists = ByList({"train": r"^real_world\.txt$"}, scene="x")
    assert lists(["a.png"], str) == ([], ["the list real_world.txt is missing"])


def test_copies_where_there_are_no_hard_links(tmp_path, monkeypatch):
    source = write(tmp_path / "in", LAYOUTS["norain in both folders"]())

    def refuse(*arguments):
        raise OSError(18, "Invalid cross-device link")

    def stop(path):
        hashed.append(path)
        if len(hashed) > 5:
            raise RuntimeError
        return "hash"

    hashed = []
    monkeypatch.setattr("os.link", refuse)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(layout, "sha256_of", stop)
        prepare(MINI, source, tmp_path / "out")
    copied = {p: p.stat().st_ino for p in (tmp_path / "out").glob("*/*/*.png")}
    assert len(copied) > 5
    wrong = tmp_path / "out/test/clean/001.png"
    wrong.write_bytes(b"other")  # not of the right size
    copied.pop(wrong, None)
    manifest = prepare(MINI, source, tmp_path / "out")
    assert copied == {p: p.stat().st_ino for p in copied}  # nothing was copied twice
    monkeypatch.undo()
    assert manifest == prepare(MINI, source, tmp_path / "linked")


def broken(change):
    files = LAYOUTS["norain in both folders"]()
    change(files)
    return files


@pytest.mark.parametrize(
    "change, messages",
    [
        (
            lambda f: f.pop("train/rain/norain-3.png"),
            [
                "train/norain/norain-3.png has no rainy partner",
                "train: 5 rainy pictures, published are 6",
            ],
        ),
        (
            lambda f: f.pop("test/norain/norain-2.png"),
            ["test/rain/norain-2.png has no clean partner"],
        ),
        (
            lambda f: [f.pop(n) for n in list(f) if n.endswith("-6.png")],
            ["train: 5 rainy pictures, published are 6"],
        ),
        (
            lambda f: f.update({"train/rain/norain-03.png": b""}),
            ["would be the same picture: move one away"],
        ),
        (
            lambda f: f.update({"train/rain/norain-3.png": f["train/rain/norain-3.png"][:200]}),
            ["Pictures are damaged", "train/rain/norain-3.png"],
        ),
        (
            lambda f: f.update({"test/norain/norain-1.png": b"<html>"}),
            ["Pictures are damaged", "test/norain/norain-1.png"],
        ),
        (
            lambda f: f.update({"test/norain/norain-1.png": encode(scene(5, 30, 32))}),
            ["norain-1.png and test/norain/norain-1.png differ in size"],
        ),
    ],
)
def test_what_is_wrong_is_listed_or_left_out_on_request(tmp_path, change, messages):
    source = write(tmp_path / "in", broken(change))
    with pytest.raises(ImageError) as error:
        prepare(MINI, source, tmp_path / "out")
    for message in [*messages, "--allow-incomplete"]:
        assert message in str(error.value)
    assert not (tmp_path / "out/manifest.json").exists()
    manifest = prepare(MINI, source, tmp_path / "less", allow_incomplete=True)
    assert manifest["counts"]["train/rainy"] + manifest["counts"]["test/rainy"] in (6, 7)
    for split in ("val", "test"):
        pair_files(tmp_path / "less" / split / "rainy", tmp_path / "less" / split / "clean")
    # After the mistake is mended, the same command does it.
    write(source, LAYOUTS["norain in both folders"]())
    (source / "train/rain/norain-03.png").unlink(missing_ok=True)
    assert prepare(MINI, source, tmp_path / "out")["counts"]["test/rainy"] == 4


def test_thousands_of_problems_are_counted_not_printed(tmp_path):
    files = pairs("train/rain/{}.png", "train/norain/{}.png", range(50))
    source = write(
        tmp_path / "in", {n: c for n, c in files.items() if "norain/" not in n or "/0." in n}
    )
    with pytest.raises(ImageError, match=r"and \d+ more") as error:
        prepare(MINI, source, tmp_path / "out")
    assert len(str(error.value).splitlines()) < 30


@pytest.mark.parametrize("second", ["x", "X"])  # one file on Windows and macOS
def test_names_that_collide_are_told(tmp_path, second):
    listed = f"a/real_world/1/x.png b/1.png\na/real_world/2/{second}.png b/2.png"
    files = {"real_world.txt": listed.encode(), "real_test_1000.txt": b""}
    for n, name in ((1, "x"), (2, second)):
        files |= {
            f"a/real_world/{n}/{name}.png": encode(rained(n)),
            f"b/{n}.png": encode(scene(n)),
        }
    with pytest.raises(ImageError, match="would both become train/rainy/x.png"):
        prepare(
            replace(script("spa_data").SPA_DATA, val=0),
            write(tmp_path / "in", files),
            tmp_path / "out",
        )


def test_hostile_archives_stop_a_script_and_leave_nothing(tmp_path):
    files = LAYOUTS["X2, in two zips"]()
    files["evil.zip"] = zipped({"../../evil.png": encode(scene(1))})
    source = write(tmp_path / "deep/in", files)
    with pytest.raises(ArchiveError, match=r"evil\.zip is refused.*leads out"):
        prepare(MINI, source, tmp_path / "deep/out")
    assert not list(tmp_path.rglob("evil.png"))
    assert not list((tmp_path / "deep/out").rglob("*.png"))
    (source / "evil.zip").unlink()
    assert prepare(MINI, source, tmp_path / "deep/out")["counts"]["test/rainy"] == 4


# The command line.


@pytest.mark.parametrize("name", NAMES)
def test_scripts_are_short_and_their_help_teaches(name, monkeypatch, capsys):
    text = (SCRIPTS / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 70
    assert f"`{name}.py" in (SCRIPTS / "README.md").read_text()
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for word in (f"python data_scripts/{name}.py", "--source", "--unpaired", "An archive, or"):
        assert word in shown, word
    if name != "own_folder":
        assert "icence" in shown or "non-commercial" in shown
        assert "egist" in shown


def test_a_script_runs_from_any_folder(tmp_path):
    write(tmp_path, {"in/x.zip": zipped(pairs("{:03d}_in.png", "{:03d}_GT.png", range(1, 13)))})
    done = subprocess.run(
        [sys.executable, SCRIPTS / "rain12.py", "--source", "in", "--out", "out"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(SCRIPTS.parent)},  # the package alone
        capture_output=True,
        text=True,
    )
    assert "Rain12 in out: " in done.stdout and "test 12 rainy and 12 clean" in done.stdout, done


def test_a_script_downloads_prepares_and_says_what_it_did(server, tmp_path, capsys):  # noqa: F811
    server.content = zipped(pairs("{:03d}_in.png", "{:03d}_GT.png", range(1, 13)))
    digest = sha256(server.content).hexdigest()
    rain12 = script("rain12").RAIN12
    local = replace(rain12, links=(f"{server.url}/li_cvpr16_rain.zip",))
    arguments = ["--source", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    server.cut = [1000]  # and the line breaks once
    main("Rain12.", local, arguments=arguments)
    assert "Rain12 in " in capsys.readouterr().out
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["sources"] == [
        {"name": "li_cvpr16_rain.zip", "bytes": len(server.content), "sha256": digest}
    ]
    asked = len(server.asked)
    main("Rain12.", local, arguments=arguments)
    assert len(server.asked) == asked  # nothing is downloaded twice

    wrong = f"{server.url}/other.zip#sha256={'0' * 64}"
    more = ["--out", str(tmp_path / "out 2"), "--download", wrong]
    with pytest.raises(SystemExit) as error:
        main("Rain12.", rain12, arguments=["--source", str(tmp_path / "in 2"), *more])
    assert "put aside" in str(error.value)


def test_mistakes_of_the_user_are_one_message(tmp_path, capsys):
    for extra, message in (
        (["--kind", "x"], "'--kind'. Expected one of ('Rain100L'"),
        ([], "There is no "),
        (["--subset", "x"], "no subset 'x'"),
    ):
        arguments = ["--source", str(tmp_path / "no"), "--out", str(tmp_path / "out"), *extra]
        with pytest.raises(SystemExit) as error:
            main("Help.", MINI, arguments=arguments)
        assert message in str(error.value) + capsys.readouterr().err


def test_the_summary_warns(tmp_path, capsys):
    source = write(tmp_path / "in", LAYOUTS["norain in both folders"]())
    main("Help.", MINI, arguments=["--source", str(source), "--out", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert "train 4 rainy and 4 clean, val 2 rainy and 2 clean, test 4 rainy and 4 clean" in out
    assert "never test on Rain200L" in out and "--unpaired parts them" in out
    assert list_images(tmp_path / "out/test/clean")


def test_folders_that_are_not_understood_are_named(tmp_path):
    files = pairs("testA/{}.png", "testB/{}.png", TEST, AWAY)
    with pytest.raises(ImageError, match="folders: testA, testB. Rename those of rainy"):
        prepare(MINI, write(tmp_path / "in", files), tmp_path / "out")
