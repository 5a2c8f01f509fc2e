"""A ResNet that never leaves the resolution of the picture: NLCL's, and, on details alone, DDN's.

NLCL (Ye et al., "Unsupervised deraining: where contrastive learning meets self-similarity", CVPR
2022): a convolution 3 -> 32, 16 residual blocks with instance norm, no tanh. DDN (Fu et al.,
"Removing rain from single images via a deep detail network", CVPR 2017): 16 channels and 12
blocks that see only the detail of a picture and add to the picture what they make of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.base import Generator, NetworkConfig, _multiple_of_4
from cclgan_lite.networks.generator import ResidualBlock
from cclgan_lite.networks.layers import high_pass, init_weights, init_without_norm, instance_norm
from cclgan_lite.networks.norm_relu_conv import norm_relu_conv

RADIUS = (
    15  # of the box that takes the detail out. DDN's code: a guided filter of this radius with
)
# epsilon 1, beside which the variances of pictures in [0, 1] are nothing: it is hardly another.


@dataclass(frozen=True)
class FlatConfig(NetworkConfig):
    filters: int = 32  # channels of every layer
    blocks: int = 16  # residual blocks
    norm: Literal["instance", "none"] = "instance"  # none: brightness goes through unchanged
    detail: bool = False  # see the high frequencies only, and correct the picture
    taps: tuple[str, ...] = ("stem", "block2", "block4", "block8", "block12")  # NLCL's code

    @property
    def tap_names(self) -> list[str]:
        return ["stem", *(f"block{i + 1}" for i in range(self.blocks))]

    @property
    def normalises(self) -> bool:
        return self.norm == "instance"

    @property
    def context(self) -> int:
        return _multiple_of_4(3 + 2 * self.blocks + RADIUS * self.detail)

    def build(self, adds_rain: bool = False) -> FlatGenerator:
        return FlatGenerator(self, adds_rain)


class FlatGenerator(Generator):
    """Stem, residual blocks, two convolutions. Paints the image, or with `detail` corrects it.

    Ours where the two papers differ from each other and from the other generators here: the stem
    has norm and ReLU, padding is by reflection, and `norm="none"` takes the place of batch norm.
    """

    def __init__(self, config: FlatConfig | None = None, adds_rain: bool = False):
        super().__init__(config := config or FlatConfig(), adds_rain)
        f = config.filters
        self.stem = nn.Conv2d(3, f, 3, padding=1, padding_mode="reflect")
        self.blocks = nn.ModuleList(
            ResidualBlock(f, config.normalises) for _ in range(config.blocks)
        )
        self.join = nn.Conv2d(f, f, 3, padding=1, padding_mode="reflect")
        self.last = nn.Conv2d(f, 3, 3, padding=1, padding_mode="reflect")
        init_weights(self)
        if not config.normalises:
            init_without_norm(self)
        if config.detail:
            nn.init.normal_(self.last.weight, std=0.002)

    def tap_channels(self) -> dict[str, int]:
        return dict.fromkeys(self.taps, self.config.filters)

    def _down(self, image: Tensor, blocks: int) -> tuple[dict[str, Tensor], Tensor]:
        features = {}
        x = features["stem"] = self.stem(high_pass(image, RADIUS) if self.config.detail else image)
        x = F.relu(instance_norm(x) if self.config.normalises else x)
        for i, block in enumerate(self.blocks[:blocks]):
            x = features[f"block{i + 1}"] = block(x)
        return features, x

    def _paint(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        features, x = self._down(image, self.config.blocks)
        x = norm_relu_conv(self.join, x, norm=False, relu=False)
        x = norm_relu_conv(self.last, x, norm=self.config.normalises)
        return features, image + x if self.config.detail else x
