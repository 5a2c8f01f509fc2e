"""DerainCycleGAN (Wei et al., "DerainCycleGAN: rain attentive CycleGAN for single image deraining
and rainmaking", TIP 2021) as data: CycleGAN whose generators look where the rain is.

Code: LSGAN 1 a direction, cycle 10 a direction, attention 10 twice; ours are means over the
directions, hence half of each. Ours: every generator has an attention of its own, so that the
derainer is one network (theirs share one, a recurrent net; three convolutions applied six times
here); one discriminator a domain (theirs judges three scales); no perceptual term (VGG's weights
would have to be fetched), no pool, no weight decay.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import Adversarial, PixelL1, RainAttention
from cclgan_lite.losses.pixel import cycle
from cclgan_lite.methods.two_way import TwoWay
from cclgan_lite.networks import AttentiveConfig, NetworkConfig


@dataclass(frozen=True)
class DerainCycleGAN(TwoWay):
    generator: NetworkConfig = AttentiveConfig()

    adversarial: Adversarial = Adversarial()
    cycle: PixelL1 = cycle(10.0)
    attention: RainAttention = RainAttention()

    # No identity: a clean picture is looked at, not derained.
    wiring = {name: p for name, p in TwoWay.wiring.items() if not name.startswith("identity")}
