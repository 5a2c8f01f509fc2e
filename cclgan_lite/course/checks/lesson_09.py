"""Lesson 09: the sealed patients of its clinic, and the checks of its exercises."""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path

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
        return replace(base, lr=base.lr * generators,
                       method=replace(m, discriminator_speed=speed), **fields)

    return {
        "A": rates(1 / 200, 1, start=copy),
        "B": replace(base, start=negative, method=replace(m, identity=identity(0.0))),
        "C": base,
        "D": rates(50, 1),
        "E": rates(1, 1 / 400),
    }


FINDINGS = {"A": "judges won", "B": "colour inversion", "C": "healthy", "D": "collapse",
            "E": "judges asleep"}


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
        items / batch / pace / 3600:
            "hours: the pace counts pairs, not steps: divide the pairs by it",
        items * pace / 3600: "hours: the pace is in pairs per second: divide by it",
        seconds * batch / 3600: "hours: the pace counts pairs already, whatever the batch",
    }
    if not math.isclose(hours, seconds / 3600, rel_tol=1e-6):
        for value, hint in mistakes.items():
            if math.isclose(hours, value, rel_tol=1e-6):
                raise Wrong(hint)
        raise Wrong(f"hours: expected {seconds / 3600:.4f}, got {hours}")


@check("write_safely")
def check_write_safely(answer):
    """All of the new content or all of the old, and nothing left behind."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "weights.bin"
        path.write_bytes(b"old")
        seen: list[Path] = []

        def write(temporary: Path) -> None:
            seen.append(Path(temporary))
            Path(temporary).write_bytes(b"ne")
            if path.read_bytes() != b"old":
                raise Wrong("while it is being written the old content is gone already: write "
                            "into a temporary file first")
            Path(temporary).write_bytes(b"new")

        answer(path, write)
        if not seen:
            raise Wrong("write(temporary) was never called")
        if not path.exists() or path.read_bytes() != b"new":
            raise Wrong("afterwards the file does not hold the new content: move the temporary "
                        "file to its name")
        if seen[0].resolve().parent != path.resolve().parent:
            raise Wrong("the temporary file lies in another folder: os.replace is one step only "
                        "within one file system, so make it a neighbour")
        if os.listdir(name) != [path.name]:
            raise Wrong("a temporary file is left behind after a success")

        def die(temporary: Path) -> None:
            Path(temporary).write_bytes(b"h")
            raise KeyboardInterrupt("killed half-way")

        try:
            answer(path, die)
        except KeyboardInterrupt:
            pass
        else:
            raise Wrong("the interruption is swallowed: tidy up, then let it pass on (raise)")
        if not path.exists() or path.read_bytes() != b"new":
            raise Wrong("after an interruption the old content is damaged: replace it only when "
                        "the temporary file is complete")
        if os.listdir(name) != [path.name]:
            raise Wrong("after an interruption the half-written temporary file is left behind")


@check("findings")
def check_findings(answer):
    """The diagnosis of each patient."""
    if set(answer) != set(FINDINGS):
        raise Wrong(f"name a diagnosis for each of {', '.join(FINDINGS)}")
    if unknown := set(answer.values()) - set(DIAGNOSES):
        raise Wrong(f"no such diagnosis: {', '.join(map(str, unknown))}; there are "
                    f"{', '.join(DIAGNOSES)}")
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
        if got != finding:
            raise Wrong(f"{hint} (expected {finding!r}, got {got!r})")

    expect(_chart(0.4, 0.4, 0.8, 0.9), "healthy", "a healthy run is called ill")
    expect(_chart(0.01, 0.98, 0.8, 0.9), "judges won", "judges near 0 have won")
    expect(_chart(0.52, 0.27, 0.8, 0.9), "judges asleep",
           "judges that were never below 0.45 are asleep")
    expect(_chart(0.4, 0.4, 0.8, -0.6), "colour inversion", "a negative colour is an inversion")
    expect(_chart(0.4, 0.4, 0.05, 0.3), "collapse", "a spread near 0 is a collapse")
    expect(_chart(_late(0.4, 0.9), 0.4, _late(0.8, 0.05), _late(0.9, -0.1)), "healthy",
           "the start of a run is held against it: networks begin as noise; use the last third")
    expect(_chart(0.4, 0.4, _late(0.04, 0.9), _late(0.3, 0.9)), "collapse",
           "a run that collapses late is missed: use the mean of the last third, not of all rows")
    spike = _chart(0.4, 0.4, 0.8, 0.9)
    spike[-1] |= {"spread": 0.15, "colour": -0.1, "judges": 0.09}
    expect(spike, "healthy", "one bad row at the end decides: use the mean of the last third")
    expect(_chart(0.4, 0.4, 0.05, -0.6), "collapse",
           "spread comes first: the colours of outputs that do not depend on the input mean "
           "nothing")
    expect(_chart(0.01, 0.98, 0.8, -0.6), "colour inversion",
           "colour comes before the judges: it is the worse illness")
    expect(_chart(lambda t: 0.3 + 0.2 * t, 0.26, 0.8, 0.9), "healthy",
           "judges at chance at the end need not be asleep, the generators may have caught up: "
           "asleep are those that were never below 0.45 in the whole run")
