"""UDGNet (Yu et al., "Unsupervised image deraining: optimization model driven deep CNN", ACM MM
2021) as data: the energy of an optimisation model, descended by networks.

Text: rain is anisotropic, its gradient lies across its streaks; a clean picture is isotropic; both
layers add up to the picture, and a discriminator judges the background. Code: weights as sums over
8 crops of 128 x 128 in [0, 1], which ours are for means in [-1, 1]:

            |B + R - O|^2  |dR/dv|  |dR/dw - dO/dw|  |R|  |B - O|^2  TV   GAN
    code    1              1.5      1                0.1  .01        .02  4000
    ours    1              3        2                0.2  .01        .02  .04

(all times 4 / 393216, and |.| half of that, since our differences are twice as large). Ours: the
direction is read off the picture, where theirs turns the picture by an angle that a network was
taught with labels; networks as NLCL's; no pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import Adversarial, Isotropic, PixelMSE, Streaks
from cclgan_lite.methods.two_layers import TwoLayers


@dataclass(frozen=True)
class UDGNet(TwoLayers):
    adversarial: Adversarial = Adversarial(
        weight=0.04, roles=(("discriminator_clean", "clean", "derained"),)
    )
    reconstruction: PixelMSE = PixelMSE(1.0, (("recomposed", "rainy"),))
    streaks: Streaks = Streaks()
    closeness: PixelMSE = PixelMSE(0.01, (("derained", "rainy"),))
    isotropic: Isotropic = Isotropic(0.02)
