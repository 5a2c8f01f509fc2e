"""What CycleGAN, DCLGAN and their relatives share: a translation each way, and a judge of each.

rainy -> derained -> rerained
clean -> rained -> rederained
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.methods.base import Method, Pass, Player
from cclgan_lite.networks import (
    DiscriminatorConfig,
    GeneratorConfig,
    NetworkConfig,
    PatchDiscriminator,
    projections,
)
from cclgan_lite.validation import above, at_least, check


@dataclass(frozen=True)
class TwoWay(Method):
    generator: NetworkConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    discriminator_speed: float = 1.0  # discriminators' learning rate / generators' learning rate
    projection: int = 0  # width of the generators' MLPs, for contrasts; 0: none

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
        check(self, discriminator_speed=above(0), projection=at_least(0))

    def players(self) -> dict[str, Player]:
        generators = {
            "derainer": self.generator.build(),
            "rainer": self.generator.build(adds_rain=True),
        }
        if self.projection:
            generators |= projections(generators, self.projection)
        return {
            "generators": Player(generators),
            "discriminators": Player(
                {
                    "discriminator_clean": PatchDiscriminator(self.discriminator),
                    "discriminator_rainy": PatchDiscriminator(self.discriminator),
                },
                self.discriminator_speed,
            ),
        }
