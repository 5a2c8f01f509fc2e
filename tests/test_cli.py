"""The commands as a user types them: results, files, and errors in one line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from noise import noise_folders
from PIL import Image

import cclgan_lite as ccl
from cclgan_lite import cli
from cclgan_lite.inference.weights import derainer_bytes
from cclgan_lite.networks import GeneratorConfig, ResNetGenerator
from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.run import Run

TINY = (
    "--recipe laptop --steps 4 --log-every 2 --save-minutes 0 --augment.crop 48 --device cpu "
    "--method.generator.filters 4 --method.generator.blocks 1 --method.discriminator.filters 4 "
    "--method.projection 8"
).split()


@pytest.fixture
def pairs(tmp_path) -> Path:
    noise_folders(tmp_path)
    return tmp_path


def folders(pairs: Path) -> list[str]:
    return ["--rainy", str(pairs / "rainy"), "--clean", str(pairs / "clean")]


def fails(arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as error:
        cli.main(arguments)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_train_derain_evaluate(pairs, capsys):
    run = pairs / "run"
    cli.main(["train", *TINY, *folders(pairs), "--out", str(run), "--method.lcl.weight", "1.5"])
    config = Run.read(run).config
    assert config.method.lcl.weight == 1.5 and config.steps == 4
    assert config.method.rederain == RECIPES["laptop"].method.rederain  # the rest is the recipe's
    cli.main(["train", "--out", str(run), "--resume"])
    again = [*TINY, *folders(pairs), "--method.lcl.weight", "1.5"]  # the same command once more
    cli.main(["train", *again, "--out", str(run), "--resume"])

    out = ["--out", str(pairs / "out")]
    cli.main(["derain", str(pairs / "rainy"), *out, "--weights", str(run), "--device", "cpu"])
    assert sorted(p.name for p in (pairs / "out").iterdir()) == ["0.png", "1.png", "2.png"]

    test = shutil.copytree(pairs, pairs / "test", ignore=shutil.ignore_patterns("run", "out"))
    figures = pairs / "figures.json"
    for flags in (["--weights", str(run)], ["--identity"]):
        cli.main(["evaluate", *folders(test), *flags, "--json", str(figures), "--device", "cpu"])
        result = json.loads(figures.read_text())
        assert result["n"] == 3 and [i["name"] for i in result["images"]] == ["0", "1", "2"]
        for key in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"):
            assert result[key] == pytest.approx(np.mean([i[key] for i in result["images"]]))
    assert "3 pairs, 3 scenes, full-size" in capsys.readouterr().out


def test_evaluate_scores_the_derained_image(pairs):
    """A derainer that inverts nothing must score exactly as the input; a broken one must not."""
    config = GeneratorConfig(filters=4, blocks=1, head="residual")  # starts as the identity
    identity = ResNetGenerator(config)
    other = ResNetGenerator(config)
    torch.nn.init.constant_(other.last.bias, 0.2)
    results = {}
    for name, weights in (("identity", identity), ("other", other)):
        (pairs / name).write_bytes(derainer_bytes(weights))
        out = pairs / f"{name}.json"
        cli.main(["evaluate", *folders(pairs), "--weights", str(pairs / name), "--json", str(out)])
        results[name] = json.loads(out.read_text())
    cli.main(["evaluate", *folders(pairs), "--identity", "--json", str(pairs / "input.json")])
    rainy = json.loads((pairs / "input.json").read_text())
    assert results["identity"]["images"] == rainy["images"]
    assert results["other"]["psnr_y"] != pytest.approx(rainy["psnr_y"], abs=0.01)


@pytest.mark.parametrize("command", [["make-rain"], ["degrade"], ["degrade", "--kind", "haze"]])
def test_degrade(pairs, command):
    cli.main([*command, "--clean", str(pairs / "clean"), "--out", str(pairs / "made")])
    before = np.asarray(Image.open(pairs / "clean/1.png")).astype(int)
    after = np.asarray(Image.open(pairs / "made/1.png")).astype(int)
    assert before.shape == after.shape and (before != after).any()


def test_errors_are_one_line_that_name_the_remedy(pairs):
    out = ["--out", str(pairs / "run")]
    fails(["train", "--recipe", "nix", *out], "no recipe 'nix'; there are paper")
    fails(["train", "--rainy", str(pairs / "rainy"), *out], "both --rainy and --clean")
    fails(
        ["train", *TINY, "--rainy", str(pairs / "no"), "--clean", str(pairs / "clean"), *out],
        "no file or folder",
    )
    fails(["train", "--resume", *out], "holds no run to resume")
    fails(["derain", str(pairs / "rainy"), *out, "--weights", "nix"], "no weights at nix")
    cli.main(["train", *TINY, *folders(pairs), *out])
    fails(["train", *TINY, *folders(pairs), *out], "already holds a run")
    fails(["train", "--resume", *out, "--lr", "1"], "leave out --lr.")
    fails(["train", "--resume", *out, "--recipe", "laptop"], "goes on with its own settings")
    fails(["train", "--resume", *out, "--clean", str(pairs / "rainy")], "the same pictures")
    fails(["train", "--resume", *out, "--check-unpaired"], "goes on with its own settings")
    fails(
        ["train", "--recipe", "rain100l", *folders(pairs), "--out", str(pairs / "n")],
        "--start RUN",
    )
    fails(["derain", str(pairs / "rainy"), "--out", str(pairs / "n"), "--memory", "inf"], "finite")
    if not torch.cuda.is_available():
        fails(["derain", str(pairs / "rainy"), *out, "--device", "cuda"], "finds no cuda device")


NO_STEPS = " ".join(TINY).replace("--steps 4 ", "").split()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--method.lcl.roles a b c d", "reads network 'a'; there are derainer"),
        ("--method.adversarial.roles discriminator_clean clean dry", "reads image 'dry'"),
        ("--method.rederain.weight 1 --method.rederain.trains deriner", "mean 'derainer'?"),
        ("--epochs 2", "--epochs or --steps"),
        ("--epochs -1 --steps 3", "--epochs or --steps"),
        ("--start light", "filters 4 here, 32 there"),
        ("--method.intra.temperature 1", "give --method.intra.weight too"),
        ("--method.embedder ViT-B-32/openai", "give --method.intra.weight too"),
    ],
)
def test_a_flag_that_cannot_be_meant_is_told_before_there_is_a_run(pairs, flags, message):
    out = pairs / "run"
    fails(["train", *TINY, *folders(pairs), "--out", str(out), *flags.split()], message)
    assert not out.exists()


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--method.lcl.temperature 0", "--method.lcl: temperature must be above 0, not 0.0"),
        ("--method.intra.weight -1", "weight must be at least 0, not -1.0"),
        (
            "--method.generator.taps conv9",
            "cclgan-lite: --method.generator: taps: no tap ['conv9']; there are",
        ),
        ("--method.generator.filters 0", "filters must be at least 1, not 0"),
        ("--decay-from 2", "decay_from must be in [0, 1], not 2.0"),
        ("--betas 0.5 1", "betas must be in [0, 1), not 0.5 1.0"),
        ("--lr nan", "lr must be above 0, not nan"),
        ("--precision half", "half"),
        ("--out", "--out"),
    ],
)
def test_every_value_is_checked_with_its_range(pairs, flag, message, capsys):
    out = pairs / "run"
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", *TINY, *folders(pairs), "--out", str(out), *flag.split()])
    told = " ".join(
        (capsys.readouterr().err + str(stop.value)).replace("│", " ").replace("|", " ").split()
    )
    assert message in told and not re.search("Traceback|dummy", told)
    assert not out.exists()


def test_epochs_count_where_they_are_given(pairs):
    out = str(pairs / "run")
    cli.main(["train", *NO_STEPS, *folders(pairs), "--out", out, "--epochs", "1"])
    assert Run.read(Path(out)).config.steps is None
    pictures, batch = 3, Run.read(Path(out)).config.batch
    assert Run.read(Path(out)).history()[-1]["step"] == round(pictures / batch)


def test_a_run_whose_pictures_were_moved_goes_on(pairs):
    out = ["--out", str(pairs / "run")]
    cli.main(["train", *TINY, *folders(pairs), *out])
    for name in ("rainy", "clean"):
        (pairs / name).rename(pairs / f"new_{name}")
    fails(["train", "--resume", *out], "name its new place with --rainy or --clean")
    there = ["--rainy", str(pairs / "new_rainy"), "--clean", str(pairs / "new_clean")]
    cli.main(["train", "--resume", *out, *there])
    assert Run.read(pairs / "run").clean == pairs / "new_clean"
    (pairs / "new_clean/0.png").unlink()
    fails(["train", "--resume", *out], "added to, removed from, renamed")


def test_pictures_that_teach_nothing_are_refused(pairs):
    out = ["--out", str(pairs / "run"), "--device", "cpu"]
    shutil.copytree(pairs / "rainy", pairs / "copy")
    for other in ("rainy", "copy"):
        same = ["--rainy", str(pairs / "rainy"), "--clean", str(pairs / other)]
        fails(["train", *TINY, *same, *out], "the same pictures")
    with pytest.raises(SystemExit, match="0.png are the same file"):
        cli.main(["evaluate", *same])
    assert not (pairs / "run").exists()


def test_unwritable_outputs_are_told_before_the_work(pairs, monkeypatch):
    (pairs / "file").touch()
    inside = str(pairs / "file/inner")
    monkeypatch.setattr(ccl, "load_derainer", None)  # none of the work begins
    fails(["evaluate", *folders(pairs), "--json", inside], "cannot be written")
    fails(["evaluate", *folders(pairs), "--csv", str(pairs)], "is a folder; name a file")
    fails(["make-rain", "--clean", str(pairs / "clean"), "--out", inside], "cannot be written")
    fails(["clip-probe", *folders(pairs), "--json", str(pairs)], "is a folder; name a file")
    fails(["train", *TINY, *folders(pairs), "--out", inside], "cannot be written")
    fails(["train", *TINY, *folders(pairs), "--out", str(pairs / "rainy")], "another folder")


def test_what_is_left_out_is_told_in_a_line(pairs, capsys):
    (pairs / "clean/IMG.HEIC").touch()
    cli.main(["make-rain", "--clean", str(pairs / "clean"), "--out", str(pairs / "made")])
    assert f"cclgan-lite: {pairs / 'clean'}: 1 .heic left out\n" in capsys.readouterr().err


def test_home_is_found_behind_an_equals_sign(pairs, monkeypatch):
    monkeypatch.setenv("HOME", str(pairs))
    cli.main(["make-rain", "--clean=~/clean", "--out=~/made"])
    assert (pairs / "made/0.png").exists()


@pytest.mark.parametrize("command", ["train", "derain", "evaluate", "table", "degrade", "demo"])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert command == "demo" or f"cclgan-lite {command} " in text.split("options")[0]


def test_help_shows_the_recipes_own_values(capsys):
    for recipe, rate in (("paper", "0.0002"), ("laptop", "0.0003")):
        with pytest.raises(SystemExit):
            cli.main(["train", "--recipe", recipe, "--help"])
        text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert f"learning rate of the generators (section IV-A) (default: {rate})" in text


def test_python_dash_m():
    done = subprocess.run(
        [sys.executable, "-m", "cclgan_lite", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "degrade" in done.stdout
