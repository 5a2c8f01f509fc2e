"""A generator that first looks where the rain is: DerainCycleGAN's, attention and all, in one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.base import Generator, NetworkConfig, _multiple_of_4
from cclgan_lite.networks.generator import ResidualBlock
from cclgan_lite.networks.layers import init_weights, init_without_norm
from cclgan_lite.networks.norm_relu_conv import norm_relu_conv
from cclgan_lite.validation import at_least, check


@dataclass(frozen=True)
class AttentiveConfig(NetworkConfig):
    filters: int = 64  # channels of the first convolution; doubled by each of two downsamplings
    blocks: int = 4  # residual blocks at a quarter of the resolution
    looks: int = 6  # how often the attention is refined
    taps: tuple[str, ...] = ("attention",)

    def __post_init__(self):
        super().__post_init__()
        check(self, looks=at_least(1))

    @property
    def tap_names(self) -> list[str]:
        return ["attention", *super().tap_names]

    @property
    def context(self) -> int:
        return _multiple_of_4(15 + 8 * self.blocks + 3 * self.looks)

    def build(self, adds_rain: bool = False) -> AttentiveGenerator:
        return AttentiveGenerator(self, adds_rain)


class AttentiveGenerator(Generator):
    """Paints the image that it sees beside its attention: G(x, A_T), A_t = U(x, A_t-1), A_0 = 1/2.

    The attention, the tap `attention` [B, 1, H, W], is a layer of light; U is three convolutions.
    """

    def __init__(self, config: AttentiveConfig | None = None, adds_rain: bool = False):
        super().__init__(config := config or AttentiveConfig(), adds_rain)
        f = config.filters
        wide = {"padding": 3, "padding_mode": "reflect"}
        near = {"padding": 1, "padding_mode": "reflect"}
        self.attend = nn.Sequential(
            nn.Conv2d(4, 32, 3, **near),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, **near),
            nn.ReLU(),
            nn.Conv2d(32, 1, 3, **near),
        )
        self.stem = nn.Conv2d(4, f, 7, **wide)
        self.down1 = nn.Conv2d(f, 2 * f, 3, 2, padding=1)
        self.down2 = nn.Conv2d(2 * f, 4 * f, 3, 2, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(4 * f, norm=False) for _ in range(config.blocks))
        self.up1 = nn.ConvTranspose2d(4 * f, 2 * f, 3, 2, padding=1, output_padding=1)
        self.up2 = nn.ConvTranspose2d(2 * f, f, 3, 2, padding=1, output_padding=1)
        self.last = nn.Conv2d(f, 3, 7, **wide)
        init_weights(self)
        init_without_norm(self)

    def tap_channels(self) -> dict[str, int]:
        return super().tap_channels() | ({"attention": 1} if "attention" in self.taps else {})

    def _down(
        self, image: Tensor, blocks: int
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        image = image.to(self.attend[0].weight.dtype)
        attention = torch.full_like(image[:, :1], 0.5)
        for _ in range(self.config.looks):
            attention = self.attend(torch.cat([image, attention], 1))
        features = {"attention": attention}
        x = features["stem"] = self.stem(torch.cat([image, attention], 1))
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
        x = F.relu(self.up1(x)) + half
        x = F.relu(self.up2(x)) + whole
        return features, norm_relu_conv(self.last, x, norm=False, relu=False)
