"""Lesson 09: its plan is the trainer's, its patients are ill in one way, its checks name mistakes.

The lesson's experiments on interruptions use the package alone; tests/test_run.py has them too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from cclgan_lite.course.checks import lesson_09
from cclgan_lite.course.checks.lesson_09 import (
    check_diagnose,
    check_findings,
    check_plan_run,
    check_write_safely,
    patients,
    write_start,
)
from cclgan_lite.data.folders import Augment, UnpairedFolders
from cclgan_lite.inference.weights import load_derainer
from cclgan_lite.losses import LCL, InterCCL, IntraCCL
from cclgan_lite.losses.pixel import identity
from cclgan_lite.methods import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import Trainer
from lessons.lesson import answer, built

CHECKS = {
    "plan_run": check_plan_run,
    "write_safely": check_write_safely,
    "findings": check_findings,
    "diagnose": check_diagnose,
}
SMALL = Config(
    method=CCLGAN(
        generator=GeneratorConfig(filters=4, blocks=1, norm="none"),
        discriminator=DiscriminatorConfig(filters=4),
        discriminator_speed=3.0,
        projection=8,
        lcl=LCL(patches=4),
        intra=IntraCCL(weight=0.0),
        inter=InterCCL(weight=0.0),
        identity=identity(10.0),
    ),
    augment=Augment(resize=None, crop=24),
    steps=6,
    lr=1e-3,
    ema=0.6,
    decay_from=0.3,
)


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("rainy", "clean"):
        (tmp_path / name).mkdir()
        for i in range(5):
            smooth = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
            smooth.resize((28, 28), Image.Resampling.BICUBIC).save(tmp_path / name / f"{i}.png")
    return tmp_path / "rainy", tmp_path / "clean"


def test_rate_and_average_are_the_trainers():
    lesson = built("09")
    trainer = Trainer(SMALL, 6, torch.device("cpu"))
    slow = trainer.averaged.stem.weight.clone()
    for step in range(6):
        trainer.train_step({n: torch.rand(1, 3, 24, 24) * 2 - 1 for n in ("rainy", "clean")})
        for name, first in (("generators", 1e-3), ("discriminators", 3e-3)):
            (group,) = trainer.optimizers[name].param_groups
            assert group["lr"] == pytest.approx(lesson["rate"](step, 6, first, 0.3))
        fast = trainer.networks["derainer"].stem.weight.detach()
        slow = lesson["averaged"](slow, fast, step + 1, 0.6)
        torch.testing.assert_close(slow, trainer.averaged.stem.weight)


def test_order_of_pictures_is_the_data_sets(folders):
    data = UnpairedFolders(*folders, SMALL.augment, seed=3)
    for k in range(15):
        mine = built("09")["rainy_picture"](k, 3, 5)
        assert data.files["rainy"][mine] == data.choose(k)[0]["rainy"]


def test_each_patient_has_one_mistake(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(lesson_09, "write_start", lambda path, *_: path)
    ward = patients(SMALL, tmp_path, *folders)
    assert set(ward) == set(lesson_09.FINDINGS)
    assert set(lesson_09.FINDINGS.values()) == set(lesson_09.DIAGNOSES)
    assert ward["C"] == SMALL

    def rates(name):
        return ward[name].lr, ward[name].lr * ward[name].method.discriminator_speed

    assert rates("A") == pytest.approx((5e-6, 3e-3))
    assert rates("D") == pytest.approx((5e-2, 3e-3))
    assert rates("E") == pytest.approx((1e-3, 7.5e-6))
    assert ward["B"] == replace(
        SMALL,
        start=str(tmp_path / "negative.safetensors"),
        method=replace(SMALL.method, identity=identity(0.0)),
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_a_start_copies_or_negates(folders, tmp_path, sign):
    path = write_start(tmp_path / "start.safetensors", SMALL, *folders, sign, steps=60)
    data = UnpairedFolders(*folders, SMALL.augment)
    images = torch.stack([data[k]["rainy"] for k in range(5)])
    made = load_derainer(path)(images)
    assert sign * torch.corrcoef(torch.stack([images.flatten(), made.flatten()]))[0, 1] > 0.4


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("plan_run", "pairs / batch,", "pairs,", "whole batch"),
        ("plan_run", "pairs / batch,", "pairs * batch,", "fewer steps"),
        ("plan_run", "pairs / batch,", "pictures / batch,", "one epoch"),
        ("plan_run", " / 3600", "", "seconds"),
        ("plan_run", " / 3600", " / 60", "minutes"),
        ("plan_run", "pairs / pace", "pairs / batch / pace", "counts pairs, not steps"),
        ("plan_run", "pairs / pace", "pairs * pace", "divide by it"),
        (
            "write_safely",
            '    temporary = path.with_name(f".{path.name}.tmp")',
            "    temporary = path",
            "old content is gone",
        ),
        (
            "write_safely",
            'path.with_name(f".{path.name}.tmp")',
            "__import__('pathlib').Path(__import__('tempfile').mkdtemp()) / 'x'",
            "another folder",
        ),
        ("write_safely", "except BaseException:", "except Exception:", "left behind"),
        ("write_safely", "        temporary.unlink(missing_ok=True)\n", "", "left behind"),
        ("write_safely", "        raise\n", "", "swallowed"),
        ("write_safely", "        os.replace(temporary, path)\n", "", "does not hold"),
        (
            "write_safely",
            "os.replace(temporary, path)",
            "path.write_bytes(temporary.read_bytes())",
            "after a success",
        ),
        (
            "write_safely",
            "        raise\n",
            "        os.path.exists(path) and path.unlink()\n        raise\n",
            "damaged",
        ),
        ("findings", '"A": "judges won"', '"A": "judges asleep"', "who has won"),
        ("findings", '"colour inversion"', '"healthy"', "sign of the colour"),
        ("findings", '"C": "healthy"', '"C": "judges won"', "in the game"),
        ("findings", '"collapse"', '"colour inversion"', "next to nothing"),
        ("findings", '"judges asleep"', '"judges won"', "line of chance"),
        ("findings", '"judges asleep"', '"asleep"', "no such diagnosis"),
        ("findings", '"A": "judges won", ', "", "for each of"),
        ("diagnose", "rows[-(len(rows) // 3):]", "rows", "not of all rows"),
        ("diagnose", "rows[-(len(rows) // 3):]", "rows[-1:]", "one bad row"),
        ("diagnose", "rows[-(len(rows) // 3):]", "rows[:len(rows) // 3]", "held against it"),
        (
            "diagnose",
            '    if late("spread") < 0.2:\n        return "collapse"\n'
            '    if late("colour") < 0:\n        return "colour inversion"\n',
            '    if late("colour") < 0:\n        return "colour inversion"\n'
            '    if late("spread") < 0.2:\n        return "collapse"\n',
            "spread comes first",
        ),
        (
            "diagnose",
            'if min(row["judges"] for row in rows) >= 0.45:',
            'if late("judges") >= 0.45:',
            "every row",
        ),
        ("diagnose", 'late("judges") < 0.15', 'late("judges") > 0.15', "healthy run is called"),
        ("diagnose", 'late("colour") < 0:', 'late("colour") < -1:', "negative colour"),
        ("diagnose", '"collapse"', '"mode collapse"', "none of the diagnoses"),
    ],
)
def test_wrong_answers_get_a_hint(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("09", name, (old, new)))


def test_judges_before_colours_is_named():
    wrong = answer(
        "09",
        "diagnose",
        (
            '    if late("spread")',
            '    if late("judges") < 0.15:\n        return "judges won"\n    if late("spread")',
        ),
    )
    assert "colour comes before" in check_diagnose.verdict(wrong)
