"""Lesson 09: its plan is the trainer's, its patients are ill in one way, its checks name mistakes.

The lesson's experiments on interruptions use the package alone; tests/test_run.py has them too.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cclgan_lite.course.checks import lesson_09
from cclgan_lite.course.checks.lesson_09 import (
    check_alarm,
    check_findings,
    check_plan_run,
    check_write_safely,
    patients,
)
from cclgan_lite.course.watch import fork, sitting, vital_signs
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
    "alarm": check_alarm,
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


def test_each_patient_has_one_mistake():
    ward = patients()
    assert set(ward) == set(lesson_09.FINDINGS)
    assert set(lesson_09.FINDINGS.values()) < set(lesson_09.DIAGNOSES)
    well = ward["C"]
    assert well.start == "demo"

    def rates(name):
        config = ward[name]
        return config.lr / well.lr, config.method.discriminator_speed * config.lr / well.lr

    assert rates("C") == rates("B") == pytest.approx((1, 10))
    assert rates("D") == pytest.approx((33, 10))
    assert rates("A") == pytest.approx((1, 10 / 500))
    assert set(ward["B"].method.terms()) == {"adversarial"}
    assert {"adversarial", "lcl", "rehearsal"} == set(well.method.terms())


def test_a_fork_goes_on_from_its_step(folders, tmp_path):
    (tmp_path / "train").mkdir()
    for folder in folders:
        folder.rename(tmp_path / "train" / folder.name)
    seen = []

    def visit(trainer):
        seen.append(trainer.step)
        if trainer.step == 2 and not (tmp_path / "fork").exists():
            fork(trainer, tmp_path / "run", tmp_path / "fork", SMALL)

    run = sitting(tmp_path / "run", SMALL, tmp_path, visit)
    forked = sitting(tmp_path / "fork", SMALL, tmp_path, visit)
    assert seen == [0, 1, 2, 3, 4, 5, 2, 3, 4, 5]
    for name, weights in load_derainer(run).state_dict().items():
        torch.testing.assert_close(load_derainer(forked).state_dict()[name], weights)


def test_vital_signs_of_toys():
    rainy = torch.rand(4, 3, 32, 32) * 1.6 - 0.8
    rainy[:, :, :16] *= torch.tensor([0.2, 0.5, 1.0, 0.1]).view(4, 1, 1, 1)
    same = vital_signs(lambda x: x, rainy)
    assert same == pytest.approx({"spread": 1, "colour": 1, "light": 0}, abs=1e-4)
    assert vital_signs(lambda x: -x, rainy)["colour"] == pytest.approx(-1, abs=1e-4)
    flat = vital_signs(lambda x: 0 * x + 0.3, rainy)
    assert (flat["spread"], flat["colour"]) == pytest.approx((0, 0), abs=1e-3)
    darker = vital_signs(lambda x: x - 20 / 127.5, rainy * 0.5)
    assert darker["light"] == pytest.approx(-2, abs=1e-3)


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
        ("findings", '"A": "judges asleep"', '"A": "judges won"', "line of chance"),
        ("findings", '"drift"', '"healthy"', "look at the light"),
        ("findings", '"C": "healthy"', '"C": "judges asleep"', "down to chance"),
        ("findings", '"explosion"', '"drift"', "come loose"),
        ("findings", '"explosion"', '"collapse"', "come loose"),
        ("findings", '"judges asleep"', '"asleep"', "no such diagnosis"),
        ("findings", '"A": "judges asleep", ', "", "for each of"),
        ("alarm", "for row in rows[-4:]) / 4", "for row in rows[-1:])", "one bad row"),
        ("alarm", "for row in rows[-4:]) / 4", "for row in rows) / len(rows)", "are seen"),
        ("alarm", 'late("spread") < 0.6 or late("colour") < 0.7', "False", "'collapse'"),
        ("alarm", ' or late("colour") < 0.7', "", "'explosion'"),
        ("alarm", 'abs(late("light"))', 'late("light")', "'drift'"),
        ("alarm", 'late("judges") < 0.25', "False", "'judges won'"),
        ("alarm", 'min(row["judges"] for row in rows) > 0.7', "False", "'judges asleep'"),
        ("alarm", "min(row", "max(row", "every night"),
        ("alarm", 'late("spread") < 0.6', 'late("spread") < 9', "every night"),
        ("alarm", "return (", 'return "ill" and 1 * (', "True or False"),
    ],
)
def test_wrong_answers_get_a_hint(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("09", name, (old, new)))
