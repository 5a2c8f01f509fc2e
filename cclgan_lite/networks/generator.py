"""The ResNet generator of CycleGAN (Johnson et al. 2016; Zhu et al. 2017), CCLGAN section IV-A."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.base import Generator, NetworkConfig, _multiple_of_4
from cclgan_lite.networks.layers import (
    blur_down,
    blur_up,
    init_weights,
    init_without_norm,
    instance_norm,
)
from cclgan_lite.networks.norm_relu_conv import norm_relu_conv


@dataclass(frozen=True)
class GeneratorConfig(NetworkConfig):
    filters: int = 64  # channels of the first convolution; doubled by each of two downsamplings
    blocks: int = 9  # residual blocks at a quarter of the resolution
    head: Literal["tanh", "residual", "rain_layer"] = "tanh"  # forms the output
    norm: Literal["instance", "none"] = "instance"  # none: brightness goes through unchanged
    antialias: bool = False  # blur while down- and upsampling (the authors' code; Zhang 2019)
    taps: tuple[str, ...] = ("down1", "down2", "block1")  # features that LCL compares (their code)

    @property
    def normalises(self) -> bool:
        return self.norm == "instance"

    @property
    def context(self) -> int:
        return _multiple_of_4(15 + 8 * self.blocks + 9 * self.antialias)

    def build(self, adds_rain: bool = False) -> ResNetGenerator:
        return ResNetGenerator(self, adds_rain)


class ResNetGenerator(Generator):
    """Two convolutions down, residual blocks, two up. Three heads:

    - `tanh` (paper): the network paints the whole image.
    - `residual`: output = input + correction. The last convolution starts at zero, so training
      starts from the identity instead of from noise.
    - `rain_layer`: one layer for all three channels, because rain is nearly grey light, added by
      the rainer and subtracted by the derainer. It starts near zero and is an absolute value,
      because light only adds: a signed layer flattens streaks by brightening what is around them,
      and ReLU or softplus layers die before the discriminators can see rain.
    """

    def __init__(self, config: GeneratorConfig | None = None, adds_rain: bool = False):
        super().__init__(config := config or GeneratorConfig(), adds_rain)
        f, norm = config.filters, config.normalises
        stride = 1 if config.antialias else 2
        self.stem = nn.Conv2d(3, f, 7, padding=3, padding_mode="reflect")
        self.down1 = nn.Conv2d(f, 2 * f, 3, stride, padding=1)
        self.down2 = nn.Conv2d(2 * f, 4 * f, 3, stride, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(4 * f, norm) for _ in range(config.blocks))
        if config.antialias:
            self.up1 = nn.Conv2d(4 * f, 2 * f, 3, padding=1)
            self.up2 = nn.Conv2d(2 * f, f, 3, padding=1)
        else:
            self.up1 = nn.ConvTranspose2d(4 * f, 2 * f, 3, 2, padding=1, output_padding=1)
            self.up2 = nn.ConvTranspose2d(2 * f, f, 3, 2, padding=1, output_padding=1)
        channels = 1 if config.head == "rain_layer" else 3
        self.last = nn.Conv2d(f, channels, 7, padding=3, padding_mode="reflect")
        # With anti-aliasing the convolutions keep the size and blurs change it.
        self.shrink = blur_down if config.antialias else None
        self.grow = blur_up if config.antialias else None
        init_weights(self)
        if not norm:
            init_without_norm(self)
        if config.head == "residual":
            nn.init.zeros_(self.last.weight)
        elif config.head == "rain_layer":
            nn.init.normal_(self.last.weight, std=0.002)

    def _down(self, image: Tensor, blocks: int) -> tuple[dict[str, Tensor], Tensor]:
        norm, features = self.config.normalises, {}
        x = features["stem"] = self.stem(image)
        x = features["down1"] = norm_relu_conv(self.down1, x, norm=norm)
        x = features["down2"] = norm_relu_conv(self.down2, x, norm=norm, resize=self.shrink)
        x = F.relu(instance_norm(x) if norm else x)
        x = self.shrink(x) if self.shrink else x
        for i, block in enumerate(self.blocks[:blocks]):
            x = features[f"block{i + 1}"] = block(x)
        return features, x

    def _paint(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        norm = self.config.normalises
        features, x = self._down(image, self.config.blocks)
        x = self.up1(self.grow(x) if self.grow else x)
        x = norm_relu_conv(self.up2, x, norm=norm, resize=self.grow)
        x = norm_relu_conv(self.last, x, norm=norm)
        if self.config.head == "tanh":
            return features, torch.tanh(x)
        if self.config.head == "residual":
            return features, image + x
        return features, image + x.abs() if self.adds_rain else image - x.abs()


class ResidualBlock(nn.Module):
    """x + conv-norm-relu-conv-norm (x), reflection padded."""

    def __init__(self, channels: int, norm: bool = True):
        super().__init__()
        self.norm = norm
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        inner = norm_relu_conv(self.conv1, x, norm=False, relu=False)
        inner = norm_relu_conv(self.conv2, inner, norm=self.norm)
        return x + (instance_norm(inner) if self.norm else inner)
