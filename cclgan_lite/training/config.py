"""Everything that decides a run, as one frozen dataclass: every option with its reason.

Ready-made values are in `cclgan_lite/recipes.py`; the command line is generated from this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cclgan_lite.data.folders import Augment
from cclgan_lite.data.leaves import Leaves
from cclgan_lite.data.shower import Shower
from cclgan_lite.methods import CCLGAN, Method
from cclgan_lite.training.onset import Onset
from cclgan_lite.validation import above, at_least, below, check, each, within


@dataclass(frozen=True)
class Config:
    method: Method = CCLGAN()
    augment: Augment = Augment()
    shower: Shower = Shower()  # rendered rain that `rehearsal` needs
    leaves: Leaves = Leaves()  # pictures to rehearse on beside the clean ones

    onset: Onset = Onset()  # losses that join later; by default all are there from the start

    start: str = ""  # derainer that the run starts from: a shipped name, a file, a run; "": random
    seed: int = 0  # decides initial weights, data order, augmentation and sampled patches
    epochs: float = 400  # passes over the rainy images (section IV-A)
    steps: int | None = None  # if given, counts instead of epochs
    batch: int = 1  # image pairs per step (section IV-A)
    lr: float = 2e-4  # Adam's learning rate of the generators (section IV-A)
    betas: tuple[float, float] = (0.5, 0.999)  # Adam's momenta (the authors' code)
    decay_from: float = 0.5  # after this part of the run the learning rate falls linearly to 0
    ema: float = 0.0  # decay of the averaged generator that is delivered; 0: no averaging
    # Of the forward and backward passes; auto: bfloat16 where the hardware is fast in it.
    precision: Literal["auto", "float32", "bfloat16"] = "float32"

    log_every: int = 50  # steps that one row of metrics.jsonl averages
    shares_every: int = 0  # steps between two measurements of each loss's gradient; 0: none
    sample_every: int = 500  # steps between two sample grids
    save_minutes: float = 2.0  # minutes between two checkpoints
    recursive: bool = False  # train on the pictures of sub-folders too
    workers: int = 0  # processes that load data; 0 loads in the training process
    resident: bool = False  # keep all pictures decoded on the device: no loading between steps
    deterministic: bool = False  # the same bits each time on a GPU too, where it costs speed
    compile: bool = False  # torch.compile for the networks, meant for GPUs: it starts in minutes

    def __post_init__(self):
        check(
            self,
            **dict.fromkeys(("batch", "log_every", "sample_every", "steps"), at_least(1)),
            **dict.fromkeys(("seed", "shares_every", "save_minutes", "workers"), at_least(0)),
            epochs=above(0),
            lr=above(0),
            betas=each(below(0, 1)),
            decay_from=within(0, 1),
            ema=below(0, 1),
        )
        if "rehearsal" in self.method.terms() and not self.shower.share:
            raise ValueError("rehearsal needs rain: give --shower.share above 0")
        if getattr(self.method, "rain", "") == "given" and not self.shower.share:
            raise ValueError("a rainer that is given rain needs it: give --shower.share above 0")
        if unknown := set(self.onset.terms) - set(self.method.terms()):
            raise ValueError(f"onset.terms: no loss {', '.join(sorted(unknown))} with a weight")
        if self.resident and self.augment.zoom > 1:
            raise ValueError("pictures are zoomed while loading: leave out --resident")
        if self.resident and self.shower.share:
            raise ValueError("rendered rain is made while loading: leave out --resident")
        network = getattr(self.method, "discriminator", None)
        if network and self.augment.crop < (least := 3 * 2**network.layers):
            raise ValueError(f"crop must be at least {least} for this discriminator")
