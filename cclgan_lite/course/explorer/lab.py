"""Train a little: a few steps from a checkpoint with weights of one's choice, repeatable.

A lab is the package's trainer over a handful of generated scenes. Two labs with the same seed see
the same crops, the same flips and the same patches in every step, so that what differs between
them is what was set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cclgan_lite.course.explorer.checkpoint import SHIPPED, load_into, read_checkpoint
from cclgan_lite.course.explorer.setting import METHOD, Setting
from cclgan_lite.course.scenes import scene_pairs, unpaired_scenes
from cclgan_lite.data.folders import Augment
from cclgan_lite.data.images import to_uint8
from cclgan_lite.evaluation.metrics import scores
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import Trainer

SIZE = 128  # pixels of a scene's side
CROP, BATCH = 64, 2  # pixels of a training crop's side, crops of a step
CONFIG = Config(method=METHOD, augment=Augment(resize=None, crop=CROP), batch=BATCH, ema=0.99)
HELD_OUT = 77  # seed of the scenes that scores are taken on; training scenes have seed 1


class Lab:
    """A short training that can be stopped, continued and reset.

    Args:
        setting: weights and forms of the losses.
        seed: of crops, flips and sampled patches; without a checkpoint also of initial weights.
        checkpoint: where it starts; None: from initial weights.
        scenes: how many rainy and how many clean ones it trains on.
        total_steps: of a whole run, with the recipe's falling learning rate; None: constant.
        idle: also compute losses of weight zero, which costs time and moves nothing.
        lr: learning rate of the generators. At the checkpoint's own rate single steps swing by
            more than a decibel; a gentler one shows a trend sooner.
    """

    def __init__(
        self,
        setting: Setting,
        seed: int = 0,
        checkpoint: str | Path | None = SHIPPED,
        scenes: int = 12,
        total_steps: int | None = None,
        idle: bool = True,
        lr: float = 1e-4,
    ):
        self.setting, self.seed, self.scenes, self.idle = setting, seed, scenes, idle
        method, self._start = read_checkpoint(checkpoint) if checkpoint else (METHOD, None)
        self.config = replace(
            CONFIG,
            method=method,
            seed=seed,
            lr=lr,
            decay_from=CONFIG.decay_from if total_steps else 1.0,
        )
        self.total_steps = total_steps or 10**9  # far away: no decay
        self.reset()

    def reset(self, setting: Setting | None = None) -> None:
        """Back to the start, bit for bit; with other weights if a setting is given."""
        self.setting = setting or self.setting
        with torch.random.fork_rng(devices=[]):
            self.trainer = Trainer(self.config, self.total_steps, torch.device("cpu"))
        self.trainer.terms = {
            name: term
            for name, term in self.setting.terms(self.config.method).items()
            if term.weight or self.idle
        }
        self.trainer.looks = [k for term in self.trainer.terms.values() for k in term.looks()]
        if self._start is not None:
            load_into(self.trainer.networks, self._start)
            self.trainer.averaged.load_state_dict(self.derainer.state_dict())
        self.history: list[dict[str, float]] = []  # unweighted losses of each step

    @property
    def derainer(self) -> torch.nn.Module:
        return self.trainer.networks["derainer"]

    @property
    def steps(self) -> int:
        return self.trainer.step

    def train(self, steps: int) -> Iterator[dict[str, float]]:
        """Yields the unweighted losses after each of `steps` steps.

        Whoever stops asking stops the training; the next call goes on as if nothing had been.
        """
        for _ in range(steps):
            with torch.random.fork_rng(devices=[]):
                losses, _ = self.trainer.train_step(self._batch(self.steps))
            row = {name: value.item() for name, value in losses.items()}
            self.history.append(row)
            yield row

    def _batch(self, step: int) -> dict[str, Tensor]:
        """Random crops of the training scenes, a function of (seed, step)."""
        rng = np.random.default_rng((self.seed, step))
        batch = {}
        for name, pictures in zip(
            ("rainy", "clean"), unpaired_scenes(self.scenes, SIZE), strict=True
        ):
            crops = []
            for i in rng.integers(len(pictures), size=BATCH):
                y, x = rng.integers(SIZE - CROP + 1, size=2)
                crop = pictures[i, :, y : y + CROP, x : x + CROP]
                crops.append(crop.flip(-1) if rng.random() < 0.5 else crop)
            batch[name] = torch.stack(crops)
        return batch

    @torch.no_grad()
    def derain(self, pictures: Tensor, averaged: bool = False) -> Tensor:
        """[N, 3, H, W] -> the same, by the derainer as it is, or by the average of its steps."""
        derainer = self.trainer.averaged if averaged else self.derainer
        return derainer(pictures).clamp(-1, 1)

    def score(self, pairs: int = 8, averaged: bool = False) -> dict[str, float]:
        """`psnr_y` and `ssim_y` on held-out scenes, the means over `pairs` of them."""
        rainy, clean = scene_pairs(pairs, SIZE, HELD_OUT)
        return mean_scores(self.derain(rainy, averaged), clean)


def mean_scores(pictures: Tensor, truths: Tensor) -> dict[str, float]:
    """Mean `psnr_y` and `ssim_y` of [N, 3, H, W] in [-1, 1]."""
    found = [
        scores(to_uint8(picture), to_uint8(truth))
        for picture, truth in zip(pictures, truths, strict=True)
    ]
    return {key: float(np.mean([s[key] for s in found])) for key in ("psnr_y", "ssim_y")}
