"""NLCL (Ye et al., "Unsupervised deraining: where contrastive learning meets self-similarity",
CVPR 2022) as data: a picture falls into a background and a layer of rain.

Text: layers are unlike each other and each is like itself, whence layer contrast and self-similar
places; location contrast keeps what the picture shows. Code: networks, weights, numbers of
places, patches of 16 in windows of 40 pixels, 200 epochs at 2e-4 and 10 more falling to 0.
Ours, where the code is not to be followed: similarity is measured in pixels for all layers (there
in the features of the first convolution for one of the losses), on strided layers a place is the
cell that it falls into, both MLPs of the layer contrast learn (there the background's is in no
optimiser, and those of the location contrast are cleared before their step), and the first
convolution stands for the discriminator's pixels among the taps.
"""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_lite.losses import LCL, Adversarial, LayerContrast, PixelL1, PixelMSE
from cclgan_lite.methods.base import Player
from cclgan_lite.methods.two_layers import TwoLayers
from cclgan_lite.networks import DiscriminatorConfig, PatchProjection, projections
from cclgan_lite.validation import at_least, check


@dataclass(frozen=True)
class NLCL(TwoLayers):
    discriminator: DiscriminatorConfig = DiscriminatorConfig(taps=("conv1", "conv2", "conv3"))
    projection: int = 256  # width of every MLP

    adversarial: Adversarial = Adversarial(roles=(("discriminator_clean", "clean", "derained"),))
    location: LCL = LCL(
        weight=1.0,
        roles=(
            ("derainer", "rainy", "derainer", "derained"),
            ("derainer", "clean", "derainer", "identity_clean"),
        ),
        similar=True,
    )
    layers: LayerContrast = LayerContrast()
    reconstruction: PixelMSE = PixelMSE(1.0, (("recomposed", "rainy"),))
    closeness: PixelL1 = PixelL1(0.1, (("derained", "rainy"),))

    def __post_init__(self):
        super().__post_init__()
        check(self, projection=at_least(1))

    def players(self) -> dict[str, Player]:
        players, terms = super().players(), self.terms()
        generators = players["generators"].networks
        if "layers" in terms:
            channels = players["discriminators"].networks["discriminator_clean"].tap_channels()
            generators |= {
                mlp: PatchProjection(channels, self.projection) for _, mlp in self.layers.layers
            }
        if "location" in terms:
            generators |= projections({"derainer": generators["derainer"]}, self.projection)
        return players
