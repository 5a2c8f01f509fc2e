"""What NLCL and UDGNet share: a picture falls into two layers, background and rain."""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.methods.base import Made, Method, Pass, Player
from cclgan_lite.methods.operators import overlay
from cclgan_lite.networks import (
    DiscriminatorConfig,
    FlatConfig,
    NetworkConfig,
    PatchDiscriminator,
)
from cclgan_lite.validation import above, check


@dataclass(frozen=True)
class TwoLayers(Method):
    generator: NetworkConfig = FlatConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    discriminator_speed: float = 1.0  # discriminator's learning rate / generators' learning rate

    grid = (("rainy", "derained", "rain"),)
    wiring = {
        "derained": Pass("derainer", "rainy"),
        "rain": Pass("rain_generator", "rainy"),
        "recomposed": Made(overlay, ("derained", "rain")),
        "identity_clean": Pass("derainer", "clean"),
    }

    def __post_init__(self):
        check(self, discriminator_speed=above(0))

    def players(self) -> dict[str, Player]:
        return {
            "generators": Player(
                {"derainer": self.generator.build(), "rain_generator": self.generator.build()}
            ),
            "discriminators": Player(
                {"discriminator_clean": PatchDiscriminator(self.discriminator)},
                self.discriminator_speed,
            ),
        }
