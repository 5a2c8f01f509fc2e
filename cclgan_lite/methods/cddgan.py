"""CDD-GAN (Chen et al., "Unpaired deep image dehazing using contrastive disentanglement learning",
ECCV 2022) as data: CycleGAN, and a contrast whose negatives are learned to be hard.

Text, as far as we have it (its abstract): contrast in a CycleGAN, with negative generators that
take turns with the encoders and maximise the contrastive loss; unpaired clear exemplars help. Its
equations and its code were not read; its page says that NEGCUT's code is what it is built on, and
the numbers of `HardNegatives` and `NegativeGenerator` are from there. Ours: CycleGAN's weights;
each output is encoded by the other generator, whose pass the cycle makes anyway; all move at once
instead of in turns; the networks of the negatives read constants. The clear exemplars are
`exemplars`, as in DCD-GAN, without weight.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import Adversarial, ExemplarContrast, HardNegatives, PixelL1
from cclgan_lite.losses.pixel import cycle, identity
from cclgan_lite.methods.base import Player
from cclgan_lite.methods.dclgan import TAPS
from cclgan_lite.methods.two_way import TwoWay
from cclgan_lite.networks import GeneratorConfig, NegativeGenerator, NetworkConfig
from cclgan_lite.validation import above, at_least, check


@dataclass(frozen=True)
class CDDGAN(TwoWay):
    generator: NetworkConfig = GeneratorConfig(antialias=True, taps=TAPS)
    projection: int = 256
    negatives: int = 256  # made of each picture, per tap
    negatives_speed: float = 1.0  # their learning rate / generators' learning rate

    adversarial: Adversarial = Adversarial()
    cycle: PixelL1 = cycle(10.0)
    identity: PixelL1 = identity(5.0)
    contrast: HardNegatives = HardNegatives()
    exemplars: ExemplarContrast = ExemplarContrast(weight=0.0)

    def __post_init__(self):
        super().__post_init__()
        check(self, negatives=at_least(2), negatives_speed=above(0))

    def players(self) -> dict[str, Player]:
        players = super().players()
        networks = players["generators"].networks
        made = {
            f"{name}_negatives": NegativeGenerator(
                networks[name].tap_channels(), self.projection, self.negatives
            )
            for name in ("derainer", "rainer")
        }
        return players | {"negatives": Player(made, self.negatives_speed)}
