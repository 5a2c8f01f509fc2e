"""How much work a lesson does: the same notebook runs in every profile.

ci     seconds: the code runs and every claim holds
cpu    a laptop with two cores, minutes: each lesson says how many
gpu    one graphics card, some minutes
full   the numbers of a real run
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

import torch
from tqdm import tqdm

T = TypeVar("T")
PROFILES = ("ci", "cpu", "gpu", "full")
VARIABLE = "CCLGAN_PROFILE"


def profile() -> str:
    """The environment variable CCLGAN_PROFILE; without it gpu where there is one, else cpu.

    Raises ValueError for an unknown profile.
    """
    name = os.environ.get(VARIABLE) or ("gpu" if torch.cuda.is_available() else "cpu")
    if name not in PROFILES:
        raise ValueError(f"{VARIABLE} is {name!r}; there are {', '.join(PROFILES)}")
    return name


def pick(**values: T) -> T:
    """The value of this profile: `pick(ci=20, cpu=300, gpu=3000)`.

    A profile without a value takes that of the next smaller one. Raises ValueError where there
    is none, TypeError for a profile that does not exist.
    """
    if unknown := set(values) - set(PROFILES):
        raise TypeError(f"no profile {sorted(unknown)}; there are {', '.join(PROFILES)}")
    for name in reversed(PROFILES[: PROFILES.index(profile()) + 1]):
        if name in values:
            return values[name]
    raise ValueError(f"no value for profile {profile()}, only for {', '.join(values)}")


def progress(items: Iterable[T], what: str) -> Iterable[T]:
    """`items` under a progress bar, which profile ci leaves out."""
    return tqdm(items, desc=what, disable=profile() == "ci")
