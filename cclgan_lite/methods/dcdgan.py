"""DCD-GAN (Chen et al., "Unpaired deep image deraining using dual contrastive learning", CVPR
2022) as data: bidirectional translation, guided by a contrast of unpaired exemplars.

Text, as far as we have it (its abstract): translation both ways with the adversarial consistency
of a circle, and, in a deep feature space, similar exemplars drawn together and dissimilar ones
pushed apart; its equations were not read. Code (`dcd_model.py`, read): its contrast is DCLGAN's,
output against input, with that weight, tau and identity; the circle, and L1 and frequency terms
between unpaired pictures, are computed and never added. That is the recipe `dcd-gan-code`, DCLGAN
with their numbers.
Ours: the equation of `ExemplarContrast` with the code's weight and tau for its contrast, and the
weights 1 that the code has for its circle and identity.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import Adversarial, ExemplarContrast, PixelL1
from cclgan_lite.losses.pixel import cycle, identity
from cclgan_lite.methods.dclgan import TAPS
from cclgan_lite.methods.two_way import TwoWay
from cclgan_lite.networks import GeneratorConfig, NetworkConfig


@dataclass(frozen=True)
class DCDGAN(TwoWay):
    generator: NetworkConfig = GeneratorConfig(antialias=True, taps=TAPS)
    projection: int = 256

    adversarial: Adversarial = Adversarial()
    cycle: PixelL1 = cycle(1.0)
    identity: PixelL1 = identity(1.0)
    exemplars: ExemplarContrast = ExemplarContrast()
