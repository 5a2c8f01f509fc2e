"""Veil taken off at an eighth of the resolution, where it can be seen and costs nothing.

Rain too far away to be seen as streaks veils a picture J with airlight, I = J (1 - A) + A0 A
(data/rain.py). Solved for J, in [0, 1]:

    J = (1 + g) I - c,    g = A / (1 - A),    c = A0 A / (1 - A).

A is as smooth as the depth of the scene, so g and c are found for squares of 8 x 8 pixels and
interpolated; the picture itself keeps every pixel. Depth has much to do with place (roads begin
below, skies lie above), so the network hears where in the picture a square lies, which is why it
is shown pictures whole, never tiles. 48 thousand parameters for 32 channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.layers import with_places

STRIDE = 8  # pixels; squares are counted from the upper left corner
DILATIONS = (1, 2, 4, 8, 4, 1)  # in squares: a wide look without further layers


class VeilRemover(nn.Module):
    """Image [B, 3, H, W] in [-1, 1], whole -> image of the same shape; at first the same image."""

    def __init__(self, channels: int = 32):
        super().__init__()
        self.first = _conv(5, channels)
        self.blocks = nn.ModuleList(_conv(channels, channels, d) for d in DILATIONS)
        self.last = _conv(channels, 4)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def coefficients(self, squares: Tensor, places: Tensor | None = None) -> Tensor:
        """Means over squares, [B, 3, h, w] in [0, 1] -> c in three channels and g in one.

        `places`, [B, 2, h, w], are parts of `places_of`; None: `squares` are whole pictures.
        """
        x = F.relu(self.first(with_places(squares - 0.5, places)))
        for conv in self.blocks:
            x = x + F.relu(conv(x))
        return self.last(x)

    def forward(self, image: Tensor) -> Tensor:
        light = (image + 1) / 2
        found = self.coefficients(squares_of(light).to(self.first.weight.dtype)).to(image.dtype)
        return 2 * take_veil(light, spread(found, *image.shape[2:])) - 1


def squares_of(light: Tensor) -> Tensor:
    """Means over squares; the last row and column are means of what is there."""
    return F.avg_pool2d(light, STRIDE, ceil_mode=True, count_include_pad=False)


def spread(coefficients: Tensor, height: int, width: int) -> Tensor:
    """From squares to pixels, bilinearly."""
    found = F.interpolate(coefficients, scale_factor=STRIDE, mode="bilinear")
    return found[..., :height, :width]


def take_veil(light: Tensor, coefficients: Tensor) -> Tensor:
    """J = (1 + g) I - c for I and J in [0, 1]."""
    return (1 + coefficients[:, 3:]) * light - coefficients[:, :3]


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="replicate"
    )
