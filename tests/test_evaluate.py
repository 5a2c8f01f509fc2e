"""Pairing files, scoring pairs, the classical baseline, and the known scores of Rain100L."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional import image as torchmetrics
from torchvision.transforms import InterpolationMode, Resize

from cclgan_lite import cli
from cclgan_lite.data.images import ImageError
from cclgan_lite.data.pairs import equal_contents, pair_files, refuse_equal_files
from cclgan_lite.data.rain import add_rain, demo_rain
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.evaluation import systems
from cclgan_lite.evaluation.classical import classical_filter
from cclgan_lite.evaluation.datasets import dataset_pairs, refuse_leaks, training_data
from cclgan_lite.evaluation.evaluate import Protocol, evaluate_pairs
from cclgan_lite.evaluation.extras import Extra
from cclgan_lite.evaluation.metrics import luma, scores
from cclgan_lite.evaluation.pictures import best_median_worst, error_map, examples
from cclgan_lite.evaluation.statistics import interval

RNG = np.random.default_rng(0)


def fill(folder: Path, *names: str, size: tuple[int, int] = (12, 16)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        rgb = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(rgb).save(folder / name)
    return folder


def paired(tmp_path: Path, rainy: list[str], clean: list[str]) -> list[tuple[str, str]]:
    pairs = pair_files(fill(tmp_path / "rainy", *rainy), fill(tmp_path / "clean", *clean))
    assert [name for name, _, _ in pairs] == [path.stem for _, path, _ in pairs]
    assert all(r.parent.name == "rainy" and c.parent.name == "clean" for _, r, c in pairs)
    return [(r.name, c.name) for _, r, c in pairs]


@pytest.mark.parametrize(
    "rainy, clean",
    [
        (["2.png", "10.png"], ["2.jpg", "10.webp"]),
        (["norain-2x2.png", "norain-10x2.png"], ["norain-2.png", "norain-10.png"]),
        (["rain-002.png", "rain-010.png"], ["norain-002.png", "norain-010.png"]),
        (["002.png", "010.png"], ["002gt.png", "010gt.png"]),
        (["rain100_2.png", "rain100_10.png"], ["clean_2.png", "clean_10.png"]),
        (["a-4x3.png", "a-4x5.png"], ["a-4x3.jpg", "a-4x5.jpg"]),
        (["street.png", "wood.png"], ["street.jpg", "wood.jpg"]),
    ],
)
def test_pairs_by_name_or_number(tmp_path, rainy, clean):
    assert paired(tmp_path, rainy, clean) == list(zip(rainy, clean, strict=True))


def test_order_of_text_does_not_pair(tmp_path):
    rainy, clean = [f"rain-{i}.png" for i in range(1, 12)], [f"{i:03}.png" for i in range(1, 12)]
    assert paired(tmp_path, rainy, clean) == list(zip(rainy, clean, strict=True))


def test_everything_that_does_not_pair_is_listed(tmp_path):
    rainy = fill(tmp_path / "rainy", "1.png", "2.png", "2.webp", "3.png", "5.png")
    clean = fill(tmp_path / "clean", "1.png", "2.png", "4.png")
    fill(clean, "5.png", size=(12, 17))
    for folder in (rainy, clean):
        (folder / "6.png").write_bytes(b"no picture")
    with pytest.raises(ImageError) as caught:
        pair_files(rainy, clean)
    message = str(caught.value)
    assert len(message.splitlines()) == 6
    for part in ("2.webp and ", "3.png has no clean partner",
                 "4.png has no rainy partner", "5.png is 16x12", "6.png is no"):  # fmt: skip
        assert part in message


def test_doubled_numbers_are_errors(tmp_path):
    rainy = fill(tmp_path / "rainy", "a-1.png", "b-01.png")
    with pytest.raises(ImageError, match="same picture"):
        pair_files(rainy, fill(tmp_path / "clean", "clean-1.png"))


def test_equal_contents(tmp_path):
    for name, content in {"a": b"12", "same": b"12", "other": b"21", "longer": b"123"}.items():
        (tmp_path / name).write_bytes(content)
    a, same, other, longer = (tmp_path / name for name in ("a", "same", "other", "longer"))
    assert equal_contents([a, other], [same, other])
    for apart in ([same], [same, longer], [longer, other], [same, a], [other, same]):
        assert not equal_contents([a, other], apart)
    pairs = [("1", a, same), ("2", a, other)]
    with pytest.raises(ImageError, match=f"{a} and {same} are the same file$"):
        refuse_equal_files(pairs)
    refuse_equal_files(pairs[1:])


def test_sizes_are_compared_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    rainy = fill(tmp_path / "rainy", "1.png")
    clean = fill(tmp_path / "clean")
    turned = Image.fromarray(RNG.integers(0, 256, (16, 12, 3), dtype=np.uint8))
    turned.save(clean / "1.jpg", exif=exif)
    pairs = pair_files(rainy, clean)
    assert evaluate_pairs(pairs, lambda rgb: rgb)["n"] == 1


def test_means_are_those_of_the_pictures(tmp_path):
    names = ["1.png", "2.png", "3.png"]
    rainy, clean = fill(tmp_path / "rainy", *names), fill(tmp_path / "clean", *names)
    result = evaluate_pairs(pair_files(rainy, clean), lambda rgb: 255 - rgb)
    assert result["n"] == 3
    assert [image["name"] for image in result["images"]] == ["1", "2", "3"]
    for key in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"):
        values = []
        for name in names:
            r, c = (np.asarray(Image.open(folder / name)) for folder in (rainy, clean))
            values.append(scores(255 - r, c)[key])
        assert len(set(values)) == 3
        assert result[key] == pytest.approx(sum(values) / 3)
        assert [image[key] for image in result["images"]] == pytest.approx(values)


def test_perfect_result_is_valid_json(tmp_path):
    folder = fill(tmp_path / "a", "1.png", "2.png")
    result = evaluate_pairs(pair_files(folder, folder), lambda rgb: rgb)
    assert result["psnr_y"] == 100
    json.dumps(result, allow_nan=False)


def test_errors_name_the_pair(tmp_path):
    pairs = pair_files(
        fill(tmp_path / "a", "1.png", size=(8, 8)), fill(tmp_path / "b", "1.png", size=(8, 8))
    )
    with pytest.raises(ValueError, match="a.1.png and .*b.1.png: SSIM needs at least 11x11"):
        evaluate_pairs(pairs, lambda rgb: rgb)
    with pytest.raises(ImageError, match="no pairs"):
        evaluate_pairs([], lambda rgb: rgb)


def test_squashed_protocol_is_that_of_the_code(tmp_path):
    """Both pictures to 256 x 256 as torchvision resizes Pillow images, before the network."""
    rainy = fill(tmp_path / "rainy", "1.png", size=(300, 400))
    clean = fill(tmp_path / "clean", "1.png", size=(300, 400))
    seen = []

    def derain(rgb):
        seen.append(rgb)
        return 255 - rgb

    result = evaluate_pairs(pair_files(rainy, clean), derain, protocol="cclgan-code")
    resize = Resize([256, 256], InterpolationMode.BICUBIC)
    theirs = [np.asarray(resize(Image.open(folder / "1.png"))) for folder in (rainy, clean)]
    np.testing.assert_array_equal(seen[0], theirs[0])
    assert result["protocol"] == "cclgan-code"
    for key, value in scores(255 - theirs[0], theirs[1]).items():
        assert result[key] == value
    assert evaluate_pairs(pair_files(rainy, clean), derain)["protocol"] == "full-size"
    with pytest.raises(ValueError, match="no protocol 'half'; there are 'full-size'"):
        evaluate_pairs(pair_files(rainy, clean), derain, protocol="half")


def test_scenes_are_known_by_their_truth(tmp_path):
    names = [f"{i}.png" for i in range(8)]
    rainy, clean = fill(tmp_path / "rainy", *names), fill(tmp_path / "clean", *names)
    for i in range(4):  # pictures 4-7 show the scenes of 0-3
        (clean / names[i + 4]).write_bytes((clean / names[i]).read_bytes())
    result = evaluate_pairs(pair_files(rainy, clean), lambda rgb: rgb)
    assert (result["n"], result["scenes"]) == (8, 4)
    values = [image["psnr_y"] for image in result["images"]]
    assert result["intervals"]["psnr_y"] == interval(values, [0, 1, 2, 3] * 2)
    assert result["intervals"]["psnr_y"] != interval(values)


def test_extras_stand_beside_the_scores(tmp_path):
    folder = fill(tmp_path / "a", "1.png", "2.png")
    extras = {"mean": lambda derained, clean: float(derained.mean() - clean.mean())}
    result = evaluate_pairs(pair_files(folder, folder), lambda rgb: rgb // 2, extras=extras)
    assert result["mean"] == pytest.approx(np.mean([i["mean"] for i in result["images"]]))
    assert result["mean"] < -40 and result["intervals"]["mean"][0] < result["mean"]


# Prepared data sets


def prepared(folder: Path, manifest: dict | None = None) -> Path:
    for kind in ("rainy", "clean"):
        fill(folder / "test" / kind, *(f"{i}.png" for i in range(5)))
    if manifest is not None:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_data_sets_are_found_by_folder_or_name(tmp_path, monkeypatch):
    monkeypatch.setenv("CCLGAN_DATA", str(tmp_path / "data"))
    settings = {"subset": "cclgan"}
    spa = prepared(tmp_path / "data/spa", {"dataset": "SPA-Data", "settings": settings})
    plain = prepared(tmp_path / "data/rain100L")
    for name in (spa, str(spa), "spa", "SPA-Data", "spa_data"):
        about, pairs = dataset_pairs(name)
        assert about == {"dataset": "SPA-Data", "subset": "cclgan", "split": "test"}
        assert len(pairs) == 5 and pairs[0][1] == spa / "test/rainy/0.png"
    assert dataset_pairs("rain100l")[0]["dataset"] == "rain100L"
    monkeypatch.delenv("CCLGAN_DATA")
    monkeypatch.chdir(tmp_path)
    assert dataset_pairs("rain100l")[1][0][1].resolve() == plain / "test/rainy/0.png"


def test_data_sets_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("CCLGAN_DATA", str(tmp_path))
    with pytest.raises(ImageError, match="No data sets spa .*nothing.*CCLGAN_DATA.*data_scripts"):
        dataset_pairs("spa")
    one = prepared(tmp_path / "Rain100L")
    with pytest.raises(ImageError, match="holds no val/rainy"):
        dataset_pairs(one, "val")
    prepared(tmp_path / "other", {"dataset": "Rain100L"})
    with pytest.raises(ImageError, match="Several data sets rain100l .*Rain100L, .*other"):
        dataset_pairs("rain100l")


def test_bundled_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("CCLGAN_DATA", str(tmp_path))
    monkeypatch.setattr("cclgan_lite.evaluation.datasets.bundled_data", prepared)
    about, pairs = dataset_pairs("bundled")
    assert about["dataset"] == "bundled" and len(pairs) == 5


def test_training_data_in_words(tmp_path):
    rainy = tmp_path / "set/train/rainy"
    rainy.mkdir(parents=True)
    assert training_data(rainy) == str(rainy)
    manifest = {"dataset": "SPA-Data", "settings": {"subset": "cclgan"}, "unpaired": "strict"}
    (tmp_path / "set/manifest.json").write_text(json.dumps(manifest))
    assert training_data(rainy) == "SPA-Data, subset cclgan, strictly unpaired"


def test_known_leaks_are_refused(tmp_path):
    rainy = tmp_path / "set/train/rainy"
    rainy.mkdir(parents=True)
    refuse_leaks(rainy, "Rain100L")
    manifest = {"dataset": "Rain200L", "known_leaks": ["Rain100L: it contains the test images"]}
    (tmp_path / "set/manifest.json").write_text(json.dumps(manifest))
    refuse_leaks(rainy, "Rain12")
    with pytest.raises(ValueError, match="trained on Rain200L, which must not be tested on Rain1"):
        refuse_leaks(rainy, "Rain100L")


# Pictures


def test_best_median_worst():
    images = [{"psnr_y": value} for value in (25, 31, 22, 28, 26)]
    assert best_median_worst(images) == {"best": 1, "median": 4, "worst": 2}
    assert best_median_worst(images[:2]) == {"best": 1, "worst": 0}
    assert best_median_worst(images[:1]) == {"best": 0}


def test_error_map_by_hand():
    clean = np.full((300, 12, 3), 100, np.uint8)
    clean[256:] = 150
    derained = clean.copy()
    derained[280:, 3] += 40  # luma 40 x 219 / 255 = 34.35, of 64: a value of 136.9
    derained[280:, 4] -= 40
    derained[280:, 5] = 255  # beyond the end of the scale
    shown = error_map(derained, clean)
    assert shown.shape == clean.shape and shown.dtype == np.uint8
    assert shown[:280].max() <= 3 and shown[:, :3].max() <= 3  # black
    np.testing.assert_array_equal(shown[280:, 3], shown[280:, 4])
    brightness = shown[290].astype(int).sum(axis=1)
    assert brightness[0] < brightness[3] < brightness[5] and brightness[5] > 600


def test_examples_are_the_scored_pictures(tmp_path):
    names = ["1.png", "2.png", "3.png"]
    rainy, clean = fill(tmp_path / "rainy", *names), fill(tmp_path / "clean", *names)
    pairs = pair_files(rainy, clean)
    result = evaluate_pairs(pairs, lambda rgb: 255 - rgb, protocol="cclgan-code")
    shown = list(examples(pairs, result, lambda rgb: 255 - rgb))
    assert [example["name"].split(":")[0] for example in shown] == ["best", "median", "worst"]
    ranked = sorted(result["images"], key=lambda image: -image["psnr_y"])
    for example, image in zip(shown, ranked, strict=True):
        assert example["name"].endswith(image["name"])
        assert scores(example["derained"], example["clean"])["psnr_y"] == image["psnr_y"]
        assert example["captions"]["derained"].startswith(f"{image['psnr_y']:.2f} dB")


# The command


def test_command_writes_everything(tmp_path, capsys):
    names = [f"{i}.png" for i in range(4)]
    rainy = fill(tmp_path / "rainy", *names, size=(20, 30))
    fill(tmp_path / "clean", *names, size=(20, 30))
    outputs = {flag: tmp_path / f"out.{flag}" for flag in ("json", "csv", "report")}
    flags = [text for flag, path in outputs.items() for text in (f"--{flag}", str(path))]
    cli.main(["evaluate", "--rainy", str(rainy), "--clean", str(tmp_path / "clean"),
              "--weights", "classical", "--against", "identity", *flags])  # fmt: skip
    result = json.loads(outputs["json"].read_text())
    against = result["against"]
    assert (result["system"], against["system"]) == ("classical", "identity")
    for key in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"):
        gap = result[key] - against[key]
        assert against["difference"][key]["mean"] == pytest.approx(gap)
    with open(outputs["csv"], newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["system"], row["name"]) for row in rows] == [
        (system, str(i)) for system in ("classical", "identity") for i in range(4)
    ]
    for row, image in zip(rows, result["images"] + against["images"], strict=True):
        assert {key: float(row[key]) for key in ("psnr_y", "ssim_rgb")} == {
            key: image[key] for key in ("psnr_y", "ssim_rgb")
        }
    page = outputs["report"].read_text()
    assert all(f"<h3>{label}: " in page for label in ("best", "median", "worst"))
    assert "against" in page and "inferno" not in page
    printed = capsys.readouterr().out
    gap = against["difference"]["psnr_y"]
    assert f"{result['psnr_y']:.2f} [" in printed and f"{gap['mean']:+.2f} [" in printed
    assert f"higher on {gap['higher']}" in printed and "too narrow for so few" in printed


def test_nothing_is_scored_before_everything_pairs(tmp_path, monkeypatch):
    rainy, clean = fill(tmp_path / "r", "1.png", "2.png"), fill(tmp_path / "c", "1.png", "3.png")
    monkeypatch.setattr(systems, "evaluate_pairs", lambda *_, **__: pytest.fail("went on"))
    folders = ["--rainy", str(rainy), "--clean", str(clean)]
    with pytest.raises(SystemExit) as stop:
        cli.main(["evaluate", *folders, "--csv", str(tmp_path / "x.csv")])
    assert "2.png has no clean partner" in str(stop.value)
    assert "3.png has no rainy partner" in str(stop.value)
    assert not (tmp_path / "x.csv").exists()
    for wrong in ([], ["--rainy", str(rainy)], [*folders, "--dataset", "x"]):
        with pytest.raises(SystemExit, match="--dataset, or both --rainy and --clean"):
            cli.main(["evaluate", *wrong])


def test_flags_offer_what_there_is():
    """The command spells out what it must not import to show its --help."""
    hints = get_type_hints(cli.evaluate)
    assert hints["protocol"] == Protocol and get_args(hints["extras"])[0] == Extra


MEMORY_SCRIPT = r"""
import re, sys
from cclgan_lite import cli
cli.main(sys.argv[1:])
print("GiB", int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fifty_megapixels_in_bounded_memory(tmp_path):
    """1.6 GiB measured: imports 0.6, each picture 0.14. Whole lumas alone would add 0.75."""
    cells = RNG.integers(0, 200, (289, 433, 3), dtype=np.uint8)
    clean = np.kron(cells, np.ones((20, 20, 1), np.uint8))
    for kind, rgb in (("rainy", clean + 20), ("clean", clean)):
        (tmp_path / kind).mkdir()
        Image.fromarray(rgb).save(tmp_path / kind / "1.jpg")
    folders = ["--rainy", str(tmp_path / "rainy"), "--clean", str(tmp_path / "clean")]
    command = [sys.executable, "-c", MEMORY_SCRIPT, "evaluate", "--identity", *folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert float(re.search(r"GiB ([\d.]+)", done.stdout)[1]) < 2.0


# The classical baseline


def test_classical_filter_removes_a_streak_and_keeps_the_rest():
    clean = np.full((40, 40, 3), (60, 90, 120), np.uint8)
    clean[:, 20:] += 50  # an edge
    clean[30:, 5:] += 30  # and a corner
    rainy = clean.copy()
    rainy[5:25, 9:11] += 70
    np.testing.assert_array_equal(classical_filter(clean), clean)
    np.testing.assert_array_equal(classical_filter(rainy), clean)


def test_classical_filter_takes_any_picture():
    for shape in [(1, 1, 3), (3, 200, 3), (200, 3, 3)]:
        rgb = RNG.integers(0, 256, shape, dtype=np.uint8)
        result = classical_filter(rgb)
        assert result.shape == shape and result.dtype == np.uint8
        assert (result <= rgb).all()  # rain only brightens


# An independent library


def by_torchmetrics(derained: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    found = {}
    for view, name in ((luma, "y"), (lambda rgb: rgb, "rgb")):
        one, two = (
            torch.from_numpy(np.atleast_3d(view(rgb)).astype(float)).permute(2, 0, 1)[None]
            for rgb in (derained, clean)
        )
        found[f"psnr_{name}"] = torchmetrics.peak_signal_noise_ratio(
            one, two, data_range=255.0, dim=(1, 2, 3)
        ).item()
        _, full = torchmetrics.structural_similarity_index_measure(
            one, two, data_range=255.0, sigma=1.5, kernel_size=11, return_full_image=True
        )
        # Windows at the border see mirrored pixels, which ours leave out.
        found[f"ssim_{name}"] = full[..., 5:-5, 5:-5].mean().item()
    return found


def agree(pairs, derain) -> None:
    """To 0.01 dB and 0.001 on every picture."""
    result = evaluate_pairs(pairs, derain)
    for (_, rainy, clean), image in zip(pairs, result["images"], strict=True):
        one, two = (np.asarray(Image.open(path).convert("RGB")) for path in (rainy, clean))
        for key, value in by_torchmetrics(derain(one), two).items():
            assert image[key] == pytest.approx(value, abs=0.01 if "psnr" in key else 0.001)


def test_torchmetrics_agrees_on_generated_scenes(tmp_path):
    for seed in range(6):
        clean, depth = render_scene((7, seed), 180, 240)
        rng = np.random.default_rng(seed)
        rainy = add_rain(clean, depth, demo_rain(rng), rng)
        for kind, rgb in (("rainy", rainy), ("clean", clean)):
            (tmp_path / kind).mkdir(exist_ok=True)
            levels = np.rint(rgb * 255).astype(np.uint8)
            Image.fromarray(levels).save(tmp_path / kind / f"{seed}.png")
    pairs = pair_files(tmp_path / "rainy", tmp_path / "clean")
    agree(pairs, lambda rgb: rgb)
    agree(pairs, classical_filter)


# Real data


@pytest.mark.slow
def test_torchmetrics_agrees_on_rain100l(rain100l):
    pairs = pair_files(rain100l / "rainy", rain100l / "clean")[160:]
    agree(pairs, lambda rgb: rgb)


def test_rain100l_scores_are_known(rain100l):
    pairs = pair_files(rain100l / "rainy", rain100l / "clean")[160:]
    result = evaluate_pairs(pairs, lambda rgb: rgb)
    assert round(result["psnr_y"], 3) == 26.486 and round(result["ssim_y"], 4) == 0.8389
    assert (result["n"], result["scenes"]) == (40, 40)


def test_rain100l_validation_pairs(rain100l):
    pairs = pair_files(rain100l / "rainy", rain100l / "clean")
    assert len(pairs) == 200
    pairs = [pair for pair in pairs if int(pair[0]) > 160]
    result = evaluate_pairs(pairs, lambda rgb: rgb)
    psnr, ssim = [], []
    for number in range(161, 201):
        images = []
        for name in (f"rainy/{number}.webp", f"clean/{number}.jpg"):
            rgb = np.asarray(Image.open(rain100l / name).convert("RGB")) / 255
            images.append(rgb @ [65.481, 128.553, 24.966] + 16)
        psnr.append(peak_signal_noise_ratio(*images, data_range=255))
        ssim.append(
            structural_similarity(
                *images,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=255,
            )
        )
    assert result["n"] == len(psnr) == 40
    assert result["psnr_y"] == pytest.approx(np.mean(psnr), abs=0.01)
    assert result["ssim_y"] == pytest.approx(np.mean(ssim), abs=0.001)
    filtered = evaluate_pairs(pairs, classical_filter)
    assert filtered["psnr_y"] > result["psnr_y"] + 2
    assert filtered["ssim_y"] > result["ssim_y"] + 0.03
