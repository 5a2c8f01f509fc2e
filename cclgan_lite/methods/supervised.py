"""Supervised learning as data: what a generator reaches when it is told the truth.

No method of unpaired pictures can hope for more on the same data, which is why it is here. With
`FlatConfig(detail=True)` it is DDN (Fu et al. 2017), one of the first deep derainers. Text, as far
as we have it (its abstract): the network sees the high frequencies only and predicts a residual.
Code (theirs for the filter, a re-training in PyTorch for the rest): a guided filter of radius 15
and epsilon 1, 16 channels, 12 times two convolutions with batch norm, mean squared error. Ours:
`networks/flat.py` and the budget.
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
