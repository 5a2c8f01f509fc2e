"""CycleGAN (Zhu et al. 2017) as data: two translations, and back again.

Weights read as CycleGAN's lambda (10) and lambda_idt (half of it): our adversarial, cycle and
identity terms are each the mean of two directions where CycleGAN adds them. No image pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import Adversarial, PixelL1
from cclgan_lite.losses.pixel import cycle, identity
from cclgan_lite.methods.base import Method, Pass, Player
from cclgan_lite.networks import (
    DiscriminatorConfig,
    GeneratorConfig,
    NetworkConfig,
    PatchDiscriminator,
)
from cclgan_lite.validation import above, check


@dataclass(frozen=True)
class CycleGAN(Method):
    generator: NetworkConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    discriminator_speed: float = 1.0  # discriminators' learning rate / generators' learning rate

    adversarial: Adversarial = Adversarial()
    cycle: PixelL1 = cycle(10.0)
    identity: PixelL1 = identity(5.0)

    grid = (("rainy", "derained", "rerained"), ("clean", "rained", "rederained"))
    wiring = {
        "derained": Pass("derainer", "rainy"),
        "rained": Pass("rainer", "clean"),
        "rerained": Pass("rainer", "derained"),
        "rederained": Pass("derainer", "rained"),
        "identity_clean": Pass("derainer", "clean"),
        "identity_rainy": Pass("rainer", "rainy"),
    }

    def __post_init__(self):
        check(self, discriminator_speed=above(0))

    def players(self) -> dict[str, Player]:
        return {
            "generators": Player(
                {
                    "derainer": self.generator.build(),
                    "rainer": self.generator.build(adds_rain=True),
                }
            ),
            "discriminators": Player(
                {
                    "discriminator_clean": PatchDiscriminator(self.discriminator),
                    "discriminator_rainy": PatchDiscriminator(self.discriminator),
                },
                self.discriminator_speed,
            ),
        }
