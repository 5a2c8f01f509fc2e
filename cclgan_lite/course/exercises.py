"""Checks of exercises: visible, directly below the stub, and they name the mistake.

    @check("square")
    def check_square(answer):
        expect(answer(3), 9, {"that doubles: the square of x is x * x": 6})

In a notebook `check_square(square)` prints ☐ (not done yet), ✗ with the hint, or ✓. It never
raises, so that a notebook with open exercises runs to its end.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
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


def expect(
    got: Any,
    want: Any,
    mistakes: Mapping[str, Any] | None = None,
    otherwise: str = "",
    *,
    wrt: Mapping[str, torch.Tensor] | None = None,
    tolerance: float = 1e-4,
) -> None:
    """Raises `Wrong` where `got` is not `want`, with the hint of the first mistake that fits.

    Args:
        got, want: numbers, tensors, arrays, or dictionaries and tuples of them (see `near`).
        mistakes: {hint: what the mistake gives, a list of such values, or a test of `got`}.
        otherwise: said where none of them fits, before what was expected.
        wrt: {name: tensor}; the gradients with respect to these must be those of `want`, too.
    """
    if not near(got, want, tolerance):
        for hint, values in (mistakes or {}).items():
            for value in values if isinstance(values, list) else [values]:
                if value(got) if callable(value) else near(got, value, tolerance):
                    raise Wrong(hint)
        raise Wrong(": ".join(filter(None, [otherwise, _difference(got, want)])))
    if wrt is None:
        return
    inputs = list(wrt.values())
    for name, mine, true in zip(wrt, slopes(got, inputs), slopes(want, inputs), strict=True):
        constant = true is None or not true.any()
        if constant and mine is not None and mine.any():
            raise Wrong(f"{name}: not detached; a gradient reaches it, but it is a constant")
        if not constant and (mine is None or not mine.any()):
            raise Wrong(f"no gradient reaches {name}: something is detached that should not be")
        if not constant and not near(mine, true):
            raise Wrong(f"a part of {name}'s gradient is lost: something is detached")


def _difference(got: Any, want: Any) -> str:
    """What was expected and what was got, in a few numbers."""
    if isinstance(want, dict | tuple) or got is None:
        return f"expected {_said(want)}, got {_said(got)}"
    a, b = (torch.as_tensor(x).detach() for x in (got, want))
    if b.numel() == 1 != a.numel():
        return f"one number is wanted; yours has the shape {list(a.shape)}"
    if b.numel() > 1 and a.shape != b.shape:
        return f"the shape should be {list(b.shape)}, yours is {list(a.shape)}"
    if b.numel() > 8:
        return f"off by up to {(a - b).abs().max():.3g}"
    return f"expected {_said(want)}, got {_said(got)}"


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_said(part)}" for key, part in value.items()) + "}"
    if isinstance(value, torch.Tensor | np.ndarray):
        return str(np.round(np.asarray(torch.as_tensor(value).detach()), 4).tolist())
    if isinstance(value, tuple | list):
        return "(" + ", ".join(map(_said, value)) + ")"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def overflows(got: Any) -> bool:
    """A mistake for `expect`: infinities or NaN."""
    return not torch.isfinite(torch.as_tensor(got)).all()


def both(got: Any, names: str) -> Any:
    """Two results. Raises Wrong where it is something else."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong(f"return both {names}")
    return got


def near(got: Any, want: Any, tolerance: float = 1e-4) -> bool:
    """Equal in shape and up to rounding, whatever the precision; exactly with tolerance 0.

    One number is one number, be it a float, a tensor [] or a tensor [1]. None is near nothing.
    Dictionaries and tuples are compared part by part.
    """
    if isinstance(want, dict):
        return (
            isinstance(got, dict)
            and got.keys() == want.keys()
            and all(near(got[key], want[key], tolerance) for key in want)
        )
    if isinstance(want, tuple):
        return (
            isinstance(got, tuple | list)
            and len(got) == len(want)
            and all(near(a, b, tolerance) for a, b in zip(got, want, strict=True))
        )
    if got is None or want is None:
        return False
    a, b = (torch.as_tensor(x).detach().cpu().double() for x in (got, want))
    if a.numel() == b.numel() == 1:
        a, b = a.reshape(()), b.reshape(())
    return a.shape == b.shape and torch.allclose(a, b, min(tolerance, 1e-4), tolerance)


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
