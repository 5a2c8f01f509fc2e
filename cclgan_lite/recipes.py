"""Recipes: named configurations. Each is data; nothing in the code asks for a recipe by name.

    paper        the published set-up
    paper-code   what the published code does differently, as far as it is not a defect
    laptop       the paper's losses with the levers that small budgets need
    demo         `laptop` sized for a few minutes on two cores
    ablation-*   rows of the paper's Tables 2-4 on top of `paper`
"""

from __future__ import annotations

from dataclasses import replace

from cclgan_lite.data.folders import Augment
from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL, PixelL1
from cclgan_lite.losses.lcl import CODE_PAIRS
from cclgan_lite.losses.pixel import IDENTITY, REDERAIN
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training.config import Config

PAPER = Config()

PAPER_CODE = replace(
    PAPER,
    method=CCLGAN(
        generator=GeneratorConfig(antialias=True),
        adversarial=Adversarial(form="hinge"),
        lcl=LCL(pairs=CODE_PAIRS),
        inter=InterCCL(players=("generators",)),
        identity=PixelL1(1.0, IDENTITY),
    ),
)

# Rain is a faint high frequency under strong content. A plain discriminator stays at chance for
# hundreds of steps, so it sees the high-pass image and learns faster than the generators; these
# predict a rain layer instead of painting the image anew.
LAPTOP = Config(
    method=CCLGAN(
        generator=GeneratorConfig(filters=32, blocks=5, head="rain_layer"),
        discriminator=DiscriminatorConfig(norm="spectral", high_pass=True),
        discriminator_speed=4.0,
        lcl=LCL(weight=0.5),
        intra=IntraCCL(weight=0.0),
        identity=PixelL1(1.0, IDENTITY),
        rederain=PixelL1(10.0, REDERAIN),
    ),
    augment=Augment(load=None, crop=128),
    steps=5000,
    batch=2,
    lr=3e-4,
    ema=0.99,
    precision="bfloat16",
)

DEMO = replace(
    LAPTOP,
    method=replace(
        LAPTOP.method, generator=GeneratorConfig(filters=24, blocks=4, head="rain_layer")
    ),
    augment=Augment(load=None, crop=112),
    steps=1200,
)


def _without(*terms: str) -> Config:
    method = PAPER.method
    return replace(
        PAPER, method=replace(method, **{t: replace(getattr(method, t), weight=0.0) for t in terms})
    )


def _with(**terms) -> Config:
    return replace(PAPER, method=replace(PAPER.method, **terms))


RECIPES: dict[str, Config] = {
    "paper": PAPER,
    "paper-code": PAPER_CODE,
    "laptop": LAPTOP,
    "demo": DEMO,
    # Table 2. The marks of rows A and B are lost; C-F are inferred from shared rows (G = paper).
    "ablation-c-no-intra": _without("intra"),
    "ablation-d-no-inter": _without("inter"),
    "ablation-e-lcl-alone": _without("intra", "inter"),
    "ablation-f-ccl-alone": _without("lcl"),
    # Table 3 (without inter): the negatives of intra-CCL. Both: ablation-d.
    "ablation-intra-fake": replace(
        _without("inter"),
        method=replace(_without("inter").method, intra=IntraCCL(real_weight=0.0)),
    ),
    "ablation-intra-real": replace(
        _without("inter"),
        method=replace(_without("inter").method, intra=IntraCCL(fake_weight=0.0)),
    ),
    # Table 4 (without intra): the positives of inter-CCL. Both: ablation-c.
    "ablation-inter-fake": replace(
        _without("intra"),
        method=replace(_without("intra").method, inter=InterCCL(real_weight=0.0)),
    ),
    "ablation-inter-real": replace(
        _without("intra"),
        method=replace(_without("intra").method, inter=InterCCL(fake_weight=0.0)),
    ),
}
