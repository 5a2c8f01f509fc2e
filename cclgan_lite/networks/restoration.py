"""A restoration network: what the ResNet generator lacks for taking rain off and nothing else.

No norm forgets the brightness, skips carry the fine detail past the bottleneck, and the
high-passed image beside the image shows where rain may be. With `look` it also sees a wide
surrounding, coarsely, and with `veil` it can take off more than light that was added. Not from the
paper; the recipes that rehearse on rendered rain use it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.base import Generator, NetworkConfig
from cclgan_lite.networks.generator import ResidualBlock
from cclgan_lite.networks.layers import high_pass, init_weights, init_without_norm
from cclgan_lite.networks.norm_relu_conv import norm_relu_conv


@dataclass(frozen=True)
class RestorationConfig(NetworkConfig):
    filters: int = 32  # channels of the first convolution; doubled by each of two downsamplings
    blocks: int = 5  # residual blocks at a quarter of the resolution
    look: int = 0  # residual blocks at a sixteenth, which see how veiled a region is; 0: none
    veil: bool = False  # a gain and a coloured layer in place of one grey layer
    taps: tuple[str, ...] = ("down1", "down2", "block1")  # features that LCL compares

    @property
    def multiple(self) -> int:
        return 16 if self.look else 4

    @property
    def context(self) -> int:
        # Beside the layers of every generator: 3 of the high-pass; with `look` 32 for each of its
        # blocks, 29 for going down to a sixteenth, whose grid is not centred, and back.
        radius = 18 + 8 * self.blocks + (29 + 32 * self.look if self.look else 0)
        return -(-radius // self.multiple) * self.multiple

    def build(self, adds_rain: bool = False) -> RestorationGenerator:
        return RestorationGenerator(self, adds_rain)


class RestorationGenerator(Generator):
    """The image minus (`adds_rain`: plus) one signed layer for all three channels.

    The layer keeps its sign, unlike that of `ResNetGenerator`: this network is told the truth of
    some pictures, and needs no rule against brightening. It starts near zero.

    With `veil`, what data/rain.py composes as I = J (1 - R - A) + R + A0 A is solved for J:

        J = (1 + g) I - c,    g = (R + A) / (1 - R - A),    c = (R + A0 A) / (1 - R - A)

    for images in [0, 1], with a gain g for each pixel and a layer c for each channel.
    """

    def __init__(self, config: RestorationConfig | None = None, adds_rain: bool = False):
        super().__init__(config := config or RestorationConfig(), adds_rain)
        f = config.filters
        self.stem = nn.Conv2d(6, f, 7, padding=3, padding_mode="reflect")
        self.down1 = nn.Conv2d(f, 2 * f, 3, 2, padding=1)
        self.down2 = nn.Conv2d(2 * f, 4 * f, 3, 2, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(4 * f, norm=False) for _ in range(config.blocks))
        self.up1 = nn.ConvTranspose2d(4 * f, 2 * f, 3, 2, padding=1, output_padding=1)
        self.up2 = nn.ConvTranspose2d(2 * f, f, 3, 2, padding=1, output_padding=1)
        self.last = nn.Conv2d(f, 4 if config.veil else 1, 7, padding=3, padding_mode="reflect")
        init_weights(self)
        init_without_norm(self)
        nn.init.normal_(self.last.weight, std=0.002)
        self.look = Look(4 * f, config.look) if config.look else None

    def take(self, other: Generator) -> None:
        """Become what `other` computes. It may lack `look`, `veil` or both: light's weights do."""
        own, theirs = self.config, other.config
        wider = isinstance(theirs, RestorationConfig) and replace(
            theirs,
            look=theirs.look or own.look,
            veil=theirs.veil or own.veil,
            taps=own.taps,
        )
        if wider != own:
            return super().take(other)
        state = other.state_dict()
        if own.veil and not theirs.veil:  # the grey layer in every channel, and no gain
            for name in ("last.weight", "last.bias"):
                grey = state[name]
                state[name] = torch.cat([grey, grey, grey, torch.zeros_like(grey)])
        if own.look and not theirs.look:
            self.look.silence()
        self.load_state_dict(self.state_dict() | state)

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
        if self.look is not None:
            x = x + self.look(x)
        for i, block in enumerate(self.blocks[:blocks]):
            x = features[f"block{i + 1}"] = block(x)
        return features, x, half, whole

    def _paint(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        features, x, half, whole = self._down(image, self.config.blocks)
        x = F.relu(self.up1(x)) + half
        x = F.relu(self.up2(x)) + whole
        change = -norm_relu_conv(self.last, x, norm=False, relu=False)
        if self.config.veil:  # [-1, 1]: (1 + g) (I + 1) - 1 - 2 c; `last` returns 2 c and g
            change = change[:, :3] - change[:, 3:] * (image + 1)
        return features, image - change if self.adds_rain else image + change


class Look(nn.Module):
    """What surrounds each place, seen at a quarter of the features' resolution; starts at zero.

    Features [B, C, H, W] -> [B, C, H, W]. The grid of the coarse features begins at the upper left
    corner, whatever the size: tiles that begin at multiples of it see what the whole picture sees.
    """

    def __init__(self, channels: int, blocks: int):
        super().__init__()
        self.down1, self.down2 = _same(channels, 2), _same(channels, 2)
        self.blocks = nn.ModuleList(
            nn.Sequential(_same(channels), nn.ReLU(), _same(channels)) for _ in range(blocks)
        )
        self.out = nn.Conv2d(channels, channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        for block in self.blocks:
            block[-1].weight.data.mul_(0.1)
        self.silence()

    def silence(self) -> None:
        """From here on, until it learns, it adds nothing."""
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.down2(F.relu(self.down1(x))))
        for block in self.blocks:
            y = y + block(y)
        y = F.interpolate(self.out(F.relu(y)), scale_factor=4, mode="bilinear")
        return y[..., : x.shape[2], : x.shape[3]]


def _same(channels: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, stride, padding=1, padding_mode="replicate")
