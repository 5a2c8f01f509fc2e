"""Training sets that are known to contain the pictures of a test set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leak:
    """Training on `train` gives away the test set `test`; `what` says how."""

    train: str
    test: str
    what: str


KNOWN_LEAKS = (
    Leak("Rain200L", "Rain100L", "its training images contain the test images of Rain100L"),
    Leak("Rain100L", "Rain200L", "its training images are the test images of Rain200L"),
    Leak(
        "Rain100H",
        "Rain100H",
        "546 of its 1,800 training images share backgrounds with its test images",
    ),
)


def known_leaks(train: str | None, test: str | None = None) -> list[Leak]:
    """The known leaks of a training set, into one test set or into any."""
    return [leak for leak in KNOWN_LEAKS if leak.train == train and test in (None, leak.test)]
