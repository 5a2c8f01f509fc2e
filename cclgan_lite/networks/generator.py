"""The ResNet generator of CycleGAN (Johnson et al. 2016; Zhu et al. 2017), CCLGAN section IV-A.

Both generators have it: `derainer` (G_n, rainy -> clean) and `rainer` (G_r, clean -> rainy).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.high_pass import high_pass
from cclgan_lite.networks.init import init_weights
from cclgan_lite.networks.lean import lean_conv
from cclgan_lite.networks.norm import instance_norm

Norm = Literal["instance", "none"]


@dataclass(frozen=True)
class GeneratorConfig:
    filters: int = 64  # channels of the first convolution; doubled by each of two downsamplings
    blocks: int = 9  # residual blocks at a quarter of the resolution
    head: Literal["tanh", "residual", "rain_layer", "grey_layer"] = "tanh"  # forms the output
    norm: Norm = "instance"  # none: brightness goes through unchanged
    skips: bool = False  # add what the way down has seen to the way up, for fine detail
    high_pass: bool = False  # see the fine structure of the image beside the image
    antialias: bool = False  # blur while down- and upsampling (the authors' code; Zhang 2019)
    taps: tuple[str, ...] = ("down1", "down2", "block1")  # features that LCL compares (their code)


class ResNetGenerator(nn.Module):
    """Image [B, 3, H, W] in [-1, 1] -> image of the same shape; H and W multiples of 4, >= 16.

    Three heads:
    - `tanh` (paper): the network paints the whole image.
    - `residual`: output = input + correction. The last convolution starts at zero, so training
      starts from the identity instead of from noise.
    - `rain_layer`: one layer for all three channels, because rain is nearly grey light, added by
      the rainer (`adds_rain=True`) and subtracted by the derainer. It starts near zero and is an
      absolute value, because light only adds: a signed layer flattens streaks by brightening what
      is around them, and ReLU or softplus layers die before the discriminators can see rain.
    - `grey_layer`: the same layer with its sign, for a derainer that is told the truth of some
      pictures (`rehearsal`): it needs no rule against brightening.

    Tap names, in order: `stem`, `down1`, `down2`, `block1` ... `block{n}`. As in CUT, the taps of
    the convolutions are their raw outputs, before the norm.
    """

    def __init__(self, config: GeneratorConfig | None = None, adds_rain: bool = False):
        super().__init__()
        self.config = config = config or GeneratorConfig()
        self.adds_rain = adds_rain
        f = config.filters
        stride = 1 if config.antialias else 2
        seen = 6 if config.high_pass else 3
        self.stem = nn.Conv2d(seen, f, 7, padding=3, padding_mode="reflect")
        self.down1 = nn.Conv2d(f, 2 * f, 3, stride, padding=1)
        self.down2 = nn.Conv2d(2 * f, 4 * f, 3, stride, padding=1)
        self.blocks = nn.ModuleList(
            ResidualBlock(4 * f, config.norm) for _ in range(config.blocks)
        )
        if config.antialias:
            self.up1 = nn.Conv2d(4 * f, 2 * f, 3, padding=1)
            self.up2 = nn.Conv2d(2 * f, f, 3, padding=1)
        else:
            self.up1 = nn.ConvTranspose2d(4 * f, 2 * f, 3, 2, padding=1, output_padding=1)
            self.up2 = nn.ConvTranspose2d(2 * f, f, 3, 2, padding=1, output_padding=1)
        channels = 1 if config.head.endswith("layer") else 3
        self.last = nn.Conv2d(f, channels, 7, padding=3, padding_mode="reflect")
        init_weights(self)
        if config.norm == "none":
            self._scale_weights()
        if config.head == "residual":
            nn.init.zeros_(self.last.weight)
        elif config.head.endswith("layer"):
            nn.init.normal_(self.last.weight, std=0.002)

    def _scale_weights(self) -> None:
        """Weights that keep the scale of features (He et al. 2015): no norm restores it.

        Each block starts as little more than its identity.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module is not self.last:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        for block in self.blocks:
            block.conv2.weight.data.mul_(0.1)

    def tap_channels(self) -> dict[str, int]:
        """Channels of every tap in `config.taps`."""
        f = self.config.filters
        return {tap: {"stem": f, "down1": 2 * f}.get(tap, 4 * f) for tap in self.config.taps}

    def forward(
        self, image: Tensor, taps: Collection[str] = ()
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """The output image; with `taps`, also `{tap: features}` of the same pass."""
        features, x, kept = self._encode(image, taps)
        x = lean_conv(self.up1, _blur_up(x) if self.config.antialias else x)
        for conv in (self.up2, self.last):
            between = [kept.pop().add] if self.config.skips else []
            if self.config.antialias and conv is self.up2:
                between.append(_blur_up)
            x = self._next(conv, x, between)
        output = self._compose(image, x)
        return (output, features) if taps else output

    def encode(self, image: Tensor, taps: Collection[str]) -> dict[str, Tensor]:
        """Only the features: the pass stops at the deepest tap."""
        last_block = max((int(t[5:]) for t in taps if t.startswith("block")), default=0)
        return self._encode(image, taps, last_block)[0]

    def _encode(
        self, image: Tensor, taps: Collection[str], blocks: int | None = None
    ) -> tuple[dict[str, Tensor], Tensor, list[Tensor]]:
        """The taps, the output of the last block, and what skips add to the way up."""
        names = ["stem", "down1", "down2", *(f"block{i + 1}" for i in range(len(self.blocks)))]
        if unknown := set(taps) - set(names):
            raise ValueError(f"no tap {sorted(unknown)}; this generator has {names}")
        features, kept = {}, []
        x = torch.cat([image, high_pass(image)], 1) if self.config.high_pass else image
        x = features["stem"] = self.stem(x)
        between = [lambda x: kept.append(x) or x] if self.config.skips else []
        x = features["down1"] = self._next(self.down1, x, between)
        if self.config.antialias:
            between.insert(0, _blur_down)
        x = features["down2"] = self._next(self.down2, x, between)
        x = self._norm_relu(x)
        if self.config.antialias:
            x = _blur_down(x)
        for i, block in enumerate(self.blocks[:blocks]):
            x = features[f"block{i + 1}"] = block(x)
        return {tap: features[tap] for tap in taps}, x, kept

    def _next(
        self, conv: nn.Module, x: Tensor, between: Sequence[Callable[[Tensor], Tensor]]
    ) -> Tensor:
        """`conv` of x after norm, ReLU and what else lies between: lean where nothing does."""
        if not between:
            return lean_conv(conv, x, relu=True, norm=self.config.norm == "instance")
        x = self._norm_relu(x)
        for change in between:
            x = change(x)
        return lean_conv(conv, x)

    def _norm_relu(self, x: Tensor) -> Tensor:
        return F.relu(normalise(x, self.config.norm))

    def _compose(self, image: Tensor, last: Tensor) -> Tensor:
        if self.config.head == "tanh":
            return torch.tanh(last)
        if self.config.head == "residual":
            return image + last
        if self.config.head == "grey_layer":
            return image + last if self.adds_rain else image - last
        return image + last.abs() if self.adds_rain else image - last.abs()


class ResidualBlock(nn.Module):
    """x + conv-norm-relu-conv-norm (x), reflection padded."""

    def __init__(self, channels: int, norm: Norm = "instance"):
        super().__init__()
        self.norm = norm
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        inner = lean_conv(self.conv1, x)
        inner = lean_conv(self.conv2, inner, relu=True, norm=self.norm == "instance")
        return x + normalise(inner, self.norm)


def normalise(x: Tensor, norm: Norm) -> Tensor:
    return instance_norm(x) if norm == "instance" else x


def _binomial(x: Tensor) -> Tensor:
    """[1 2 1] x [1 2 1] / 16 in every channel."""
    line = (2 - torch.arange(-1, 2, device=x.device).abs()).to(x.dtype) / 4  # 1/4, 1/2, 1/4
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
    # Edges are repeated by `cat`: compilers stumble over F.pad's replicate (PyTorch 2.15, CPU).
    x = torch.cat([x[..., :1], x, x[..., -1:]], 3)
    x = torch.cat([x[..., :1, :], x, x[..., -1:, :]], 2)
    return F.conv2d(x, kernel, groups=x.shape[1])


def _blur_down(x: Tensor) -> Tensor:
    return _binomial(x)[..., ::2, ::2]


def _blur_up(x: Tensor) -> Tensor:
    return _binomial(F.interpolate(x, scale_factor=2.0, mode="nearest"))
