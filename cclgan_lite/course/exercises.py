"""Checks of exercises: visible, directly below the stub, and they name the mistake.

    @check("square")
    def check_square(answer):
        if answer(3) == 6:
            raise Wrong("that doubles: the square of x is x * x")
        if answer(3) != 9:
            raise Wrong("square(3) should be 9")

In a notebook `check_square(square)` prints ☐ (not done yet), ✗ with the hint, or ✓. It never
raises, so that a notebook with open exercises runs to its end.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

NOT_DONE = "not done yet"


class Wrong(Exception):
    """An answer is wrong; the text is the hint for the student."""


class NotDone(Exception):
    """A stub was called."""


class Check:
    """A check that prints its verdict; `verdict` returns it instead."""

    def __init__(self, name: str, test: Callable[[Any], None]):
        self.name, self.test = name, test
        self.__doc__ = test.__doc__

    def verdict(self, answer: Any) -> str:
        """The hint; "" where the answer is right; "not done yet" for a stub."""
        if answer is None or answer is ...:
            return NOT_DONE
        if callable(answer):
            answer = _watched(answer)
        try:
            self.test(answer)
        except (NotDone, NotImplementedError):
            return NOT_DONE
        except Wrong as wrong:
            return str(wrong)
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[-1]
            return f"stopped with {type(error).__name__}: {error} (in {line.name})"
        return ""

    def __call__(self, answer: Any) -> None:
        hint = self.verdict(answer)
        if hint == NOT_DONE:
            print(f"☐ {self.name}: {NOT_DONE}")
        elif hint:
            print(f"✗ {self.name}: {hint}")
        else:
            print(f"✓ {self.name}: right")


def check(name: str) -> Callable[[Callable[[Any], None]], Check]:
    """Decorator: a function that raises `Wrong` becomes a `Check` called `name`."""
    return lambda test: Check(name, test)


def _watched(answer: Callable) -> Callable:
    """The student's function; a stub, which returns nothing, counts as not done."""

    def call(*args, **kwargs):
        result = answer(*args, **kwargs)
        if result is None or result is ...:
            raise NotDone
        return result

    return call if not isinstance(answer, type) else answer
