"""CycleGAN (Zhu et al. 2017) as data: two translations, and back again.

Weights read as CycleGAN's lambda (10) and lambda_idt (half of it): our adversarial, cycle and
identity terms are each the mean of two directions where CycleGAN adds them. No image pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import Adversarial, PixelL1
from cclgan_lite.losses.pixel import cycle, identity
from cclgan_lite.methods.two_way import TwoWay


@dataclass(frozen=True)
class CycleGAN(TwoWay):
    adversarial: Adversarial = Adversarial()
    cycle: PixelL1 = cycle(10.0)
    identity: PixelL1 = identity(5.0)
