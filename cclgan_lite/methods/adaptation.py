"""Adaptation as data: CCLGAN's losses for a derainer that has been trained, without a rainer.

    rainy branch   rainy -> derained (n~)
    clean branch   clean -> transplanted (r~) -> derained_transplanted (n*)

A rainer that learns is a weak player on a small budget. Here its place is taken by the rain that
the derainer sees in the rainy picture, put on the clean one (`TransplantVeil`); so n* has an exact
truth, and there is no rainer to lock with. Rendered rain keeps what the derainer knows already.
Two discriminators compare derained with clean pictures: one sees streaks and residues of streaks
(high-pass), one colour, contrast and veil (low-pass). Of eq. 1-6 the clean halves remain.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL, PixelL1
from cclgan_lite.losses.pixel import rehearsal, transplant
from cclgan_lite.methods.base import Made, Method, Pass, Player
from cclgan_lite.methods.operators import TransplantVeil
from cclgan_lite.networks import (
    DiscriminatorConfig,
    NetworkConfig,
    PatchDiscriminator,
    RestorationConfig,
    projections,
)
from cclgan_lite.networks.embedder import build_embedder

DISCRIMINATORS = "discriminator_streaks", "discriminator_veil"


@dataclass(frozen=True)
class Adaptation(Method):
    generator: NetworkConfig = RestorationConfig(look=3, veil=True)
    streaks: DiscriminatorConfig = DiscriminatorConfig(filters=32, norm="spectral", high_pass=True)
    veil: DiscriminatorConfig = DiscriminatorConfig(
        filters=32, norm="spectral", low_pass=4, layers=2
    )
    embedder: str = "tiny-rain-clip"
    projection: int = 256  # width of every MLP
    discriminator_speed: float = 4.0  # discriminators' learning rate / derainer's learning rate

    rehearsal: PixelL1 = rehearsal(100.0)
    transplant: PixelL1 = transplant(100.0)
    adversarial: Adversarial = Adversarial(
        roles=tuple((discriminator, "clean", "derained") for discriminator in DISCRIMINATORS)
    )
    lcl: LCL = LCL(
        weight=0.2,
        roles=(
            ("derainer", "rainy", "derainer", "derained"),
            ("derainer", "transplanted", "derainer", "derained_transplanted"),
        ),
    )
    intra: IntraCCL = IntraCCL(
        weight=0.1, roles=(("derained_transplanted", "clean", "rainy", "transplanted"),)
    )
    inter: InterCCL = InterCCL(
        weight=0.3,
        trains=("generators", *(f"{discriminator}_mlp" for discriminator in DISCRIMINATORS)),
        roles=tuple(
            (discriminator, "derained", "derained_transplanted", "clean", "rainy")
            for discriminator in DISCRIMINATORS
        ),
    )

    grid = (("rainy", "derained"), ("transplanted", "derained_transplanted"))
    wiring = {
        "derained": Pass("derainer", "rainy"),
        "transplanted": Made(TransplantVeil(), ("clean", "rainy", "derained")),
        "derained_transplanted": Pass("derainer", "transplanted"),
        "derained_rendered": Pass("derainer", "rendered"),
    }

    def players(self) -> dict[str, Player]:
        terms, generators, discriminators = self.terms(), {"derainer": self.generator.build()}, {}
        if "adversarial" in terms or "inter" in terms:
            configs = dict(zip(DISCRIMINATORS, (self.streaks, self.veil), strict=True))
            discriminators = {name: PatchDiscriminator(config) for name, config in configs.items()}
        if "lcl" in terms:
            generators |= projections(generators, self.projection)
        if "inter" in terms:
            discriminators |= projections(discriminators, self.projection)
        return {
            "generators": Player(generators),
            "discriminators": Player(discriminators, self.discriminator_speed),
        }

    def frozen(self) -> dict[str, nn.Module]:
        return {"embedder": build_embedder(self.embedder)} if "intra" in self.terms() else {}
