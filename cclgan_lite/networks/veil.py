"""Veil taken off at an eighth of the resolution, where it can be seen and costs nothing.

Rain too far away to be seen as streaks veils a picture J with airlight, I = J (1 - A) + A0 A
(data/rain.py). Solved for J, in [0, 1]:

    J = (1 + g) I - c,    g = A / (1 - A),    c = A0 A / (1 - A).

A is as smooth as the depth of the scene, so g and c are found for squares of 8 x 8 pixels and
interpolated; the picture itself keeps every pixel. 48 thousand parameters for 32 channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 8  # pixels; squares are counted from the upper left corner
DILATIONS = (1, 2, 4, 8, 4, 1)  # in squares: a wide look without further layers
REACH = STRIDE * (1 + sum(DILATIONS) + 1) + 3 * STRIDE // 2  # pixels; the rest is interpolation


class VeilRemover(nn.Module):
    """Image [B, 3, H, W] in [-1, 1] -> image of the same shape; at first the same image."""

    def __init__(self, channels: int = 32):
        super().__init__()
        self.first = _conv(3, channels)
        self.blocks = nn.ModuleList(_conv(channels, channels, d) for d in DILATIONS)
        self.last = _conv(channels, 4)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def coefficients(self, squares: Tensor) -> Tensor:
        """Means over squares, [B, 3, h, w] in [0, 1] -> c in three channels and g in one."""
        x = F.relu(self.first(squares - 0.5))
        for conv in self.blocks:
            x = x + F.relu(conv(x))
        return self.last(x)

    def forward(self, image: Tensor) -> Tensor:
        light = (image + 1) / 2
        squares = F.avg_pool2d(light, STRIDE, ceil_mode=True, count_include_pad=False)
        found = self.coefficients(squares.to(self.first.weight.dtype)).to(image.dtype)
        found = F.interpolate(found, scale_factor=STRIDE, mode="bilinear")
        found = found[..., : image.shape[2], : image.shape[3]]
        return 2 * take_veil(light, found) - 1


def take_veil(light: Tensor, coefficients: Tensor) -> Tensor:
    """J = (1 + g) I - c for I and J in [0, 1]."""
    return (1 + coefficients[:, 3:]) * light - coefficients[:, :3]


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="replicate"
    )
