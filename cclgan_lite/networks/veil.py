"""Veil taken off at an eighth of the resolution, where it can be seen and costs nothing.

Rain too far away to be seen as streaks veils a picture J with airlight, I = J (1 - A) + A0 A
(data/rain.py). Solved for J, in [0, 1]:

    J = (1 + g) I - c,    g = A / (1 - A),    c = A0 A / (1 - A).

A is as smooth as the depth of the scene, so g and c are found for squares of pixels and
interpolated; the picture itself keeps every pixel. Depth has much to do with place (roads begin
below, skies lie above), so the network hears where in the picture a square lies, which is why it
is shown pictures whole, never tiles. 58 thousand parameters for 32 channels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.layers import with_places

LEAST, MOST = 8, 64  # pixels of a square's side; squares along the longer side of a picture
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

    def features(self, centred: Tensor, blocks: int = len(DILATIONS)) -> list[Tensor]:
        """Squares minus 0.5, [B, 3, h, w] -> what the first layer and so many blocks give."""
        features = [F.relu(self.first(with_places(centred)))]
        for conv in self.blocks[:blocks]:
            features.append(features[-1] + F.relu(conv(features[-1])))
        return features

    def coefficients(self, squares: Tensor) -> Tensor:
        """Means over squares of whole pictures, [B, 3, h, w] in [0, 1] -> c (3 channels), g."""
        return self.last(self.features(squares - 0.5)[-1])

    def forward(self, image: Tensor) -> Tensor:
        light, side = (image + 1) / 2, side_of(*image.shape[2:])
        found = self.coefficients(squares_of(light, side).to(self.first.weight.dtype))
        return 2 * take_veil(light, spread(found.to(image.dtype), side, *image.shape[2:])) - 1


def side_of(height: int, width: int) -> int:
    """Of the squares in pixels: 8 in pictures of up to 512, a 64th of larger ones, rounded up."""
    return max(LEAST, -(-max(height, width) // MOST))


def squares_of(light: Tensor, side: int) -> Tensor:
    """Means over squares, counted from the upper left; the last ones are of what is there."""
    return F.avg_pool2d(light, side, ceil_mode=True, count_include_pad=False)


def spread(coefficients: Tensor, side: int, height: int, width: int) -> Tensor:
    """From squares to pixels, bilinearly."""
    found = F.interpolate(coefficients, scale_factor=side, mode="bilinear")
    return found[..., :height, :width]


def take_veil(light: Tensor, coefficients: Tensor) -> Tensor:
    """J = (1 + g) I - c for I and J in [0, 1]."""
    return (1 + coefficients[:, 3:]) * light - coefficients[:, :3]


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="replicate"
    )
