"""The 70x70 PatchGAN discriminator (Isola et al. 2017), CCLGAN section IV-A.

Two of them: `judge_clean` (D_n) tells clean from derained images, `judge_rainy` (D_r) tells rainy
from rained ones. Their first layers are also the encoders E_D of inter-CCL (section III-B).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from cclgan_lite.networks.init import init_weights


@dataclass(frozen=True)
class DiscriminatorConfig:
    filters: int = 64  # channels of the first convolution
    norm: Literal["instance", "spectral", "none"] = "instance"  # after conv2, conv3 and conv4
    high_pass: bool = False  # judge only fine structure: rain is a faint high frequency
    taps: tuple[str, ...] = ("conv2", "conv3")  # features that inter-CCL compares (their code)


class PatchDiscriminator(nn.Module):
    """Image [B, 3, H, W] in [-1, 1] -> logits [B, 1, H/8 - 2, W/8 - 2], one per 70x70 patch.

    Five 4x4 convolutions named `conv1` ... `conv5`, LeakyReLU 0.2 between them; a tap is the raw
    output of its convolution. With `high_pass` the input is 3 (x - box7(x)): a plain classifier of
    rainy against clean crops is still at chance after 500 steps without it, because the content
    drowns the rain.
    """

    def __init__(self, config: DiscriminatorConfig | None = None):
        super().__init__()
        self.config = config = config or DiscriminatorConfig()
        f = config.filters
        self.conv1 = nn.Conv2d(3, f, 4, 2, padding=1)
        self.conv2 = nn.Conv2d(f, 2 * f, 4, 2, padding=1)
        self.conv3 = nn.Conv2d(2 * f, 4 * f, 4, 2, padding=1)
        self.conv4 = nn.Conv2d(4 * f, 8 * f, 4, 1, padding=1)
        self.conv5 = nn.Conv2d(8 * f, 1, 4, 1, padding=1)
        init_weights(self)
        if config.norm == "spectral":
            for conv in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
                spectral_norm(conv)

    def tap_channels(self) -> dict[str, int]:
        """Channels of every tap in `config.taps`."""
        return {tap: getattr(self, tap).out_channels for tap in self.config.taps}

    def forward(
        self, image: Tensor, taps: Collection[str] = (), judged: int | None = None
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """Logits; with `taps`, also `{tap: features}` of the same pass.

        `judged`: only the first so many images of the batch go on to logits; the others stop
        after the deepest tap, since inter-CCL needs nothing beyond it.
        """
        features = {}
        last_tap = max(taps, default="")
        x = high_pass(image) if self.config.high_pass else image
        for name in ("conv1", "conv2", "conv3", "conv4", "conv5"):
            x = getattr(self, name)(x)
            if name in taps:
                features[name] = x
            if name >= last_tap and judged is not None:
                x, judged = x[:judged], None
            if name in ("conv2", "conv3", "conv4") and self.config.norm == "instance":
                x = F.instance_norm(x)
            if name != "conv5":
                x = F.leaky_relu(x, 0.2)
        if missing := set(taps) - set(features):
            raise ValueError(f"no tap {sorted(missing)}; a discriminator has conv1 ... conv5")
        return (x, features) if taps else x


def high_pass(image: Tensor) -> Tensor:
    """3 (x - mean over 7x7): what is left of an image when its smooth content is gone."""
    smooth = F.avg_pool2d(F.pad(image, (3, 3, 3, 3), mode="reflect"), 7, stride=1)
    return 3 * (image - smooth)
