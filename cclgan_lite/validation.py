"""Ranges of the fields of a dataclass, told once, beside the fields:

def __post_init__(self):
    check(self, weight=at_least(0), temperature=above(0), patches=at_least(2))
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints


class Range(NamedTuple):
    words: str
    holds: Callable[[Any], bool]


def at_least(low: float) -> Range:
    return Range(f"at least {low}", lambda value: low <= value < inf)


def above(low: float) -> Range:
    return Range(f"above {low}", lambda value: low < value < inf)


def within(low: float, high: float) -> Range:
    return Range(f"in [{low}, {high}]", lambda value: low <= value <= high)


def below(low: float, high: float) -> Range:
    return Range(f"in [{low}, {high})", lambda value: low <= value < high)


def each(inner: Range) -> Range:
    """Of every value of a tuple."""
    return Range(inner.words, lambda values: all(map(inner.holds, values)))


def increasing(inner: Range) -> Range:
    """Of two values in order."""
    return Range(
        f"two numbers {inner.words} in order",
        lambda pair: len(pair) == 2 and each(inner).holds(pair) and pair[0] <= pair[1],
    )


def check(owner: Any, **ranges: Range) -> None:
    """Raise ValueError that names the field, what it must be and what it is.

    Fields that are None are left out. Those declared as a `Literal` need no range.
    """
    for name, hint in get_type_hints(type(owner)).items():
        if get_origin(hint) is Literal and (value := getattr(owner, name)) not in get_args(hint):
            known = get_args(hint)
            raise ValueError(
                f"{name} must be one of {', '.join(known)}, not {value!r}{near(value, known)}"
            )
    for name, (words, holds) in ranges.items():
        value = getattr(owner, name)
        try:
            right = value is None or holds(value)
        except TypeError:
            right = False
        if not right:
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else repr(value)
            raise ValueError(f"{name} must be {words}, not {shown}")


def near(name: Any, known: Iterable[str]) -> str:
    """The nearest right name, for the end of a message."""
    found = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" (did you mean {found[0]!r}?)" if found else ""
