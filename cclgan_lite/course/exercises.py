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

import numpy as np
import torch

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
        except NotDone:
            return NOT_DONE
        except Wrong as wrong:
            return str(wrong)
        except Exception as error:
            if isinstance(error, NotImplementedError) and not str(error):  # PyTorch's say more
                return NOT_DONE
            return _stopped(error)
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


def near(got: Any, want: Any, tolerance: float = 1e-4) -> bool:
    """Equal up to rounding and in shape, whatever the precision.

    One number is one number, be it a float, a tensor [] or a tensor [1]. None is near nothing.
    """
    if got is None:
        return False
    a, b = (torch.as_tensor(x).detach().cpu().double() for x in (got, want))
    if a.numel() == b.numel() == 1:
        a, b = a.reshape(()), b.reshape(())
    return a.shape == b.shape and torch.allclose(a, b, atol=tolerance, rtol=1e-4)


def number(got: Any) -> float:
    """The answer as a float. Raises Wrong where it is not one number."""
    got = torch.as_tensor(got)
    if got.numel() != 1:
        raise Wrong(f"one number is wanted; yours has the shape {list(got.shape)}")
    return float(got)


def slopes(loss: Any, inputs: list[torch.Tensor]) -> list[torch.Tensor | None]:
    """The gradients of an answer, None where it has none."""
    if not (torch.is_tensor(loss) and loss.requires_grad):
        return [None] * len(inputs)
    return list(torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True))


def _watched(answer: Callable) -> Callable:
    """The student's function, which must return something and leave its arguments as they are.

    A stub, which does nothing at all, counts as not done.
    """
    code = getattr(answer, "__code__", None)
    stub = code is None or len(code.co_code) <= len((lambda: None).__code__.co_code)

    def call(*args, **kwargs):
        before = [_copy(argument) for argument in args]
        result = answer(*args, **kwargs)
        if result is ... or result is None and stub:
            raise NotDone
        if any(map(_changed, before, args)):
            raise Wrong("it changes what it was given: work on a copy")
        if result is None:
            raise Wrong("it returns nothing: is `return` missing?")
        return result

    return call if not isinstance(answer, type) else answer


def _copy(argument: Any) -> Any:
    if isinstance(argument, torch.Tensor):
        return argument.detach().clone()
    return argument.copy() if isinstance(argument, np.ndarray | list) else argument


def _changed(before: Any, after: Any) -> bool:
    if isinstance(after, torch.Tensor):
        return not torch.equal(before, after)
    if isinstance(after, np.ndarray):
        return not np.array_equal(before, after)
    if isinstance(after, list):
        return [*map(id, before)] != [*map(id, after)]
    return False


def _stopped(error: Exception) -> str:
    """What stopped an answer, and the last line of it that ran."""
    frames = traceback.extract_tb(error.__traceback__)
    called = [i for i, f in enumerate(frames) if (f.filename, f.name) == (__file__, "call")]
    line = frames[called[0] + 1] if called and called[0] + 1 < len(frames) else frames[-1]
    theirs = [f for f in frames if f.filename == line.filename][-1]
    return (
        f"stopped with {type(error).__name__}: {error} (in {theirs.name}, "
        f"line {theirs.lineno}: {theirs.line})"
    )
