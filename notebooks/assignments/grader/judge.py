"""From what an answer did to points and hints.

    TASKS = {
        "square": Task(
            points={"value": 3, "gradient": 1},
            mistakes=[("x * x", "2 * x", "that doubles")],
        ),
    }

A mistake is a change of the solution's text and the hint for whoever made it. What the solution
and each mistake do to the inputs of questions.py is observed here as in the sandbox; an answer
that does what a mistake does gets the mistake's hint.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from grader.inside import load, observe
from grader.sheet import Sheet

# Where an answer makes none of the known mistakes, its property says what to look at.
LOOK_AT = {
    "value": "the values differ on inputs that the visible check does not have",
    "gradient": "the values are right, the gradient is not: who may move, and who must not?",
    "shape": "the shape is wrong: read the docstring again",
    "dtype": "it does not keep float64: something is converted, or made as float32",
    "numerics": "it breaks with extreme inputs: what overflows, or is divided by zero?",
    "untouched": "it changes what it was given, or a global state: work on a copy",
}
NOT_DONE = "not done yet"


class Verdict(NamedTuple):
    """Points for each property, and for each one that was missed a hint."""

    points: dict[str, float]
    hints: dict[str, str]

    @property
    def score(self) -> float:
        return sum(self.points.values())


@dataclass(frozen=True)
class Task:
    """A coding task: points per property, and known mistakes as (old, new, hint)."""

    points: dict[str, float]
    mistakes: list[tuple[str, str, str]]
    hints: dict[str, str] = field(default_factory=dict)  # by property, before LOOK_AT
    tolerance: float = 1e-3

    @property
    def parts(self) -> dict[str, float]:
        return self.points

    def verdict(self, seen: dict, expected: dict, wrong: list[tuple[dict, str]]) -> Verdict:
        """`seen` against what the solution does and what each mistake does."""

        def does(mistake: dict, names) -> bool:
            return all(same(seen.get(n), mistake[n], self.tolerance) for n in names)

        crash = seen.get("", {}).get("error")
        right = {n: same(seen.get(n), expected[n], self.tolerance) for n in self.points}
        whole = next((hint for mistake, hint in wrong if does(mistake, self.points)), None)
        hints = {}
        for name in [name for name, good in right.items() if not good]:
            got = seen.get(name)
            error = crash or (got.get("error") if isinstance(got, dict) else None)
            part = next((hint for mistake, hint in wrong if does(mistake, [name])), None)
            if error:
                general = f"stopped with {error}"
            elif got is None:
                general = NOT_DONE
            else:
                general = self.hints.get(name, LOOK_AT.get(name, LOOK_AT["value"]))
            hints[name] = whole or part or general
        points = {name: worth if right[name] else 0 for name, worth in self.points.items()}
        return Verdict(points, hints)


@dataclass(frozen=True)
class Choice:
    """A dictionary of choices: a reading of a plot, or, without `right`, a prediction.

    right: {key: right choice}; hints: {key: what to look at}. A prediction earns its points by
    being made of `options`, whatever comes out.
    """

    points: float
    options: dict[str, tuple]
    right: dict[str, Any] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, float]:
        return dict.fromkeys(self.options, self.points / len(self.options))

    def verdict(self, given: dict) -> Verdict:
        points, hints = {}, {}
        for key, options in self.options.items():
            chosen = given.get(key)
            good = chosen == self.right[key] if self.right else chosen in options
            points[key] = self.parts[key] if good else 0
            if not good:
                hints[key] = (
                    self.hints.get(key, "read the plot again")
                    if chosen in options
                    else f"choose one of {', '.join(map(repr, options))}"
                )
        return Verdict(points, hints)


@lru_cache
def known(sheet: Sheet, name: str) -> tuple[dict, list[tuple[dict, str]]]:
    """What the solution of a task does, and what each of its mistakes does."""
    solution, wrong = sheet.solution(name), []
    for old, new, hint in sheet.tasks[name].mistakes:
        if old not in solution:
            raise ValueError(f"{sheet.name}: {old!r} is not in the solution of {name}")
        wrong.append((_observed(sheet, solution.replace(old, new), name), hint))
    return _observed(sheet, solution, name), wrong


def _observed(sheet: Sheet, code: str, name: str) -> dict:
    answer = load(f"{sheet.imports}\n{code}", name)
    return json.loads(json.dumps(observe(answer, getattr(sheet.questions, name))))


def judge(sheet: Sheet, name: str, seen: dict) -> Verdict:
    """The verdict on what an answer did in the sandbox; `{}` where there is no answer."""
    return sheet.tasks[name].verdict(seen, *known(sheet, name))


def same(got: Any, want: Any, tolerance: float) -> bool:
    """Equal in structure, shape and dtype, and in numbers up to rounding."""
    if isinstance(want, dict):
        return (
            isinstance(got, dict)
            and got.keys() == want.keys()
            and all(same(got[key], want[key], tolerance) for key in want)
        )
    if isinstance(want, list):
        return (
            isinstance(got, list)
            and len(got) == len(want)
            and all(map(lambda g, w: same(g, w, tolerance), got, want))
        )
    if isinstance(want, float) or isinstance(got, float):
        numbers = all(isinstance(x, int | float) for x in (got, want))
        return numbers and (
            got == want
            or math.isclose(got, want, rel_tol=tolerance, abs_tol=1e-5)
            or math.isnan(got)
            and math.isnan(want)
        )
    return type(got) is type(want) and got == want
