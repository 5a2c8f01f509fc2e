"""Every stored lesson passes the guard; its exercises start open and their solutions pass."""

from __future__ import annotations

import importlib
import re

import pytest

from cclgan_lite.course.exercises import NOT_DONE
from lessons.lesson import answer, lessons, notebook, stub

PATHS = lessons.lessons()
NUMBERS = [path.name[:2] for path in PATHS]


def exercises():
    """(lesson, check, name of the answer) of every exercise."""
    for number in NUMBERS:
        for cell in lessons.code_cells(notebook(number)):
            for check, name in re.findall(r"^(check_\w+)\((\w+)\)", cell.source, re.MULTILINE):
                yield number, check, name


@pytest.mark.parametrize("path", PATHS, ids=NUMBERS)
def test_stored_as_the_tool_stores_it(path):
    assert lessons.problems(path) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_lines_of_code_fit_a_laptop(number):
    cells = lessons.code_cells(notebook(number))
    lines = [line for cell in cells for line in cell.source.splitlines()]
    assert max(map(len, lines)) <= 88
    assert max(len(cell.source.splitlines()) for cell in cells) <= 60


@pytest.mark.parametrize("number, check, name", list(exercises()))
def test_exercise_starts_open_and_its_solution_passes(number, check, name):
    checks = importlib.import_module(f"cclgan_lite.course.checks.lesson_{number}")
    assert getattr(checks, check).verdict(stub(number, name)) == NOT_DONE
    assert getattr(checks, check).verdict(answer(number, name)) == ""


def test_every_exercise_has_a_check():
    for number in NUMBERS:
        stubs = lessons.tagged(notebook(number), "exercise")
        assert len(stubs) <= sum(lesson == number for lesson, *_ in exercises())
