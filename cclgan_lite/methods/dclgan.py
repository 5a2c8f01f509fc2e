"""DCLGAN (Han et al., "Dual contrastive learning for unsupervised image-to-image translation",
CVPRW 2021) as data: CUT both ways, with a space to contrast in for each domain.

Text, as far as we have it (abstract and first figure): two encoders, each with an embedding of its
own, for two domains. Code (`dcl_model.py`, read): an output is encoded by the other generator,
which reads its domain, its input by the generator that read it; weight 2, tau 0.07, 256 places on
four taps; L1 identity of weight 1; hinge; no image pool; the MLPs have an Adam of their own at
1e-3. From memory: the text has LSGAN, which is our default. Ours: the MLPs learn as fast as the
generators. Our LCL is this contrast: CCLGAN took it from here.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import LCL, Adversarial, PixelL1
from cclgan_lite.losses.pixel import identity
from cclgan_lite.methods.two_way import TwoWay
from cclgan_lite.networks import GeneratorConfig, NetworkConfig

TAPS = ("down1", "down2", "block1", "block5")


@dataclass(frozen=True)
class DCLGAN(TwoWay):
    generator: NetworkConfig = GeneratorConfig(antialias=True, taps=TAPS)
    projection: int = 256

    adversarial: Adversarial = Adversarial()
    lcl: LCL = LCL(weight=2.0)
    identity: PixelL1 = identity(1.0)

    grid = (("rainy", "derained", "identity_rainy"), ("clean", "rained", "identity_clean"))
    # Outputs are encoded, not translated back.
    wiring = {name: p for name, p in TwoWay.wiring.items() if not name.startswith("re")}
