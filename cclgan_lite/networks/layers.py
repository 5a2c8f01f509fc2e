"""What several networks are made of: norm, initial weights, high-pass, places, mirror, blur."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def instance_norm(x: Tensor) -> Tensor:
    """(x - mean) / sqrt(var + 1e-5) over H and W of each image and channel; [B, C, H, W].

    Group normalisation with a group per channel is the same function. `F.instance_norm` is not
    used because its gradient is wrong on CPUs for one image whose gradient arrives in
    channels-last layout, as it does at the paper's batch size (PyTorch 2.15). It is also slower.
    """
    return F.group_norm(x.contiguous(), x.shape[1])


def init_weights(network: nn.Module, std: float = 0.02) -> None:
    """Weights N(0, std) and biases zero in every convolution and linear layer, as in CycleGAN."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def init_without_norm(generator: nn.Module) -> None:
    """Weights that keep the scale of features (He et al. 2015), since no norm restores it.

    Each of the `blocks` starts as little more than its identity. `last` stays as it is.
    """
    for module in generator.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module is not generator.last:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    for block in generator.blocks:
        block.conv2.weight.data.mul_(0.1)


def high_pass(image: Tensor, radius: int = 3) -> Tensor:
    """3 (x - mean over the square of this radius): what is left when smooth content is gone."""
    smooth = F.pad(image, (radius,) * 4, mode="reflect")
    return 3 * (image - F.avg_pool2d(smooth, 2 * radius + 1, stride=1))


def places_of(rows: int, columns: int) -> Tensor:
    """Where pixels lie, [2, rows, columns]: -1 above to 1 below, 0 amid to 1 at both sides."""
    down, across = (2 * (torch.arange(n) + 0.5) / n - 1 for n in (rows, columns))
    return torch.stack(torch.meshgrid(down, across.abs(), indexing="ij"))


def with_places(images: Tensor) -> Tensor:
    """Whole images [B, C, H, W] and where their pixels lie: [B, C + 2, H, W]."""
    places = places_of(*images.shape[2:]).to(images)
    return torch.cat([images, places.expand(len(images), -1, -1, -1)], 1)


def mirror(x: Tensor, heads: Tensor) -> Tensor:
    """Images or features [B, C, H, W], left-right mirrored where `heads`, bool [B, 1, 1, 1]."""
    return torch.where(heads, x.flip(-1), x)


def blur(x: Tensor) -> Tensor:
    """[1 2 1] x [1 2 1] / 16 in every channel."""
    line = (2 - torch.arange(-1, 2, device=x.device).abs()).to(x.dtype) / 4  # 1/4, 1/2, 1/4
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
    # Edges are repeated by `cat`: compilers stumble over F.pad's replicate (PyTorch 2.15, CPU).
    x = torch.cat([x[..., :1], x, x[..., -1:]], 3)
    x = torch.cat([x[..., :1, :], x, x[..., -1:, :]], 2)
    return F.conv2d(x, kernel, groups=x.shape[1])


def blur_down(x: Tensor) -> Tensor:
    """Every second pixel of the blurred image (Zhang 2019)."""
    return blur(x)[..., ::2, ::2]


def blur_up(x: Tensor) -> Tensor:
    """Twice the size, blurred."""
    return blur(F.interpolate(x, scale_factor=2.0, mode="nearest"))


def bilinear_up(x: Tensor) -> Tensor:
    """Twice the size, interpolated."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")
