"""A restoration network: what the ResNet generator lacks for taking rain off and nothing else.

No norm forgets the brightness, skips carry the fine detail past the bottleneck, and the
high-passed image beside the image shows where rain may be. Veil, which it leaves, may be taken off
by a second network at an eighth of the resolution (networks/veil.py). Not from the paper; the
recipes that rehearse on rendered rain use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.base import Generator, NetworkConfig, _multiple_of_4
from cclgan_lite.networks.generator import ResidualBlock
from cclgan_lite.networks.layers import (
    bilinear_up,
    high_pass,
    init_weights,
    init_without_norm,
)
from cclgan_lite.networks.norm_relu_conv import norm_relu_conv
from cclgan_lite.networks.veil import VeilRemover


@dataclass(frozen=True)
class RestorationConfig(NetworkConfig):
    filters: int = 32  # channels of the first convolution; doubled by each of two downsamplings
    blocks: int = 5  # residual blocks at a quarter of the resolution
    # Bilinear learns 7 % slower, and cannot print the checkerboard that an adversary brings out of
    # transposed convolutions (Odena et al. 2016).
    upsampling: Literal["transposed", "bilinear"] = "transposed"
    veil: int = 0  # channels of the network that takes veil off afterwards; 0: none does
    taps: tuple[str, ...] = ("down1", "down2", "block1")  # features that LCL compares

    @property
    def context(self) -> int:
        # Beside the layers of every generator: 3 of the high-pass, 3 of bilinear upsampling.
        return _multiple_of_4(18 + 8 * self.blocks + 3 * (self.upsampling == "bilinear"))

    def build(self, adds_rain: bool = False) -> RestorationGenerator:
        return RestorationGenerator(self, adds_rain)


class RestorationGenerator(Generator):
    """The image minus (`adds_rain`: plus) one signed layer for all three channels.

    The layer keeps its sign, unlike that of `ResNetGenerator`: this network is told the truth of
    some pictures, and needs no rule against brightening. It starts near zero. The veil is taken
    off what is left (by a derainer; a rainer adds none), and starts as none at all.
    """

    def __init__(self, config: RestorationConfig | None = None, adds_rain: bool = False):
        super().__init__(config := config or RestorationConfig(), adds_rain)
        f = config.filters
        self.stem = nn.Conv2d(6, f, 7, padding=3, padding_mode="reflect")
        self.down1 = nn.Conv2d(f, 2 * f, 3, 2, padding=1)
        self.down2 = nn.Conv2d(2 * f, 4 * f, 3, 2, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(4 * f, norm=False) for _ in range(config.blocks))
        if config.upsampling == "bilinear":
            self.up1 = nn.Conv2d(4 * f, 2 * f, 3, padding=1)
            self.up2 = nn.Conv2d(2 * f, f, 3, padding=1)
            self.grow = bilinear_up
        else:
            self.up1 = nn.ConvTranspose2d(4 * f, 2 * f, 3, 2, padding=1, output_padding=1)
            self.up2 = nn.ConvTranspose2d(2 * f, f, 3, 2, padding=1, output_padding=1)
            self.grow = nn.Identity()
        self.last = nn.Conv2d(f, 1, 7, padding=3, padding_mode="reflect")
        init_weights(self)
        init_without_norm(self)
        nn.init.normal_(self.last.weight, std=0.002)
        self.veil = VeilRemover(config.veil) if config.veil and not adds_rain else None

    def _down(
        self, image: Tensor, blocks: int
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        features = {}
        x = features["stem"] = self.stem(torch.cat([image, high_pass(image)], 1))
        whole = F.relu(x)
        x = features["down1"] = self.down1(whole)
        half = F.relu(x)
        x = features["down2"] = self.down2(half)
        x = F.relu(x)
        for i, block in enumerate(self.blocks[:blocks]):
            x = features[f"block{i + 1}"] = block(x)
        return features, x, half, whole

    def _paint(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        features, x, half, whole = self._down(image, self.config.blocks)
        x = F.relu(self.up1(self.grow(x))) + half
        x = F.relu(self.up2(self.grow(x))) + whole
        layer = norm_relu_conv(self.last, x, norm=False, relu=False)
        image = image + layer if self.adds_rain else image - layer
        return features, image if self.veil is None else self.veil(image)
