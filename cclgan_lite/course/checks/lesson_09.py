"""Lesson 09: the sealed patients of its clinic, and the checks of its exercises."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

from cclgan_lite.course import Wrong, check
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
    steps, hours = answer(pictures, epochs, batch, pace)
    items = pictures * epochs
    if steps != items / batch:
        mistakes = {
            items: "steps: a step takes a whole batch of pairs",
            items * batch: "steps: a larger batch needs fewer steps, not more",
            pictures / batch: "steps: that is one epoch",
        }
        for value, hint in mistakes.items():
            if steps == value:
                raise Wrong(hint)
        raise Wrong(f"steps: expected {items // batch}, got {steps}")
    seconds = items / pace
    mistakes = {
        seconds: "hours: those are seconds",
        seconds / 60: "hours: those are minutes",
        items
        / batch
        / pace
        / 3600: "hours: the pace counts pairs, not steps: divide the pairs by it",
        items * pace / 3600: "hours: the pace is in pairs per second: divide by it",
        seconds * batch / 3600: "hours: the pace counts pairs already, whatever the batch",
    }
    if not math.isclose(hours, seconds / 3600, rel_tol=1e-6):
        for value, hint in mistakes.items():
            if math.isclose(hours, value, rel_tol=1e-6):
                raise Wrong(hint)
        raise Wrong(f"hours: expected {seconds / 3600:.4f}, got {hours}")


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


def _chart(judges, generators, spread, colour, rows: int = 12) -> list[dict[str, float]]:
    """Rows of a chart; each argument is a number or a function of the time from 0 to 1."""
    signs = {"judges": judges, "generators": generators, "spread": spread, "colour": colour}
    return [
        {name: float(s(i / (rows - 1)) if callable(s) else s) for name, s in signs.items()}
        for i in range(rows)
    ]


def _late(value: float, before: float):
    """`before` in the first half, then `value`."""
    return lambda t: value if t > 0.5 else before


@check("diagnose")
def check_diagnose(answer):
    """The rules of the table, applied to the last third of a chart."""

    def expect(chart, finding: str, hint: str) -> None:
        got = answer(chart)
        if got not in DIAGNOSES:
            raise Wrong(f"{got!r} is none of the diagnoses: {', '.join(DIAGNOSES)}")
        if got == "judges asleep" and min(row["judges"] for row in chart) < 0.45:
            raise Wrong(
                "judges that were below 0.45 in a single row are awake, whatever the "
                f"mean: ask every row, from the first on (expected {finding!r})"
            )
        if got != finding:
            raise Wrong(f"{hint} (expected {finding!r}, got {got!r})")

    expect(_chart(0.4, 0.4, 0.8, 0.9), "healthy", "a healthy run is called ill")
    expect(_chart(0.01, 0.98, 0.8, 0.9), "judges won", "judges near 0 have won")
    expect(
        _chart(0.52, 0.27, 0.8, 0.9),
        "judges asleep",
        "judges that were never below 0.45 are asleep",
    )
    expect(_chart(0.4, 0.4, 0.8, -0.6), "colour inversion", "a negative colour is an inversion")
    expect(_chart(0.4, 0.4, 0.05, 0.3), "collapse", "a spread near 0 is a collapse")
    expect(
        _chart(_late(0.4, 0.9), 0.4, _late(0.8, 0.05), _late(0.9, -0.1)),
        "healthy",
        "the start of a run is held against it: networks begin as noise; use the last third",
    )
    expect(
        _chart(0.4, 0.4, _late(0.04, 0.9), _late(0.3, 0.9)),
        "collapse",
        "a run that collapses late is missed: use the mean of the last third, not of all rows",
    )
    spike = _chart(0.4, 0.4, 0.8, 0.9)
    spike[-1] |= {"spread": 0.15, "colour": -0.1, "judges": 0.09}
    expect(spike, "healthy", "one bad row at the end decides: use the mean of the last third")
    expect(
        _chart(0.4, 0.4, 0.05, -0.6),
        "collapse",
        "spread comes first: the colours of outputs that do not depend on the input mean nothing",
    )
    expect(
        _chart(0.01, 0.98, 0.8, -0.6),
        "colour inversion",
        "colour comes before the judges: it is the worse illness",
    )
    expect(
        _chart(lambda t: 0.25 + 0.35 * t, 0.26, 0.8, 0.9),
        "healthy",
        "judges at chance at the end need not be asleep, the generators may have caught up: "
        "asleep are those that were never below 0.45 in the whole run",
    )
    expect(_chart(0.01, 0.4, 0.8, 0.9), "judges won", "rule 3 asks the judges alone")
    expect(_chart(0.4, 0.98, 0.8, 0.9), "healthy", "rule 3 asks the judges alone")
    near = [
        ({"spread": 0.19}, "collapse"),
        ({"spread": 0.21}, "healthy"),
        ({"colour": -0.02}, "colour inversion"),
        ({"colour": 0.02}, "healthy"),
        ({"judges": 0.14}, "judges won"),
        ({"judges": 0.16}, "healthy"),
        ({"judges": 0.46}, "judges asleep"),
        ({"judges": 0.44}, "healthy"),
    ]
    for change, finding in near:
        signs = {"judges": 0.4, "generators": 0.4, "spread": 0.8, "colour": 0.9} | change
        expect(_chart(**signs), finding, f"look at the threshold of {next(iter(change))}")
    expect(
        _chart(0.4, 0.4, lambda t: 0.25 if t > 0.66 else 0.0, 0.9),
        "healthy",
        "the last third is a third of the rows, not half of them nor a fixed number",
    )
    expect(
        _chart(0.4, 0.4, lambda t: 0.0 if t > 0.66 else 0.9, 0.9),
        "collapse",
        "the last third is a third of the rows, not half of them nor a fixed number",
    )
    expect(
        _chart(0.4, 0.4, lambda t: 0.0 if 0.66 < t < 0.9 else 0.5, 0.9, rows=24),
        "collapse",
        "the last third is a third of the rows, not half of them nor a fixed number",
    )
    expect(
        _chart(0.4, 0.4, lambda t: 0.9 if t > 0.95 else 0.05, 0.9),
        "healthy",
        "the mean of the last third is meant, not its median or its lowest value",
    )
    expect(_chart(0.5, 0.3, 0.05, 0.3), "collapse", "the rules apply in their order")
