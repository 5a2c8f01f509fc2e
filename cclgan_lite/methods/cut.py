"""CUT (Park et al. 2020) as data: one generator, one judge, and a contrast of places.

PatchNCE is our LCL with the generator itself as encoder of both images, also on a clean image
and its derained self (their identity term). Taps as theirs, but for the shallowest: where CUT
takes the RGB pixels, we take the first convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import GeneratorConfig


@dataclass(frozen=True)
class CUT(CCLGAN):
    generator: GeneratorConfig = GeneratorConfig(
        taps=("stem", "down1", "down2", "block1", "block5")
    )
    adversarial: Adversarial = Adversarial(games=(("judge_clean", "clean", "derained"),))
    lcl: LCL = LCL(
        weight=1.0,
        pairs=(
            ("derainer", "rainy", "derainer", "derained"),
            ("derainer", "clean", "derainer", "identity_clean"),
        ),
    )
    intra: IntraCCL = IntraCCL(weight=0.0)
    inter: InterCCL = InterCCL(weight=0.0)

    grid = (("rainy", "derained"), ("clean", "identity_clean"))

    def networks(self) -> dict[str, nn.Module]:
        return {
            name: network
            for name, network in super().networks().items()
            if not name.startswith(("rainer", "judge_rainy"))
        }
