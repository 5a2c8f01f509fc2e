"""CCLGAN as data: which networks, which images come from which, which losses (eq. 11).

    rain branch    rainy -> derained (n~) -> rerained (r*)
    clean branch   clean -> rained (r~) -> rederained (n*)

An ablation is this dataclass with some weights at zero: a term without weight is not built, and
what nobody reads is not computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL, PixelL1
from cclgan_lite.losses.pixel import identity, rederain, rehearsal, transplant
from cclgan_lite.methods.base import Made, Method, Pass, Player, Wiring
from cclgan_lite.methods.operators import Transplant, pour, same
from cclgan_lite.networks import (
    DiscriminatorConfig,
    GeneratorConfig,
    NetworkConfig,
    PatchDiscriminator,
    projections,
)
from cclgan_lite.networks.embedder import build_embedder
from cclgan_lite.validation import above, at_least, check


@dataclass(frozen=True)
class CCLGAN(Method):
    generator: NetworkConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    embedder: str = "random"  # intra-CCL's space: CLIP is "ViT-B-32/openai", random the control
    rain: Literal["invented", "given"] = "invented"  # what the rainer starts from, see `wiring`
    projection: int = 256  # width of every MLP
    discriminator_speed: float = 1.0  # discriminators' learning rate / generators' learning rate

    adversarial: Adversarial = Adversarial()
    lcl: LCL = LCL()
    intra: IntraCCL = IntraCCL()
    inter: InterCCL = InterCCL()
    identity: PixelL1 = identity(0.0)
    rederain: PixelL1 = rederain(0.0)
    rehearsal: PixelL1 = rehearsal(0.0)
    transplant: PixelL1 = transplant(0.0)

    grid = (("rainy", "derained", "rerained"), ("clean", "rained", "rederained"))

    @property
    def wiring(self) -> Wiring:
        """Who makes which image.

        A rainer that has to invent rain is a weak player. Where rain is `given`, a rendered shower
        lies over its input already, and it only makes that look real (Shrivastava et al.,
        "Learning from simulated and unsupervised images through adversarial training", 2017).
        """
        given = self.rain == "given"
        return {
            "derained": Pass("derainer", "rainy"),
            "rained": Pass("rainer", "poured_clean" if given else "clean"),
            "rerained": Pass("rainer", "poured_derained" if given else "derained"),
            "rederained": Pass("derainer", "rained"),
            "identity_clean": Pass("derainer", "clean"),
            "identity_rainy": Pass("rainer", "rainy"),
            "derained_rendered": Pass("derainer", "rendered"),
            "practice": Made(same, ("clean",)),  # unless the data has it
            "poured_clean": Made(pour, ("clean", "rendered", "practice")),
            "poured_derained": Made(pour, ("derained", "rendered", "practice")),
            "transplanted": Made(Transplant(), ("clean", "rainy", "derained")),
            "derained_transplanted": Pass("derainer", "transplanted"),
        }

    def __post_init__(self):
        check(self, projection=at_least(1), discriminator_speed=above(0))

    def players(self) -> dict[str, Player]:
        terms, discriminators = self.terms(), {}
        generators = {
            "derainer": self.generator.build(),
            "rainer": self.generator.build(adds_rain=True),
        }
        if "adversarial" in terms or "inter" in terms:
            discriminators = {
                "discriminator_clean": PatchDiscriminator(self.discriminator),
                "discriminator_rainy": PatchDiscriminator(self.discriminator),
            }
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
