"""A generator for tiles of one large picture: fast, and with the statistics of the picture.

Instance normalisation measures mean and variance of what it is given, so that tiles normalised
one by one differ in brightness and contrast from the picture as a whole, and from each other.
Here the statistics are measured once, together, on windows spread over the picture. With them
fixed, a norm after a convolution is a factor and a summand for each channel, which the weights
and the bias of the convolution can hold: the norms vanish, the network becomes local, and tiles
with enough context give exactly what the whole picture gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks import Generator


@torch.inference_mode()
def fix_statistics(
    generator: Generator, sample: Tensor, dtype: torch.dtype = torch.float32
) -> Callable[[Tensor], Tensor]:
    """`generator`, all but its veil, every norm fixed to its statistics over all of `sample`.

    `sample` is [B, 3, h, w]; the result maps float32 images [B, 3, H, W], H and W multiples of 4,
    to float32 images. Its convolutions compute in `dtype`, channels last; `generator` itself stays
    as it is.
    """
    config = generator.config
    plain = replace(config, norm="none") if config.normalises else config
    with torch.device("meta"):  # draws no random numbers
        network = plain.build(generator.adds_rain)
    weights = {name: value.clone() for name, value in generator.state_dict().items()}
    network.load_state_dict(weights, assign=True)
    network.veil = None  # it needs the whole picture
    if config.normalises:
        normed = [
            module
            for module in network.modules()
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module is not network.last
        ]
        hooks = [conv.register_forward_hook(_fold_norm) for conv in normed]
        network(sample)
        for hook in hooks:
            hook.remove()
    network.last = _BlockwiseConv(network.last)
    network.to(dtype, memory_format=torch.channels_last)
    # Not the whole picture in `dtype`: the heads add the network's output to their input.
    network.stem.register_forward_pre_hook(
        lambda _, images: images[0].to(dtype, memory_format=torch.channels_last)
    )
    return torch.inference_mode()(network)


def _fold_norm(conv: nn.Conv2d | nn.ConvTranspose2d, _, output: Tensor) -> Tensor:
    """Norm the output over the whole batch, and move that norm into weight and bias."""
    variance, mean = torch.var_mean(output, (0, 2, 3), correction=0)
    scale = (variance + 1e-5).rsqrt()
    conv.weight.mul_(scale.view((1, -1, 1, 1) if conv.transposed else (-1, 1, 1, 1)))
    conv.bias.sub_(mean).mul_(scale)
    return output.sub_(mean.view(1, -1, 1, 1)).mul_(scale.view(1, -1, 1, 1))


class _BlockwiseConv(nn.Module):
    """A convolution to few channels as a strided one to many: 4 x 4 outputs at a time.

    One output channel leaves most of a vector register empty. Here the kernel is written 16
    times, shifted, into a kernel larger by 3, and the 16 channels are unfolded into pixels.
    """

    def __init__(self, conv: nn.Conv2d, side: int = 4):
        super().__init__()
        self.side, self.padding = side, conv.padding[0]
        outputs, inputs, size, _ = conv.weight.shape
        wide = size + side - 1
        weight = conv.weight.new_zeros(outputs, side, side, inputs, wide, wide)
        for y in range(side):
            for x in range(side):
                weight[:, y, x, :, y : y + size, x : x + size] = conv.weight
        self.weight = nn.Parameter(weight.flatten(0, 2), requires_grad=False)
        bias = conv.bias.repeat_interleave(side * side)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, [self.padding] * 4, mode="reflect")
        return F.pixel_shuffle(F.conv2d(x, self.weight, self.bias, self.side), self.side).float()
