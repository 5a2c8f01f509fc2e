"""Lesson 09: the sealed patients of its clinic, and the checks of its exercises."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

from cclgan_lite.course.exercises import Wrong, both, check, expect
from cclgan_lite.data.folders import UnpairedFolders
from cclgan_lite.files import write_atomically
from cclgan_lite.inference.weights import derainer_bytes
from cclgan_lite.losses.pixel import identity
from cclgan_lite.networks import ResNetGenerator
from cclgan_lite.training.config import Config

DIAGNOSES = ("healthy", "collapse", "colour inversion", "judges won", "judges asleep")


# The patients


def patients(base: Config, folder: Path, rainy: Path, clean: Path) -> dict[str, Config]:
    """Five runs by letter: one is `base`, each of the others differs from it by one mistake.

    Writes into `folder` the weights that two of them start from.
    """
    m = base.method
    copy, negative = (
        str(write_start(folder / f"{name}.safetensors", base, rainy, clean, sign))
        for name, sign in (("copy", 1), ("negative", -1))
    )

    def rates(generators: float, judges: float, **fields) -> Config:
        """`base` with its two learning rates multiplied."""
        speed = m.discriminator_speed * judges / generators
        return replace(
            base, lr=base.lr * generators, method=replace(m, discriminator_speed=speed), **fields
        )

    return {
        "A": rates(1 / 200, 1, start=copy),
        "B": replace(base, start=negative, method=replace(m, identity=identity(0.0))),
        "C": base,
        "D": rates(50, 1),
        "E": rates(1, 1 / 400),
    }


FINDINGS = {
    "A": "judges won",
    "B": "colour inversion",
    "C": "healthy",
    "D": "collapse",
    "E": "judges asleep",
}


def write_start(
    path: Path, base: Config, rainy: Path, clean: Path, sign: int, steps: int = 120
) -> Path:
    """Weights of a derainer that returns `sign` times what it sees, as well as it can so soon."""
    torch.manual_seed(0)
    derainer = ResNetGenerator(base.method.generator)
    adam = torch.optim.Adam(derainer.parameters(), 3e-3, base.betas)
    data = UnpairedFolders(rainy, clean, base.augment, seed=5)
    for step in range(steps):
        images = torch.stack([data[4 * step + i]["rainy"] for i in range(4)])
        loss = (derainer(images) - sign * images).abs().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    write_atomically(path, lambda temporary: temporary.write_bytes(derainer_bytes(derainer)))
    return path


# The checks


@check("plan_run")
def check_plan_run(answer):
    """Steps and hours of a run."""
    pictures, epochs, batch, pace = 240, 30, 4, 2.5
    steps, hours = both(answer(pictures, epochs, batch, pace), "the steps and the hours")
    items, seconds = pictures * epochs, pictures * epochs / pace
    expect(
        steps,
        items / batch,
        {
            "steps: a step takes a whole batch of pairs": items,
            "steps: a larger batch needs fewer steps, not more": items * batch,
            "steps: that is one epoch": pictures / batch,
        },
        "steps",
        tolerance=0,
    )
    expect(
        hours,
        seconds / 3600,
        {
            "hours: those are seconds": seconds,
            "hours: those are minutes": seconds / 60,
            "hours: the pace counts pairs, not steps: divide the pairs by it": (
                seconds / batch / 3600
            ),
            "hours: the pace is in pairs per second: divide by it": items * pace / 3600,
            "hours: the pace counts pairs already, whatever the batch": seconds * batch / 3600,
        },
        "hours",
        tolerance=1e-6,
    )


@contextmanager
def _moves_of(path: Path) -> Iterator[list[str]]:
    """Notes what removes `path` or moves it away, if only for a moment."""
    seen: list[str] = []

    def noting(call: Callable) -> Callable:
        def noted(source, *args, **kwargs):
            if Path(source).absolute() == path:
                seen.append(call.__name__)
            return call(source, *args, **kwargs)

        return noted

    names = ("remove", "unlink", "rename", "replace")
    with mock.patch.multiple(os, **{name: noting(getattr(os, name)) for name in names}):
        yield seen


@check("write_safely")
def check_write_safely(answer):
    """All of the new content or all of the old, and nothing left behind."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "weights.bin"
        path.write_bytes(b"old")
        seen: list[Path] = []
        made: list[int] = []

        def write(temporary: Path) -> None:
            seen.append(Path(temporary))
            Path(temporary).write_bytes(b"ne")
            if path.read_bytes() != b"old":
                raise Wrong(
                    "while it is being written the old content is gone already: write "
                    "into a temporary file first"
                )
            Path(temporary).write_bytes(b"new")
            made.append(os.stat(temporary).st_ino)

        with _moves_of(path) as moves:
            got = answer(path, write)
        if not seen:
            raise Wrong("write(temporary) was never called")
        if not path.exists() or path.read_bytes() != b"new":
            raise Wrong(
                "afterwards the file does not hold the new content: move the temporary "
                "file to its name"
            )
        if path.resolve().parent not in seen[0].resolve().parents:
            raise Wrong(
                "the temporary file lies in another folder: os.replace is one step only "
                "within one file system, so make it a neighbour"
            )
        if os.listdir(name) != [path.name]:
            raise Wrong("a temporary file is left behind after a success")
        if moves:
            raise Wrong(
                "for a moment there is no file at all: os.replace takes the old one's "
                "place in one step, so do not remove it before"
            )
        if os.stat(path).st_ino != made[0]:
            raise Wrong(
                "the content is copied, and a copy can stop half-way: give the finished "
                "file the name, with os.replace"
            )
        if Path(got) != path:
            raise Wrong(f"it should return `path`, and returns {got}")

        def fails(target: Path, error: BaseException, begin: bool) -> None:
            def die(temporary: Path) -> None:
                if begin:
                    Path(temporary).write_bytes(b"h")
                raise error

            try:
                answer(target, die)
            except type(error):
                return
            except Exception as other:
                raise Wrong(
                    "what went wrong is hidden by another error, "
                    f"{type(other).__name__}: the temporary file need not exist yet "
                    "(missing_ok=True)"
                ) from other
            raise Wrong("the interruption is swallowed: tidy up, then let it pass on (raise)")

        for error in (KeyboardInterrupt("killed half-way"), MemoryError("too large")):
            fails(path, error, begin=True)
            if not path.exists() or path.read_bytes() != b"new":
                raise Wrong(
                    "after an interruption the old content is damaged: replace it only "
                    "when the temporary file is complete"
                )
            if os.listdir(name) != [path.name]:
                raise Wrong("after an interruption the half-written temporary file is left behind")
        fails(Path(name) / "new.bin", MemoryError("too large"), begin=False)
        if os.listdir(name) != [path.name]:
            raise Wrong("where there was no file before, a failure leaves one behind")
        answer(Path(name) / "new.bin", lambda temporary: Path(temporary).write_bytes(b"first"))


@check("findings")
def check_findings(answer):
    """The diagnosis of each patient."""
    if set(answer) != set(FINDINGS):
        raise Wrong(f"name a diagnosis for each of {', '.join(FINDINGS)}")
    if unknown := set(answer.values()) - set(DIAGNOSES):
        raise Wrong(
            f"no such diagnosis: {', '.join(map(str, unknown))}; there are {', '.join(DIAGNOSES)}"
        )
    hints = {
        "A": "its generators score near 1, its judges near 0: who has won?",
        "B": "its losses look like those of others; look at the sign of the colour curve",
        "C": "both vital signs are high and the judges are in the game",
        "D": "its spread is next to nothing: every input gets about the same answer",
        "E": "its judges never come below the line of chance",
    }
    for letter, finding in FINDINGS.items():
        if answer[letter] != finding:
            raise Wrong(f"patient {letter}: {hints[letter]}")


def _chart(rows: int = 12, **signs) -> list[dict[str, float]]:
    """Rows of a healthy chart but for `signs`: numbers, or functions of the time from 0 to 1."""
    signs = {"judges": 0.4, "generators": 0.4, "spread": 0.8, "colour": 0.9} | signs
    return [
        {name: float(s(i / (rows - 1)) if callable(s) else s) for name, s in signs.items()}
        for i in range(rows)
    ]


def _late(value: float, before: float, after: float = 0.5) -> Callable[[float], float]:
    """`before` in the first half, then `value`."""
    return lambda t: value if t > after else before


def _last(value: float, before: float) -> Callable[[float], float]:
    """`value` in the last row alone."""
    return _late(value, before, 0.99)


CHARTS: list[tuple[str, str, dict]] = [  # finding, hint, what differs from a healthy chart
    ("healthy", "a healthy run is called ill", {}),
    ("judges won", "judges near 0 have won", {"judges": 0.01, "generators": 0.98}),
    (
        "judges asleep",
        "judges that were never below 0.45 are asleep",
        {"judges": 0.52, "generators": 0.27},
    ),
    ("colour inversion", "a negative colour is an inversion", {"colour": -0.6}),
    ("collapse", "a spread near 0 is a collapse", {"spread": 0.05, "colour": 0.3}),
    (
        "healthy",
        "the start of a run is held against it: networks begin as noise; use the last third",
        {"judges": _late(0.4, 0.9), "spread": _late(0.8, 0.05), "colour": _late(0.9, -0.1)},
    ),
    (
        "collapse",
        "a run that collapses late is missed: use the mean of the last third, not of all rows",
        {"spread": _late(0.04, 0.9), "colour": _late(0.3, 0.9)},
    ),
    (
        "healthy",
        "one bad row at the end decides: use the mean of the last third",
        {"spread": _last(0.15, 0.8), "colour": _last(-0.1, 0.9), "judges": _last(0.09, 0.4)},
    ),
    (
        "collapse",
        "spread comes first: the colours of outputs that do not depend on the input mean nothing",
        {"spread": 0.05, "colour": -0.6},
    ),
    (
        "colour inversion",
        "colour comes before the judges: it is the worse illness",
        {"judges": 0.01, "generators": 0.98, "colour": -0.6},
    ),
    (
        "healthy",
        "judges at chance at the end need not be asleep, the generators may have caught up: "
        "asleep are those that were never below 0.45 in the whole run",
        {"judges": lambda t: 0.25 + 0.35 * t, "generators": 0.26},
    ),
    ("judges won", "rule 3 asks the judges alone", {"judges": 0.01}),
    ("healthy", "rule 3 asks the judges alone", {"generators": 0.98}),
    *(
        (finding, f"look at the threshold of {sign}", {sign: value})
        for sign, value, finding in (
            ("spread", 0.19, "collapse"),
            ("spread", 0.21, "healthy"),
            ("colour", -0.02, "colour inversion"),
            ("colour", 0.02, "healthy"),
            ("judges", 0.14, "judges won"),
            ("judges", 0.16, "healthy"),
            ("judges", 0.46, "judges asleep"),
            ("judges", 0.44, "healthy"),
        )
    ),
    *(
        (
            finding,
            "the last third is a third of the rows, not half of them nor a fixed number",
            {"spread": spread, "rows": rows},
        )
        for finding, rows, spread in (
            ("healthy", 12, lambda t: 0.25 if t > 0.66 else 0.0),
            ("collapse", 12, lambda t: 0.0 if t > 0.66 else 0.9),
            ("collapse", 24, lambda t: 0.0 if 0.66 < t < 0.9 else 0.5),
        )
    ),
    (
        "healthy",
        "the mean of the last third is meant, not its median or its lowest value",
        {"spread": lambda t: 0.9 if t > 0.95 else 0.05},
    ),
    (
        "collapse",
        "the rules apply in their order",
        {"judges": 0.5, "generators": 0.3, "spread": 0.05, "colour": 0.3},
    ),
]


@check("diagnose")
def check_diagnose(answer):
    """The rules of the table, applied to the last third of a chart."""
    for finding, hint, signs in CHARTS:
        got = answer(chart := _chart(**signs))
        if got not in DIAGNOSES:
            raise Wrong(f"{got!r} is none of the diagnoses: {', '.join(DIAGNOSES)}")
        if got == "judges asleep" and min(row["judges"] for row in chart) < 0.45:
            hint = (
                "judges that were below 0.45 in a single row are awake, whatever the mean: ask "
                "every row, from the first on"
            )
        if got != finding:
            raise Wrong(f"{hint} (expected {finding!r}, got {got!r})")
