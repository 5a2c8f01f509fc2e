"""The family under one budget: what its methods share, what is kept of a run, what a gain is."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest
from noise import noise_folders

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import family  # noqa: E402
from family_report import gains, plot, table  # noqa: E402

from cclgan_lite.data.pairs import pair_files  # noqa: E402

ASKED = argparse.Namespace(steps=2, crop=32)
OWN_NETWORK = {"DerainCycleGAN", "NLCL", "UDGNet", "DDN"}


@pytest.fixture
def task(tmp_path) -> family.Task:
    rainy, clean = noise_folders(tmp_path, 2)
    return family.Task(rainy, clean, clean, {"noise": pair_files(rainy, clean)}, streaks=False)


def test_all_methods_share_the_budget(task):
    configs = {name: family.budget(row, task, ASKED, 1) for name, row in family.METHODS.items()}
    for name in ("augment", "steps", "batch", "lr", "betas", "decay_from", "ema", "seed"):
        assert len({getattr(config, name) for config in configs.values()}) == 1
    own = {n for n, config in configs.items() if config.method.generator != family.DERAINER}
    assert own == OWN_NETWORK
    judged = [c.method for c in configs.values() if hasattr(c.method, "discriminator")]
    assert len({(m.discriminator, m.discriminator_speed) for m in judged}) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_finished_training_is_not_repeated(task, tmp_path):
    row, out = family.METHODS["supervised"], tmp_path / "run"
    config = family.budget(row, task, ASKED, 0)
    family.work(row, task, config, out)
    first = json.loads((out / "result.json").read_text())
    assert first["tests"]["noise"]["n"] == 2 and first["memory_gib"] >= 0
    (out / "cost.json").write_text('{"cpu_seconds": -1.0, "memory_gib": 0.5}')
    family.work(row, task, config, out)  # as after a kill between training and scoring
    assert json.loads((out / "result.json").read_text()) == first | {
        "cpu_seconds": -1.0,
        "memory_gib": 0.5,
    }


def scored(*pictures: float, **cost: float) -> dict:
    return {"psnr_y": sum(pictures) / 2, "ssim_y": 0.5, "pictures": list(pictures)} | cost


def test_gains_are_of_the_same_pictures(tmp_path):
    """(1 + 3 + 2 + 4) / 4 dB over the input, though the pictures themselves are 10 dB apart."""
    cost = {"cpu_seconds": 4.0, "memory_gib": 0.25}
    test = {
        "input": {"0": scored(20, 30)},
        "one": {"0": scored(21, 33, **cost), "1": scored(22, 34, **cost)},
    }
    one, before = gains(test)
    assert one[:2] == ("one", 2) and one.mean == pytest.approx(2.5)
    assert 1 <= one.low < 2.5 < one.high <= 4 and one.cpu_seconds == 4
    assert before.mean == before.low == before.high == 0
    assert "| one | 2 | 27.50 / 0.500 | +2.50 [" in table("t", [one, before])
    plot(tmp_path / "p.png", {"t": [one, before]})
    assert (tmp_path / "p.png").stat().st_size > 1000
