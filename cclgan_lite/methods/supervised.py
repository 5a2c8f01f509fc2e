"""Supervised learning as data: what a generator reaches when it is told the truth.

No method of unpaired pictures can hope for more on the same data, which is why it is here. With
`FlatConfig(detail=True)` it is DDN (Fu et al. 2017), one of the first deep derainers.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.data.folders import PairedCrops
from cclgan_lite.losses import PixelL1, PixelMSE
from cclgan_lite.methods.base import Method, Pass, Player
from cclgan_lite.networks import GeneratorConfig, NetworkConfig

TRUTH = (("derained", "clean"),)


@dataclass(frozen=True)
class Supervised(Method):
    generator: NetworkConfig = GeneratorConfig()

    l1: PixelL1 = PixelL1(1.0, TRUTH)
    mse: PixelMSE = PixelMSE(0.0, TRUTH)

    data = PairedCrops
    grid = (("rainy", "derained", "clean"),)
    wiring = {"derained": Pass("derainer", "rainy")}

    def players(self) -> dict[str, Player]:
        return {"generators": Player({"derainer": self.generator.build()})}
