"""CycleGAN (Zhu et al. 2017) as data: CCLGAN's wiring, cycle consistency for its contrasts.

Weights read as CycleGAN's lambda (10) and lambda_idt (half of it): our adversarial, cycle and
identity terms are each the mean of two directions where CycleGAN adds them. No image pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import LCL, InterCCL, IntraCCL, PixelL1
from cclgan_lite.losses.pixel import cycle, identity
from cclgan_lite.methods.cclgan import CCLGAN


@dataclass(frozen=True)
class CycleGAN(CCLGAN):
    lcl: LCL = LCL(weight=0.0)
    intra: IntraCCL = IntraCCL(weight=0.0)
    inter: InterCCL = InterCCL(weight=0.0)
    identity: PixelL1 = identity(5.0)
    cycle: PixelL1 = cycle(10.0)
