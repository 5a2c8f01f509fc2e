"""Configurations to JSON and back, by cattrs.

A field typed as a base class (a method, a generator) is written with the name of its class in
`kind`, and read back as that class: a tagged union of whatever subclasses have been imported, so
that a new method needs no entry anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any, TypeVar

import cattrs
from cattrs.strategies import configure_tagged_union, include_subclasses

from cclgan_lite.methods import Method
from cclgan_lite.networks import NetworkConfig

T = TypeVar("T")


def to_plain(value: Any, declared: type) -> Any:
    """`value`, of class `declared` or below, as dictionaries, lists and numbers."""
    return _converter().unstructure(value, unstructure_as=declared)


def from_plain(plain: Any, declared: type[T]) -> T:
    """The inverse. Raises ValueError that says what is wrong, also for fields nobody knows."""
    try:
        return _converter().structure(plain, declared)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(cattrs.transform_error(error))) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def differences(one: Any, other: Any, declared: type) -> dict[str, tuple]:
    """Where two values differ: dotted names of fields, each with both values."""
    flat = [dict(_leaves(to_plain(value, declared))) for value in (one, other)]
    names = dict.fromkeys([*flat[0], *flat[1]])
    both = {name: tuple(part.get(name) for part in flat) for name in names}
    return {name: values for name, values in both.items() if values[0] != values[1]}


def _leaves(plain: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(plain, dict):
        yield name, plain
        return
    for key, value in plain.items():
        yield from _leaves(value, f"{name}.{key}" if name else key)


def _converter() -> cattrs.Converter:
    return _converter_of(frozenset(_family(NetworkConfig) | _family(Method)))


@lru_cache(maxsize=1)  # a second or two to make; new subclasses ask for another
def _converter_of(classes: frozenset[type]) -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    tagged = partial(configure_tagged_union, tag_name="kind")
    for base in (NetworkConfig, Method):
        include_subclasses(base, converter, union_strategy=tagged)
    return converter


def _family(base: type) -> set[type]:
    return {base}.union(*map(_family, base.__subclasses__()))
