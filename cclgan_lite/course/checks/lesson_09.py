"""Lesson 09: the sealed patients of its clinic, and the checks of its exercises."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from cclgan_lite.course.exercises import Wrong, both, check, expect
from cclgan_lite.recipes import recipe
from cclgan_lite.training.config import Config
from cclgan_lite.training.onset import Onset

DIAGNOSES = ("healthy", "collapse", "drift", "judges won", "judges asleep", "explosion")
FINDINGS = {
    "A": "judges asleep",
    "B": "drift",
    "C": "healthy",
    "D": "explosion",
}


# The patients


def patients() -> dict[str, Config]:
    """Four runs by letter, which go on from the shipped `demo`.

    C is healthy, each of the others differs from it by one mistake.
    """
    healthy = recipe(
        "demo",
        {
            "onset": Onset(),  # all terms are heard at once
            "augment.crop": 32,
            "method.discriminator.filters": 16,
            "method.discriminator_speed": 10.0,
            "method.lcl.patches": 32,
            "method.intra.weight": 0.0,
            "method.inter.weight": 0.0,
        },
        start="demo",
        steps=30,
        batch=3,
        ema=0.0,
        log_every=5,
        shares_every=0,
        sample_every=1000,
        precision="float32",
    )
    m = healthy.method
    alone = {name: replace(getattr(m, name), weight=0.0) for name in ("lcl", "rehearsal")}
    return {
        "A": _rates(healthy, 1, 1 / 500),
        "B": replace(healthy, method=replace(m, **alone)),
        "C": healthy,
        "D": _rates(healthy, 33, 1),
    }


def _rates(base: Config, generators: float, judges: float) -> Config:
    """`base` with its two learning rates multiplied."""
    speed = base.method.discriminator_speed * judges / generators
    method = replace(base.method, discriminator_speed=speed)
    return replace(base, lr=base.lr * generators, method=method)


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
        "A": "its judges never come down to the line of chance",
        "B": "its losses look like those of C; look at the light",
        "C": "its vital signs are steady, and its judges come down to chance as they learn",
        "D": "its spread and colour jump: the output has come loose from the input",
    }
    for letter, finding in FINDINGS.items():
        if answer[letter] != finding:
            raise Wrong(f"patient {letter}: {hints[letter]}")


NIGHTS = 20  # of each kind
ROWS = 16


def night(kind: str, seed: int) -> list[dict[str, float]]:
    """A made-up chart: begins wildly, and has now and then a bad row if it is healthy."""
    rng = np.random.default_rng((909, DIAGNOSES.index(kind), seed))
    t = np.linspace(0, 1, ROWS)
    wild = np.exp(-8 * t)
    near = rng.normal(0, 0.03, (5, ROWS))
    chart = {
        "generators": 0.3 + 0.9 * wild + near[0],
        "judges": rng.uniform(0.4, 0.52) + 0.9 * wild + near[1],
        "spread": 1.0 - rng.uniform(0, 0.7) * wild + near[2],
        "colour": np.minimum(0.97 - rng.uniform(0, 0.5) * wild + near[3] / 2, 1),
        "light": rng.uniform(-0.4, 0) + rng.uniform(-1.5, 1.5) * wild + near[4],
    }
    begin = rng.uniform(0.2, 0.6)  # when an illness breaks out
    ill = np.clip((t - begin) / 0.2, 0, 1)
    if kind == "healthy" and seed % 2:
        bad = ROWS - 1 - rng.integers(2)
        chart["spread"][bad], chart["light"][bad], chart["judges"][bad] = 0.3, -1.4, 0.1
    elif kind == "collapse":
        chart["spread"] *= 1 - ill * rng.uniform(0.7, 1)
        chart["colour"] *= 1 - ill * rng.uniform(0.5, 1)
    elif kind == "drift":
        chart["light"] += ill * rng.choice([-1, 1]) * rng.uniform(1.8, 3)
    elif kind == "judges won":
        chart["judges"] = (1 - ill) * chart["judges"] + ill * rng.uniform(0.02, 0.15)
        chart["generators"] = (1 - ill) * chart["generators"] + 0.9 * ill
    elif kind == "judges asleep":
        chart["judges"] = rng.uniform(0.85, 1.2) + near[1]
    elif kind == "explosion":
        for name in ("generators", "judges"):
            chart[name] *= 1 + ill * rng.uniform(100, 2000)
        chart["spread"] *= 1 + ill * rng.uniform(0.2, 1.4)
        chart["colour"] *= 1 - ill * rng.uniform(0.5, 1)
    columns = [[float(v) for v in chart[name]] for name in chart]
    return [
        {"step": 6 * (i + 1)} | dict(zip(chart, row, strict=True))
        for i, row in enumerate(zip(*columns, strict=True))
    ]


@check("alarm")
def check_alarm(answer):
    """Wakes somebody for ill nights and lets the healthy ones sleep."""
    woken = {
        kind: [_one_word(answer(night(kind, seed))) for seed in range(NIGHTS)]
        for kind in DIAGNOSES
    }
    false = sum(woken["healthy"])
    if false == NIGHTS:
        raise Wrong("it wakes somebody every night")
    if false > NIGHTS // 20:
        after_one = sum(woken["healthy"][1::2]) - sum(woken["healthy"][::2])
        reason = (
            "one bad row is no illness: average over some rows"
            if after_one > 0
            else "every run begins wildly: look at the last rows"
        )
        raise Wrong(f"{false} of {NIGHTS} healthy nights are disturbed; {reason}")
    where = {
        "collapse": "spread and colour fall",
        "drift": "light leaves 0, upwards or downwards",
        "judges won": "judges sink towards 0",
        "judges asleep": "judges stay far above 0.5 from the first row to the last",
        "explosion": "losses and spread rise, and colour falls",
    }
    for kind, hint in where.items():
        if (seen := sum(woken[kind])) < 0.9 * NIGHTS:
            raise Wrong(f"only {seen} of {NIGHTS} nights of {kind!r} are seen: there {hint}")


def _one_word(said) -> bool:
    if not isinstance(said, bool | np.bool_):
        raise Wrong(f"return True or False, not {said!r}")
    return bool(said)
