"""The loss log of the course, and predictions."""

from __future__ import annotations

import pytest

from cclgan_lite.course import compare, show_log
from cclgan_lite.course.long_run import long_run
from cclgan_lite.course.loss_log import (
    INGREDIENTS,
    gains,
    read_log,
    said,
    tiles,
)
from cclgan_lite.recipes import RECIPES


def test_interval_of_three_seeds_by_hand():
    assert said([1.0, 2.0, 3.0], "+") == "≈ +2.00 ± ≈ 2.48"  # 4.303 / sqrt(3): the SD is 1
    assert said([1.5]) == "≈ 1.50"


def test_the_log_is_complete():
    rows = read_log()["rows"]
    assert [row["ingredient"] for row in rows] == list(INGREDIENTS)
    seeds = len(rows[0]["psnr_y"])
    assert all(len(row["psnr_y"]) == seeds for row in rows)
    assert all(len(row["share"]) == len(row["seconds"]) == seeds for row in rows[1:])
    assert len({tile.shape for tile in tiles().values()}) == 1


def test_gains_are_over_the_row_before():
    rows = read_log()["rows"]
    assert gains("lcl")[0] == pytest.approx(rows[2]["psnr_y"][0] - rows[1]["psnr_y"][0])


def test_every_ingredient_is_a_loss_of_the_run():
    assert INGREDIENTS[1:] == tuple(RECIPES["four-losses"].method.terms())


def test_the_long_run_has_a_picture_for_every_mark():
    marks, tiles = long_run()
    assert len(tiles) == len(marks) + 2
    assert [mark["step"] for mark in marks] == sorted({mark["step"] for mark in marks})
    truth = tiles[-1].astype(float)
    errors = [((tile - truth) ** 2).mean() for tile in tiles[:-1]]
    assert errors[-1] < 0.5 * errors[0]  # of its end, and of the rainy picture


def test_it_shows_what_was_reached_so_far(capsys):
    show_log("adversarial")
    text = capsys.readouterr().out
    assert "\nadversarial" in text and "LCL" not in text


def test_an_unknown_ingredient_is_named():
    with pytest.raises(ValueError, match="no ingredient 'cycle'; there are nothing, adversarial"):
        show_log("cycle")


@pytest.mark.parametrize("prediction, said", [(..., "☐"), ("falls", "✗"), ("rises", "✓")])
def test_predictions_are_compared(capsys, prediction, said):
    compare(prediction, "rises")
    assert said in capsys.readouterr().out
