"""The losses, a file for each group of equations of the paper.

    contrastive.py   the ratio and InfoNCE primitives
    adversarial.py   eq. 8-10   LSGAN or hinge
    lcl.py           eq. 7      location contrastive learning
    intra_ccl.py     eq. 1-3    contrast in CLIP's space
    inter_ccl.py     eq. 4-6    contrast in the discriminators' space
    attention.py     an attention that is the rain (DerainCycleGAN)
    exemplars.py     contrast of unpaired exemplars (DCD-GAN)
    directional.py   rain along its streaks, background in all directions (UDGNet)
    hard_negatives.py  location contrast with learned negatives (CDD-GAN)
    layer_contrast.py  background against rain (NLCL)
    pixel.py         L1 and squares, terms that the paper does not have
    term.py          what a loss term is

Eq. 11, their weighted sum, is a recipe (`cclgan_lite/recipes.py`).
"""

from cclgan_lite.losses.adversarial import Adversarial, discriminator_loss, generator_loss
from cclgan_lite.losses.attention import RainAttention
from cclgan_lite.losses.contrastive import distance, info_nce, patch_nce, ratio
from cclgan_lite.losses.directional import Isotropic, Streaks
from cclgan_lite.losses.exemplars import ExemplarContrast
from cclgan_lite.losses.hard_negatives import HardNegatives
from cclgan_lite.losses.inter_ccl import InterCCL, inter_ccl
from cclgan_lite.losses.intra_ccl import IntraCCL, intra_ccl
from cclgan_lite.losses.layer_contrast import LayerContrast
from cclgan_lite.losses.lcl import LCL
from cclgan_lite.losses.pixel import PixelL1, PixelMSE

__all__ = [
    "LCL",
    "Adversarial",
    "ExemplarContrast",
    "HardNegatives",
    "InterCCL",
    "IntraCCL",
    "Isotropic",
    "LayerContrast",
    "PixelL1",
    "PixelMSE",
    "RainAttention",
    "Streaks",
    "discriminator_loss",
    "distance",
    "generator_loss",
    "info_nce",
    "inter_ccl",
    "intra_ccl",
    "patch_nce",
    "ratio",
]
