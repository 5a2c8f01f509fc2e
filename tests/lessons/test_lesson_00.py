"""Lesson 00: its exercises and its controls."""

import numpy as np
import pytest
import torch

from cclgan_lite.course import first_controls
from cclgan_lite.course.checks.lesson_00 import check_on_streaks, check_removed_light
from lessons.lesson import answer


def test_the_solution_by_hand():
    removed_light = answer("00", "removed_light")
    rainy = torch.zeros(2, 3, 2, 2)
    rainy[1, 0] = 0.6  # one channel of three, so the mean is 0.2, or 25.5 grey levels
    torch.testing.assert_close(
        removed_light(rainy, torch.zeros_like(rainy)), torch.tensor([0.0, 25.5])
    )


@pytest.mark.parametrize(
    "old, new, word",
    [
        ("rainy - derained", "derained - rainy", "sign"),
        ("127.5", "255", "factor"),
        (" * 127.5", "", "grey levels"),
        ("(dim=(1, 2, 3))", "()", "one number per picture"),
        ("(rainy - derained)", "(rainy - derained).abs()", "absolute"),
    ],
)
def test_the_check_names_the_mistake(old, new, word):
    assert word in check_removed_light.verdict(answer("00", "removed_light", (old, new)))


@pytest.mark.parametrize(
    "old, new, word",
    [
        (
            "return removed[streak].mean() / ",
            "return 1 / removed[streak].mean() * ",
            "upside down",
        ),
        ("added > threshold", "added >= threshold", "more than 40"),
        ("added > threshold", "removed > threshold", "the rain *added*"),
        ("added > threshold", "added > 40", "the threshold is an argument"),
        ("[~streak].mean()", "[~streak].sum()", "for these maps"),
        ("removed[~streak]", "removed", "not the whole picture"),
    ],
)
def test_the_second_check_names_the_mistake(old, new, word):
    assert word in check_on_streaks.verdict(answer("00", "on_streaks", (old, new)))


def test_the_controls_are_what_they_say():
    clean = np.full((40, 50, 3), 100, np.uint8)
    rainy = clean.copy()
    rainy[:, ::5] = 160
    noisy = first_controls.with_noise(clean, rainy, seed=0)
    errors = [np.mean((x.astype(float) - clean) ** 2) for x in (rainy, noisy)]
    assert errors[1] == pytest.approx(errors[0], rel=0.1)
    assert (noisy[..., 0] == noisy[..., 2]).all()  # grey
    darker = first_controls.darkened(rainy, clean)
    assert darker.mean() == pytest.approx(clean.mean(), abs=0.5)
    assert len(np.unique(rainy.astype(int) - darker)) == 1
    assert first_controls.blurred(rainy).std() < rainy.std()
