"""Watching a run from a notebook: sittings that may be cut short, vital signs, a live board.

A visitor is a function of the trainer that is called before each step. Nothing runs in the
background, so that it works alike in JupyterLab, in Colab and without any browser.
"""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from unittest.mock import patch

import ipywidgets
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch import Tensor, nn

from cclgan_lite.course.figures import img
from cclgan_lite.recipes import recipe
from cclgan_lite.serialization import to_plain
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run
from cclgan_lite.training.trainer import Trainer, resume, train

CHANCE = {"generators": 0.25, "judges": 0.5}  # LSGAN; the judges' is a sum of two
GAME = {"generators": "adversarial/generators", "judges": "adversarial/discriminators"}
SIGNS = ("spread", "colour", "light")
TITLES = {"lcl": "LCL", "intra": "intra-CCL", "inter": "inter-CCL"}


class Plug(Exception):
    """The power is gone."""


def plug_at(step: int) -> Callable[[Trainer], None]:
    """A visitor that pulls the plug before a step."""

    def visit(trainer: Trainer) -> None:
        if trainer.step == step:
            raise Plug

    return visit


@contextmanager
def before_each_step(visit: Callable[[Trainer], None]) -> Iterator[None]:
    """Trainers inside call visit(trainer) before every step."""
    step = Trainer.train_step

    def visited(self, batch):
        visit(self)
        return step(self, batch)

    with patch.object(Trainer, "train_step", visited):
        yield


def sitting(
    folder: Path,
    config: Config,
    data: Path,
    visit: Callable[[Trainer], None] = lambda trainer: None,
    device: str = "cpu",
) -> Run:
    """Start a run in `folder`, or go on with it, until it is done or the visitor pulls the plug.

    `data` holds train/rainy and train/clean. Raises ValueError where the folder holds a run of
    another configuration.
    """
    with before_each_step(visit), redirect_stderr(io.StringIO()):  # no progress bar
        try:
            if Run.exists(folder):
                if Run.read(folder).config != config:
                    raise ValueError(
                        f"{folder} holds a run of another recipe: take another folder"
                    )
                return resume(folder, device)
            return train(config, data / "train/rainy", data / "train/clean", folder, device)
        except (Plug, KeyboardInterrupt):  # the second: a stop button
            return Run.read(folder)


def fork(trainer: Trainer, folder: Path, to: Path, config: Config) -> None:
    """Copy the run in `folder` as it is at this step to `to`, to go on with another `config`."""
    run = Run.read(folder)
    trainer.save(run)
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns(".lock"))
    copy = Run(to, config, run.rainy, run.clean)
    copy.write_config()
    networks, rest = copy.load()
    copy.save(rest["step"], networks, rest | {"config": to_plain(config, Config)})


def ten_steps() -> Config:
    """A tiny `laptop` for experiments on interruptions: ten steps, a checkpoint every two."""
    tiny = {
        "method.generator.filters": 4,
        "method.generator.blocks": 1,
        "method.discriminator.filters": 4,
        "method.projection": 8,
        "method.lcl.patches": 8,
        "method.inter.patches": 8,
        "augment.crop": 32,
    }
    rest = {"ema": 0.0, "log_every": 2, "precision": "float32", "save_minutes": 0.0}
    return recipe("laptop", tiny, steps=10, **rest)


def final_weights(run: Run) -> Tensor:
    """All weights of the derainer in the last checkpoint, one vector."""
    state = load_file(run.checkpoints()[-1] / "networks.safetensors")
    names = sorted(name for name in state if name.startswith("derainer."))
    return torch.cat([state[name].flatten().double() for name in names])


def paces(config: Config) -> dict[str, float]:
    """Pairs per second of a first step and of a last one, on random pictures on the CPU."""
    trainer, side = Trainer(config, config.steps, torch.device("cpu")), config.augment.crop
    names = ("rainy", "clean", "practice", "rendered")
    batch = {name: torch.rand(config.batch, 3, side, side) * 2 - 1 for name in names}
    found = {}
    for kind, step in (("rehearsal", 0), ("all four", config.steps - 4)):
        trainer.step = step
        trainer.train_step(batch)  # warms up
        start = time.perf_counter()
        trainer.train_step(batch)
        trainer.train_step(batch)
        found[kind] = 2 * config.batch / (time.perf_counter() - start)
    return found


@torch.no_grad()
def vital_signs(derainer: Callable[[Tensor], Tensor], rainy: Tensor) -> dict[str, float]:
    """What needs no truth, of outputs for `rainy` [B, 3, H, W] in [-1, 1].

    On thumbnails, one mean for each 8 x 8 pixels: `spread`, the deviation over inputs as a part
    of the inputs' own; `colour`, the correlation with the input; `light`, the mean change in
    units of 10 grey levels (0 is none, negative is darker).
    """
    if isinstance(derainer, nn.Module):
        rainy = rainy.to(next(derainer.parameters()).device)
    u, v = (F.avg_pool2d(x, 8).flatten(1).cpu() for x in (rainy, derainer(rainy).clamp(-1, 1)))
    alike = torch.corrcoef(torch.stack([u.flatten(), v.flatten()]))[0, 1]
    return {
        "spread": (v.var(0).mean() / u.var(0).mean()).sqrt().item(),
        "colour": alike.nan_to_num().item(),  # a flat output: 0
        "light": 12.75 * (v - u).mean().item(),
    }


def board(history: list[dict], watched: Mapping[int, dict], joined: int | None = None) -> Figure:
    """Losses of the game, other losses, and vital signs of a run, over its steps.

    A line stands at the step `joined`, from which the losses that join late are heard.
    """
    figure = Figure(figsize=(9, 2.7), layout="constrained")
    game, other, signs = figure.subplots(1, 3)

    def curve(axis, key, style="-", **options):
        rows = [row for row in history if key in row]  # some losses join later
        return axis.plot(
            [row["step"] for row in rows], [row[key] for row in rows], style, **options
        )[0]

    for (name, key), style in zip(GAME.items(), ("-", "--"), strict=True):
        line = curve(game, key, style, label=name)
        game.axhline(CHANCE[name], color=line.get_color(), ls=":", lw=1)
    game.set(title="the game (dotted: chance)", ylim=(0, None))
    if not any(key in row for row in history for key in GAME.values()):
        game.text(0.5, 0.5, "not begun", ha="center", transform=game.transAxes)
    for key in dict.fromkeys(k for row in history for k in row):
        if key.endswith(("/generators", "/derainer")) and key not in GAME.values():
            name = key.split("/")[0]
            curve(other, key, label=TITLES.get(name, name))
    other.set(title="other losses", yscale="log")
    for name, style in zip(SIGNS, ("o-", "s--", "^:"), strict=True):
        signs.plot(list(watched), [row[name] for row in watched.values()], style, ms=4, label=name)
    signs.axhline(0, color="black", lw=0.8)
    signs.set(title="vital signs", ylim=(-1.3, 1.3))
    for axis in (game, other, signs):
        axis.set_xlabel("step")
        if joined is not None and history and history[-1]["step"] >= joined:
            label = "the four join" if axis is game else None
            axis.axvline(joined, color="grey", ls="-.", lw=1, label=label)
        axis.legend(fontsize=9, loc="best")
    return figure


class LiveBoard:
    """A visitor that takes the vital signs of the averaged derainer and redraws the board."""

    def __init__(self, folder: Path, rainy: Tensor, every: int, joined: int | None = None):
        self.folder, self.rainy, self.every, self.joined = folder, rainy, every, joined
        self.picture = ipywidgets.HTML()
        self.watched: dict[int, dict[str, float]] = {}

    def __call__(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self.note(trainer.step, trainer.averaged)

    def note(self, step: int, derainer: nn.Module) -> None:
        self.watched[step] = vital_signs(derainer, self.rainy)
        self.picture.value = img(
            board(Run.read(self.folder).history(), self.watched, self.joined),
            "Losses and vital signs so far",
        )


class Chart:
    """A visitor of a patient: `rows` with the game's losses and the vital signs."""

    def __init__(self, folder: Path, rainy: Tensor, every: int):
        self.folder, self.rainy, self.every = folder, rainy, every
        self.rows: list[dict[str, float]] = []

    def __call__(self, trainer: Trainer) -> None:
        if trainer.step and trainer.step % self.every == 0:
            self.note(trainer.networks["derainer"])

    def note(self, derainer: nn.Module) -> None:
        last = Run.read(self.folder).history()[-1]
        losses = {name: last[key] for name, key in GAME.items()}
        self.rows.append({"step": last["step"]} | losses | vital_signs(derainer, self.rainy))


def bedside(charts: Mapping[str, list[dict]]) -> Figure:
    """The charts of patients side by side: the game above, the vital signs below.

    A triangle at the edge stands for a value that lies beyond it.
    """
    figure, axes = plt.subplots(
        2, len(charts), figsize=(9, 4.2), sharey="row", sharex=True, squeeze=False
    )
    for (name, chart), (game, signs) in zip(charts.items(), axes.T, strict=True):
        steps = [row["step"] for row in chart]
        for axis, keys, (low, high) in ((game, CHANCE, (0, 1.6)), (signs, SIGNS, (-3, 3))):
            axis.set_ylim(low, high)
            for k, (key, style) in enumerate(zip(keys, ("-", "--", ":"), strict=False)):
                values = [row[key] for row in chart]
                axis.plot(steps, values, style, label=key)
                for edge, mark, beyond in (
                    (high, "^", [v > high for v in values]),
                    (low, "v", [v < low for v in values]),
                ):
                    out = [step for step, far in zip(steps, beyond, strict=True) if far]
                    look = {"ms": (11, 7, 6)[k], "clip_on": False}  # the last lies on top
                    (far,) = axis.plot(out, [edge] * len(out), f"C{k}{mark}", **look)
                    far.set_in_layout(False)
        for color, chance in enumerate(CHANCE.values()):
            label = "chance" if color == 0 else None
            game.axhline(chance, color=f"C{color}", ls=":", lw=1, label=label)
        signs.axhline(0, color="black", lw=0.8, zorder=0)
        game.set_title(name, pad=10)
        signs.set_xlabel("step")
    axes[0, 0].set_ylabel("adversarial loss")
    axes[1, 0].set_ylabel("vital signs")
    axes[0, -1].plot([], [], "k^", label="off the plot")
    for axis in axes[:, -1]:
        axis.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
