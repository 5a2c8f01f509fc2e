"""Benchmarks that train: every row of their tables is a method that can be built."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def path(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_rows_of_the_ablations():
    import ablations

    asked = Namespace(out=Path("runs"), crop=80, steps=500)
    for row in ablations.ROWS:
        config = ablations.budget(row, asked, seed=0)
        assert config.method.generator.build() and config.method.terms()
        assert bool(config.start) == (row in ("rain100l", "cclgan-plus"))
    without = ablations.method_of("ablation-c-no-intra").terms()
    assert {"adversarial", "lcl", "inter"} <= set(without) and "intra" not in without


def test_rows_of_the_four_losses():
    import four_losses

    for row, losses in four_losses.ROWS.items():
        config = four_losses.config_of(row, 0, None, [0.1, 0.05])
        assert set(config.method.terms()) == set(losses) == set(config.onset.terms)
    assert config.method.inter.weight == 0.05


def test_rows_on_veil():
    import veil_losses

    terms = {
        name: set(veil_losses.method_of(of).terms()) for name, of in veil_losses.rows().items()
    }
    assert terms["rehearsal"] == {"rehearsal"}
    assert terms["full"] - terms["no-lcl"] == {"lcl"}
    assert terms["inter-fake"] == terms["no-intra"]


def test_runs_of_other_settings_do_not_mix(tmp_path):
    import trial

    trial.settle(tmp_path, steps=5, contrasts=(0.1, 0.05))
    trial.settle(tmp_path, steps=5, contrasts=(0.1, 0.05))
    with pytest.raises(SystemExit, match="choose another folder"):
        trial.settle(tmp_path, steps=6, contrasts=(0.1, 0.05))
