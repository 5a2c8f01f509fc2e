"""Lessons 11 and 12 compare methods: lines, passes, short runs on equal crops, stored fair runs.

A short run is the package's `Trainer` without a run folder: pictures that lie in memory, crops
drawn from the run's seed and the number of the step, so that all methods see the same ones.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import ndiff
from importlib import resources
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from cclgan_lite.course.judging import descend
from cclgan_lite.course.schematic import schematic
from cclgan_lite.data.folders import Augment
from cclgan_lite.losses.contrastive import nce
from cclgan_lite.methods import Method
from cclgan_lite.networks import (
    DiscriminatorConfig,
    NegativeGenerator,
    NetworkConfig,
    RestorationConfig,
)
from cclgan_lite.networks.base import Generator
from cclgan_lite.training.config import Config
from cclgan_lite.training.step import Step
from cclgan_lite.training.trainer import Trainer

# Generators that start as the identity, and judges of fine structure: what trains in seconds.
GENERATOR = RestorationConfig(12, 2, "bilinear", taps=("down1", "down2", "block1"))
JUDGE = DiscriminatorConfig(filters=16, layers=2, norm="spectral", high_pass=True, taps=("conv2",))
PLACES = 64  # of every contrast
SIZES = {"projection": 64, "negatives": 64, "embedder": "tiny-rain-clip"}


# Who comes from whom


def family_tree() -> Figure:
    """Orange goes both ways, blue contrasts places one way, green has both."""
    orange, blue, green = "#f8d9c4", "#cfe3f1", "#d5ead8"
    cycle, cut = "CycleGAN 2017\ncycle", "CUT 2020\none-sided contrast"
    dual, nlcl = "DCLGAN 2021\ndual contrast", "NLCL 2022\nlayer contrast"
    made, pairs = "CDD-GAN 2022\nmade negatives", "DCD-GAN 2022\nexemplars"
    cclgan = "CCLGAN 2024\ncycle contrast"
    places = {
        cycle: (0.09, 0.75, orange),
        cut: (0.12, 0.25, blue),
        dual: (0.41, 0.42, green),
        nlcl: (0.41, 0.08, blue),
        made: (0.41, 0.92, green),
        pairs: (0.68, 0.7, green),
        cclgan: (0.9, 0.3, green),
    }
    took = {cycle: (dual, made, pairs), cut: (dual, nlcl), dual: (pairs, cclgan)}
    arrows = [(source, heir, "") for source, heirs in took.items() for heir in heirs]
    return schematic(places, arrows, size=(9, 3.6))


# Lines


def declared(kind: type[Method]) -> list[str]:
    """The lines of a method's class that declare: its head, fields, wiring; no prose, no `def`."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    node.decorator_list = []
    node.body = [part for part in node.body if isinstance(part, ast.AnnAssign | ast.Assign)]
    return [line for line in ast.unparse(node).splitlines() if line.strip()]


def changes(old: type[Method], new: type[Method]) -> list[str]:
    """What a method declares otherwise than another: lines with - go, lines with + come."""
    return [line for line in ndiff(declared(old), declared(new)) if line[0] in "-+"]


def show_changes(old: type[Method], new: type[Method], signs: str = "-+") -> None:
    """Print `changes` whose sign is among `signs`, in lines of up to 84 characters."""
    for line in changes(old, new):
        if line[0] in signs:
            print(textwrap.fill(line, 84, subsequent_indent=" " * 10, break_long_words=False))


def lines_of_code(kind: type[Method]) -> int:
    """Lines of a method's own class without blank ones and prose."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    node.body = [part for part in node.body if not isinstance(part, ast.Expr)]
    return len([line for line in ast.unparse(node).splitlines() if line.strip()])


def weights(method: Method) -> str:
    """The losses of a method with their weights, in words."""
    return ", ".join(f"{name} {term.weight:g}" for name, term in method.terms().items())


# Passes


def passes(method: Method, images: Mapping[str, Tensor] | None = None) -> tuple[int, int]:
    """(whole passes through generators, passes that stop at the deepest tap) of one step."""
    torch.manual_seed(0)
    if images is None:
        images = {name: torch.rand(1, 3, 32, 32) * 2 - 1 for name in ("rainy", "clean")}
    networks, terms = nn.ModuleDict(method.networks()), method.terms()
    looks = [look for term in terms.values() for look in term.looks()]
    counts = {"forward": 0, "encode": 0}

    def counting(name: str) -> Callable:
        call = getattr(Generator, name)

        def counted(self, *args, **kwargs):
            counts[name] += 1
            return call(self, *args, **kwargs)

        return counted

    with patch.multiple(Generator, **{name: counting(name) for name in counts}):
        step = Step(networks, method.wiring, looks, images)
        for term in terms.values():
            term(step)
    return counts["forward"], counts["encode"]


# Runs


def small(
    method: Method,
    generator: NetworkConfig = GENERATOR,
    judge: DiscriminatorConfig = JUDGE,
    speed: float = 4.0,
) -> Method:
    """The method with small networks and few places, everything else as it is."""
    sizes = SIZES | {"generator": generator, "discriminator": judge, "discriminator_speed": speed}
    chosen = {f.name: sizes[f.name] for f in fields(method) if f.name in sizes}
    if not getattr(method, "projection", 0):
        chosen.pop("projection", None)
    for name, term in method.terms().items():
        if isinstance(getattr(term, "patches", None), int):
            chosen[name] = replace(term, patches=PLACES)
    return replace(method, **chosen)


@dataclass(frozen=True)
class ShortRun:
    """What `short_run` leaves: the networks, the last losses, and the seconds of a step."""

    networks: nn.ModuleDict
    losses: dict[str, float]
    seconds: float

    @torch.no_grad()
    def __call__(self, images: Tensor, network: str = "derainer") -> Tensor:
        """[B, 3, H, W] in [-1, 1] through one of its generators."""
        return self.networks[network](images).clamp(-1, 1)


def short_run(
    method: Method,
    pictures: Mapping[str, Tensor],
    steps: int,
    seed: int = 0,
    start: Mapping[str, Tensor] | None = None,
    crop: int = 64,
    batch: int = 2,
    lr: float = 1e-3,
) -> ShortRun:
    """Train a method on `pictures`, {"rainy": [N, 3, H, W], "clean": ...} in [-1, 1].

    `start` are weights for the derainer. Both folders are cut alike, so that a method that is told
    the truth gets it as "clean". The rate falls to 0 over the second half.
    """
    config = Config(
        method=method,
        augment=Augment(resize=None, crop=crop),
        steps=steps,
        batch=batch,
        lr=lr,
        seed=seed,
    )
    trainer, losses, begun = Trainer(config, steps, torch.device("cpu")), {}, time.perf_counter()
    if start is not None:
        trainer.networks["derainer"].load_state_dict(start)
    for number in range(steps):
        losses, _ = trainer.train_step(crops(pictures, (seed, number), crop, batch))
    seconds = (time.perf_counter() - begun) / steps
    return ShortRun(trainer.networks.eval(), {k: v.item() for k, v in losses.items()}, seconds)


def crops(
    pictures: Mapping[str, Tensor], seed: tuple[int, int], side: int, batch: int
) -> dict[str, Tensor]:
    """Random windows, [batch, 3, side, side]: the same numbers and places in all of `pictures`."""
    rng, like = np.random.default_rng(seed), pictures["rainy"]
    chosen = rng.integers(len(like), size=batch)
    top, left = (int(rng.integers(n - side + 1)) for n in like.shape[-2:])
    return {
        name: every[chosen, :, top : top + side, left : left + side]
        for name, every in pictures.items()
    }


# Stored runs

FAIR = resources.files("cclgan_lite.course") / "data" / "family.json"


def fair_gains(test: str) -> dict[str, list[float]]:
    """{method: dB over the degraded input on a test, by seed}, of the stored fair runs.

    `benchmarks/family.py` made them. Raises ValueError for a test that they do not have.
    """
    tests = json.loads(FAIR.read_text())["tests"]
    if test not in tests:
        raise ValueError(f"no test {test!r}; there are {', '.join(tests)}")
    rows, still = tests[test], tests[test]["input"]["0"]["psnr_y"]
    return {
        name: [by_seed[seed]["psnr_y"] - still for seed in sorted(by_seed)]
        for name, by_seed in rows.items()
        if name != "input"
    }


def fair_figure(*tests: str, without: Sequence[str] = (), least: float = -3.0) -> Figure:
    """The gains of the stored fair runs, a panel for each test: every seed, and their range.

    What lies below `least` is an arrow with the mean beside it. Methods in `without` are left out.
    """
    columns = {test: fair_gains(test) for test in tests}
    every = dict.fromkeys(name for column in columns.values() for name in column)
    names = [name for name in every if name not in without]
    figure, axes = plt.subplots(
        1,
        len(tests),
        squeeze=False,
        sharex=True,
        sharey=True,
        figsize=(9, 0.32 * len(names) + 0.9),
    )
    for axis, (test, column) in zip(axes[0], columns.items(), strict=True):
        axis.axvline(0, color="black", lw=1, ls=":")
        for y, name in enumerate(names):
            gains = column.get(name)
            if gains is None:
                axis.text(0.15, y, "not run", va="center", color="grey")
            elif max(gains) < least:
                axis.plot(least, y, "<", color="C1")
                axis.text(least + 0.25, y, f"{np.mean(gains):+.1f}", va="center")
            else:
                axis.plot([max(min(gains), least), max(gains)], [y, y], color="C0", lw=2)
                axis.plot(gains, [y] * len(gains), "o", color="C0", ms=4)
        axis.set(title=test, xlabel="gain over the input, dB", xlim=(least - 0.3, None))
    axes[0, 0].set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    return figure


# Seeds, and negatives that are made


def seed_figure(
    rows: Mapping[str, Mapping[str, float]],
    others: Mapping[str, Sequence[Mapping[str, float]]],
    start: float,
) -> Figure:
    """PSNR of each method with seed 0, of some with `others`, and of doing nothing."""
    figure, axis = plt.subplots(figsize=(8, 2.8))
    axis.axhline(start, color="black", ls=":", label="the start")
    axis.plot(list(rows), [row["psnr"] for row in rows.values()], "o", label="seed 0")
    found = [(name, row["psnr"]) for name, more in others.items() for row in more]
    axis.plot(*zip(*found, strict=True), "x", color="C1", label="seeds 1, 2")
    axis.set(ylabel="PSNR (dB)")
    axis.legend()
    return figure


def climb(diversity: float, steps: int = 200) -> tuple[float, float]:
    """Train 64 made negatives of a picture's places to climb their contrast, paid for variety.

    The value of the contrast, and the mean cosine of two negatives.
    """
    torch.manual_seed(0)
    picture = {"tap": torch.randn(1, 8, 16, 16)}
    places = F.normalize(torch.randn(1, 64, 32) + torch.randn(32), dim=-1)
    network = NegativeGenerator({"tap": 8}, width=32, count=64)
    adam = torch.optim.Adam(network.mlps.parameters(), 1e-3)
    for _ in range(steps):
        made = network(picture)["tap"]
        contrast = nce(places, places, made, 0.07)
        one, two = made.chunk(2, dim=1)
        descend(-contrast - diversity * (one - two).abs().mean(), adam)
    cosines = (made @ made.mT)[0][~torch.eye(64, dtype=torch.bool)]
    return contrast.item(), cosines.mean().item()
