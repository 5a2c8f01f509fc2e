"""Lesson 00: its exercise, its controls, and the pictures a student may choose."""

import pytest
import torch

from cclgan_lite.course.checks.lesson_00 import check_removed_light
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
