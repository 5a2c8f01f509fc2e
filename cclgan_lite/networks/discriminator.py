"""The PatchGAN discriminator (Isola et al. 2017), CCLGAN section IV-A.

Two of them: `discriminator_clean` (D_n) tells clean from derained images, `discriminator_rainy`
(D_r) rainy from rained ones. Their first layers are also the encoders E_D of inter-CCL (section
III-B).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cclgan_lite.networks.layers import high_pass, init_weights, instance_norm, with_places
from cclgan_lite.validation import at_least, check


@dataclass(frozen=True)
class DiscriminatorConfig:
    filters: int = 64  # channels of the first convolution, doubled by each up to 8 times as many
    layers: int = 3  # convolutions of stride 2: patches of 16, 34, 70 pixels for 1, 2, 3
    norm: Literal["instance", "spectral", "none"] = "instance"  # instance: not first and last
    high_pass: bool = False  # judge only fine structure: rain is a faint high frequency
    taps: tuple[str, ...] = ("conv2", "conv3")  # features that inter-CCL compares (their code)
    places: bool = False  # hear where in the picture they look, if they are shown whole pictures

    def __post_init__(self):
        check(self, filters=at_least(1), layers=at_least(1))
        names = [f"conv{i + 1}" for i in range(self.layers + 2)]
        if unknown := set(self.taps) - set(names):
            raise ValueError(f"taps: no tap {sorted(unknown)}; there are {names}")


class PatchDiscriminator(nn.Module):
    """Image [B, 3, H, W] in [-1, 1] -> logits [B, 1, H/8 - 2, W/8 - 2], one per 70x70 patch.

    Five 4x4 convolutions (`layers` + 2) named `conv1` ... `conv5`, LeakyReLU 0.2 between them; a
    tap is the raw output of its convolution. With `high_pass` the input is 3 (x - box7(x)): a
    plain classifier of rainy against clean crops is still at chance after 500 steps without it,
    because the content drowns the rain.
    """

    def __init__(self, config: DiscriminatorConfig | None = None):
        super().__init__()
        self.config = config = config or DiscriminatorConfig()
        f, n = config.filters, config.layers
        channels = [3 + 2 * config.places, *(f * min(2**i, 8) for i in range(n + 1)), 1]
        self.convs = nn.ModuleDict(
            {
                f"conv{i + 1}": nn.Conv2d(channels[i], channels[i + 1], 4, 2 if i < n else 1, 1)
                for i in range(n + 2)
            }
        )
        init_weights(self)
        if config.norm == "spectral":
            for conv in self.convs.values():
                spectral_norm(conv)

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that losses read."""
        return self.config.taps

    def tap_channels(self) -> dict[str, int]:
        """Channels of every tap in `taps`."""
        return {tap: self.convs[tap].out_channels for tap in self.taps}

    def forward(
        self, image: Tensor, taps: Collection[str] = (), count: int | None = None
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits; with `taps`, also `{tap: features}` of the same pass.

        `count`: only the first so many images of the batch go on to logits; the others stop after
        the deepest tap, since inter-CCL needs nothing beyond it.
        """
        if unknown := set(taps) - set(self.convs):
            raise ValueError(f"no tap {sorted(unknown)}; this discriminator has {[*self.convs]}")
        features = {}
        x = high_pass(image) if self.config.high_pass else image
        x = with_places(x) if self.config.places else x
        for i, (name, conv) in enumerate(self.convs.items()):
            if i > 0:
                x = F.leaky_relu(x, 0.2)
            x = conv(x)
            if name in taps:
                features[name] = x
            if count is not None and len(features) == len(taps):
                if count == 0:
                    return x[:0], features
                x, count = x[:count], None
            if 0 < i <= self.config.layers and self.config.norm == "instance":
                x = instance_norm(x)
        return (x, features) if taps else x

    def encode(self, image: Tensor, taps: Collection[str]) -> dict[str, Tensor]:
        """Only `{tap: features}`: the pass stops at the deepest tap."""
        return self(image, taps, count=0)[1] if taps else {}
