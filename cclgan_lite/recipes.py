"""Recipes: named configurations. Each is data; nothing in the code asks for a recipe by name.

paper        the published set-up
paper-code   with the published code's other choices, as far as they are not defects
laptop       adversarial, LCL and inter-CCL with the levers that small budgets need
adversary    adversarial and identity: what a judge teaches that learned before it is heard
four-losses  the paper's four losses and nothing else, in the setting of `adversary`
demo         all four losses of the paper after a rehearsal, for a few minutes on two cores
rehearsal    a derainer alone, on rendered showers; no rainy photograph is needed
light        the same, also over finer structure and dead leaves: for photographs of any kind
rain100l     continues it with the rain that it finds in rainy photographs
cclgan-plus  continues it with that and the paper's losses but intra-CCL
cyclegan     the published CycleGAN in the paper's set-up, half as long
cut          the published CUT in the paper's set-up
fastcut      its lighter variant, half as long
dclgan       DCLGAN in the paper's set-up
dcd-gan      DCD-GAN as its text says; dcd-gan-code as its code does
derain-cyclegan  DerainCycleGAN in the paper's set-up
cdd-gan      CDD-GAN in the paper's set-up
nlcl         NLCL with its own numbers
udgnet       UDGNet with its own numbers
supervised   the network and budget of `rehearsal`, on pairs: a ceiling for unpaired methods
supervised-paper  the paper's generator and set-up on pairs
ddn          DDN on pairs, with the budget of `supervised`
ablation-*   rows of the paper's Tables 2-4 on top of `paper`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from cclgan_lite.data.folders import Augment
from cclgan_lite.data.leaves import Leaves
from cclgan_lite.data.shower import Shower
from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL
from cclgan_lite.losses.lcl import CODE_ROLES
from cclgan_lite.losses.pixel import PixelL1, PixelMSE, identity, rederain, rehearsal, transplant
from cclgan_lite.methods import (
    CCLGAN,
    CDDGAN,
    CUT,
    DCDGAN,
    DCLGAN,
    NLCL,
    CycleGAN,
    DerainCycleGAN,
    FastCUT,
    Supervised,
    UDGNet,
)
from cclgan_lite.methods.supervised import TRUTH
from cclgan_lite.networks import (
    DiscriminatorConfig,
    FlatConfig,
    GeneratorConfig,
    RestorationConfig,
)
from cclgan_lite.training.config import Config
from cclgan_lite.training.onset import Onset
from cclgan_lite.validation import near

PAPER = Config(method=CCLGAN(embedder="ViT-B-32/openai"))

# Who descends inter-CCL where D_n must not learn to pull n~ towards n.
HEADS = ("generators", "discriminator_clean_mlp", "discriminator_rainy_mlp")

PAPER_CODE = replace(
    PAPER,
    method=replace(
        PAPER.method,
        generator=GeneratorConfig(antialias=True),
        adversarial=Adversarial(form="hinge"),
        lcl=LCL(roles=CODE_ROLES),
        inter=InterCCL(trains=HEADS),
        identity=identity(1.0),
    ),
)

# Rain is a faint high frequency under strong content. A plain discriminator stays at chance for
# hundreds of steps, so it sees the high-pass image and learns faster than the generators; these
# predict a rain layer instead of painting the image anew.
LAPTOP = Config(
    method=CCLGAN(
        generator=GeneratorConfig(filters=32, blocks=5, head="rain_layer"),
        discriminator=DiscriminatorConfig(filters=32, norm="spectral", high_pass=True),
        discriminator_speed=4.0,
        lcl=LCL(weight=0.2),
        intra=IntraCCL(weight=0.0),
        embedder="tiny-rain-clip",  # for those who give intra a weight
        identity=identity(1.0),
        rederain=rederain(10.0),
    ),
    augment=Augment(resize=None, crop=128),
    steps=5000,
    batch=2,
    lr=3e-4,
    ema=0.99,
    precision="auto",
)

DETAIL = FlatConfig(filters=16, blocks=12, norm="none", detail=True, taps=())

# What a judge teaches by itself, if it learns to see rain before it is heard, and if the derainer
# is quick to follow: that sees details alone, at full resolution (lab notebook, section 11).
ADVERSARY = replace(
    LAPTOP,
    method=replace(
        LAPTOP.method,
        generator=replace(DETAIL, blocks=6),
        discriminator=replace(LAPTOP.method.discriminator, filters=16),
        discriminator_speed=1.0,
        lcl=LCL(weight=0.0),
        inter=InterCCL(weight=0.0),
        identity=identity(3.0),
        rederain=rederain(0.0),
    ),
    augment=Augment(resize=None, crop=80),
    # Identity, heard before the judge is, would freeze the derainer.
    onset=Onset(("adversarial", "identity"), begin=0.0, full=0.3),
    steps=700,
    batch=4,
    lr=1e-3,
    decay_from=0.7,
)

PAPERS = ("adversarial", "lcl", "intra", "inter")

# Without identity the derainer of `adversary` drifts; what holds it is what the paper adds.
FOUR_LOSSES = replace(
    ADVERSARY,
    method=replace(
        ADVERSARY.method,
        generator=replace(ADVERSARY.method.generator, taps=("block2", "block4")),
        projection=64,
        lcl=LCL(weight=0.2, patches=64),
        intra=IntraCCL(weight=0.02),
        inter=InterCCL(patches=64, trains=HEADS),
        identity=identity(0.0),
    ),
    onset=Onset(PAPERS, begin=0.0, full=0.35),
    steps=350,
)

# A restoration network: nothing normalises the brightness away, skips carry the fine detail past
# the bottleneck, and the high-passed image shows it the rain. 1.7 million parameters.
RESTORATION = RestorationConfig(filters=32, blocks=5)

REHEARSAL = Config(
    method=CCLGAN(
        generator=RESTORATION,
        adversarial=Adversarial(weight=0.0),
        lcl=LCL(weight=0.0),
        intra=IntraCCL(weight=0.0),
        inter=InterCCL(weight=0.0),
        rehearsal=rehearsal(1.0),
    ),
    augment=Augment(resize=None, crop=128),
    shower=Shower(share=0.9),
    steps=6000,
    batch=4,
    lr=3e-4,
    betas=(0.9, 0.99),
    decay_from=0.3,
    ema=0.999,
    precision="auto",
)

# Fine structure that is no rain, of which a few clean pictures have too little: crops that are
# shrunk, and dead leaves. It keeps the derainer from taking hair, grass and walls for streaks.
LIGHT = replace(
    REHEARSAL, augment=Augment(resize=None, crop=128, zoom=2.5), leaves=Leaves(share=0.3)
)

# CCLGAN that derains in minutes. Rehearsal settles how much is rain, in cheap steps, for most of
# the run; then the discriminators learn, and the four losses fade in. What points away from
# the truth (lab notebook, section 7) is left out: identity, and rederain through a rainer in
# training.
DEMO = replace(
    LIGHT,
    method=CCLGAN(
        generator=RestorationConfig(24, 4, "bilinear", taps=("down2", "block2")),
        discriminator=LAPTOP.method.discriminator,
        discriminator_speed=20.0,  # they start late, when the learning rate has fallen
        embedder="tiny-rain-clip",
        projection=64,
        rain="given",
        adversarial=Adversarial(weight=2.5),
        lcl=LCL(
            weight=0.15,
            patches=64,
            roles=(
                ("derainer", "rainy", "rainer", "derained"),
                ("rainer", "poured_clean", "derainer", "rained"),
            ),
        ),
        intra=IntraCCL(weight=1.0),
        inter=InterCCL(weight=0.5, patches=64, trains=HEADS),
        rehearsal=rehearsal(100.0),
    ),
    augment=Augment(resize=None, crop=80, zoom=2.5),
    onset=Onset(PAPERS, begin=0.968, full=0.988),
    steps=4960,
    decay_from=0.75,
    ema=0.99,
    log_every=10,
    shares_every=20,
)

# Rendered rain keeps the derainer from forgetting, transplanted rain teaches it the rain at hand.
# Both recipes need `--start`, a run of `rehearsal`.
RAIN100L = replace(
    REHEARSAL,
    method=replace(REHEARSAL.method, transplant=transplant(1.0)),
    steps=3000,
    decay_from=0.1,
)

# Three of the published losses with small weights beside those two.
PLUS = replace(
    REHEARSAL,
    method=replace(
        LAPTOP.method,
        generator=RESTORATION,
        adversarial=Adversarial(weight=0.1),
        lcl=LCL(weight=0.02),
        rederain=rederain(1.0),
        rehearsal=rehearsal(30.0),
        transplant=transplant(30.0),
    ),
    steps=2000,
    batch=2,
    lr=2e-4,
    betas=(0.5, 0.999),
    ema=0.995,
)

# The code's numbers: 300 epochs, and 300 more while the rate falls to 0.
DCD_GAN = replace(PAPER, method=DCDGAN(), augment=Augment(resize=512), epochs=600, lr=1e-4)

SUPERVISED = replace(
    REHEARSAL,
    method=Supervised(generator=RESTORATION, l1=PixelL1(1.0, TRUTH, beta=0.1)),
    shower=Shower(),
)


def _paper(*without: str, **fields) -> Config:
    """The paper's recipe without some terms, or with other fields of its method."""
    off = {name: replace(getattr(PAPER.method, name), weight=0.0) for name in without}
    return replace(PAPER, method=replace(PAPER.method, **off, **fields))


RECIPES: dict[str, Config] = {
    "paper": PAPER,
    "paper-code": PAPER_CODE,
    "laptop": LAPTOP,
    "adversary": ADVERSARY,
    "four-losses": FOUR_LOSSES,
    "demo": DEMO,
    "rehearsal": REHEARSAL,
    "light": LIGHT,
    "rain100l": RAIN100L,
    "cclgan-plus": PLUS,
    "cyclegan": replace(PAPER, method=CycleGAN(), epochs=200),
    "cut": replace(PAPER, method=CUT()),
    "fastcut": replace(PAPER, method=FastCUT(), epochs=200, decay_from=0.75),
    "dclgan": replace(PAPER, method=DCLGAN()),
    "dcd-gan": DCD_GAN,
    "dcd-gan-code": replace(DCD_GAN, method=DCLGAN(adversarial=Adversarial(form="hinge"))),
    "derain-cyclegan": replace(PAPER, method=DerainCycleGAN(), lr=1e-4),
    "cdd-gan": replace(PAPER, method=CDDGAN()),
    "nlcl": replace(PAPER, method=NLCL(), epochs=210, decay_from=200 / 210),
    "udgnet": replace(
        PAPER,
        method=UDGNet(),
        augment=Augment(resize=None, crop=128),
        steps=32_500,  # 130 epochs of 2,000 crops
        batch=8,
        lr=1e-4,
    ),
    "supervised": SUPERVISED,
    "supervised-paper": replace(PAPER, method=Supervised()),
    "ddn": replace(
        SUPERVISED,
        method=Supervised(DETAIL, l1=PixelL1(0.0, TRUTH), mse=PixelMSE(1.0, TRUTH)),
    ),
    # Table 2. The marks of rows A and B are lost; C-F are inferred from shared rows (G = paper).
    "ablation-c-no-intra": _paper("intra"),
    "ablation-d-no-inter": _paper("inter"),
    "ablation-e-lcl-alone": _paper("intra", "inter"),
    "ablation-f-ccl-alone": _paper("lcl"),
    # Table 3, without inter: the negatives of intra-CCL. Both: ablation-d.
    "ablation-intra-fake": _paper("inter", intra=IntraCCL(real_weight=0.0)),
    "ablation-intra-real": _paper("inter", intra=IntraCCL(fake_weight=0.0)),
    # Table 4, without intra: the positives of inter-CCL. Both: ablation-c.
    "ablation-inter-fake": _paper("intra", inter=InterCCL(real_weight=0.0)),
    "ablation-inter-real": _paper("intra", inter=InterCCL(fake_weight=0.0)),
}


def recipe(name: str, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Config:
    """A recipe with fields changed, nested ones by their dotted names.

        recipe("demo", {"method.lcl.temperature": 0.1}, steps=200)

    `epochs` counts where `steps` is not given beside it, also in recipes that count steps.

    Raises ValueError for an unknown recipe or field, with the nearest right name, and for values
    outside their range.
    """
    if name not in RECIPES:
        raise ValueError(
            f"no recipe {name!r}{near(name, RECIPES)}; there are {', '.join(RECIPES)}"
        )
    changes, known = {**(changes or {}), **more}, _paths(RECIPES[name])
    for path in changes:
        if path not in known:
            raise ValueError(f"recipe {name!r} has no field {path!r}{near(path, known)}")
    if "epochs" in changes:
        changes = {"steps": None, **changes}
    return _changed(RECIPES[name], changes)


def _changed(part: Any, changes: Mapping[str, Any]) -> Any:
    """All fields of a dataclass at once, since some are only valid together."""
    by_field: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        field, _, rest = path.partition(".")
        by_field.setdefault(field, {})[rest] = tuple(value) if isinstance(value, list) else value
    new = {}
    for field, inner in by_field.items():
        value = inner.pop("", getattr(part, field))
        try:
            new[field] = _changed(value, inner) if inner else value
        except ValueError as error:
            raise ValueError(f"{field}.{error}") from error
    return replace(part, **new)


def _paths(part: Any) -> list[str]:
    """The dotted names of all fields, outer ones before what they hold."""
    paths = []
    for field in fields(part):
        inner = getattr(part, field.name)
        paths.append(field.name)
        if is_dataclass(inner):
            paths += [f"{field.name}.{path}" for path in _paths(inner)]
    return paths
