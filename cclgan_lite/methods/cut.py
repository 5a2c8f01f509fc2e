"""CUT (Park et al. 2020) as data: one generator, one discriminator, and a contrast of places.

PatchNCE is our LCL with the generator itself as encoder of both images, also on a clean image
and its derained self (their identity term). Taps as theirs, but for the shallowest: where CUT
takes the RGB pixels, we take the first convolution.

FastCUT, their lighter variant: ten times the contrast, no identity, and flip equivariance, by
which half of the inputs are mirrored and the features of their outputs mirrored back. Theirs
tosses a coin for each step, ours for each image.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import LCL, Adversarial
from cclgan_lite.methods.base import Made, Method, Pass, Player
from cclgan_lite.methods.operators import coin
from cclgan_lite.networks import (
    DiscriminatorConfig,
    GeneratorConfig,
    NetworkConfig,
    PatchDiscriminator,
    projections,
)
from cclgan_lite.networks.layers import mirror
from cclgan_lite.validation import above, at_least, check


@dataclass(frozen=True)
class CUT(Method):
    generator: NetworkConfig = GeneratorConfig(taps=("stem", "down1", "down2", "block1", "block5"))
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    projection: int = 256  # width of the MLPs
    discriminator_speed: float = 1.0  # discriminator's learning rate / generator's learning rate

    adversarial: Adversarial = Adversarial(roles=(("discriminator_clean", "clean", "derained"),))
    lcl: LCL = LCL(
        weight=1.0,
        roles=(
            ("derainer", "rainy", "derainer", "derained"),
            ("derainer", "clean", "derainer", "identity_clean"),
        ),
    )

    grid = (("rainy", "derained"), ("clean", "identity_clean"))
    wiring = {
        "derained": Pass("derainer", "rainy"),
        "identity_clean": Pass("derainer", "clean"),
    }

    def __post_init__(self):
        check(self, projection=at_least(1), discriminator_speed=above(0))

    def players(self) -> dict[str, Player]:
        generators = {"derainer": self.generator.build()}
        discriminators = {"discriminator_clean": PatchDiscriminator(self.discriminator)}
        if "lcl" in self.terms():
            generators |= projections(generators, self.projection)
        return {
            "generators": Player(generators),
            "discriminators": Player(discriminators, self.discriminator_speed),
        }


@dataclass(frozen=True)
class FastCUT(CUT):
    lcl: LCL = LCL(
        weight=10.0, roles=(("derainer", "rainy", "derainer", "derained"),), mirrored="heads"
    )

    grid = (("mirrored", "derained"),)
    wiring = {
        "heads": Made(coin, ("rainy",)),
        "mirrored": Made(mirror, ("rainy", "heads")),
        "derained": Pass("derainer", "mirrored"),
    }
