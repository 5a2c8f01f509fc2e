"""conv(relu(instance_norm(x))), which keeps for its backward pass only what costs time.

Norm, ReLU and reflection padding in front of a convolution take a hundredth of its time and two
thirds of its memory: PyTorch keeps what each of them returns. Here backward works these out again
from the raw output of the convolution before, which the norm keeps anyway. This is done on CPUs,
and not where a compiler makes the choice; elsewhere the function is what its name says.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.layers import instance_norm

FEW = 3  # output channels


def norm_relu_conv(
    conv: nn.Conv2d | nn.ConvTranspose2d,
    x: Tensor,
    *,
    norm: bool = True,
    relu: bool = True,
    resize: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """conv(resize(relu(instance_norm(x)))), without what is not asked for.

    It keeps x and nothing that lies between, but for what `resize` makes. `conv` may pad by
    reflection. On the lean path, few output channels come in at least float32.
    """
    if resize or not _pays(x):
        x = instance_norm(x) if norm else x
        x = F.relu(x) if relu else x
        return norm_relu_conv(conv, resize(x), norm=False, relu=False) if resize else conv(x)
    x = x.contiguous()
    if conv.out_channels > FEW or conv.padding_mode != "reflect":
        return _LeanConv.apply(x, conv.weight, conv.bias, conv, relu, norm)
    # Few outputs leave most of a processor's vectors empty. So each column of the kernel becomes
    # output channels of its own, and the output is gathered from them: half the time.
    outputs, inputs, size, _ = conv.weight.shape
    columns = conv.weight.permute(3, 0, 1, 2).reshape(size * outputs, inputs, size, 1)
    parts = _LeanConv.apply(x, columns, None, conv, relu, norm)
    parts = parts.to(torch.promote_types(parts.dtype, torch.float32)).unflatten(1, (size, outputs))
    moved = [parts[:, k, ..., k : k + x.shape[3]] for k in range(size)]
    return sum(moved) + conv.bias.view(-1, 1, 1)


def _pays(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.requires_grad
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
    )


class _LeanConv(torch.autograd.Function):
    """conv(pad(relu(norm(x)))); x is all that it keeps. What is not given is as in `conv`."""

    @staticmethod
    def forward(
        ctx,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        conv: nn.Conv2d,
        relu: bool,
        norm: bool,
    ) -> Tensor:
        reflects = conv.padding_mode == "reflect"
        ctx.front = conv.padding[0] if reflects else 0, relu, norm
        padding = (0, 0) if reflects else conv.padding
        ctx.settings = conv.stride, padding, (1, 1), conv.transposed, conv.output_padding, 1
        ctx.save_for_backward(x, weight)
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        with torch.autocast("cpu", enabled=False):
            z = _front(x, *ctx.front)[0].to(dtype)
            bias = None if bias is None else bias.to(dtype)
            return torch.convolution(z, weight.to(dtype), bias, *ctx.settings)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        aten = torch.ops.aten
        x, weight = ctx.saved_tensors
        pad, relu, norm = ctx.front
        z, active, statistics = _front(x, *ctx.front)
        g, g_weight, g_bias = aten.convolution_backward(
            gradient,
            z.to(gradient.dtype),
            weight.to(gradient.dtype),
            [gradient.shape[1]],
            *ctx.settings,
            [True, True, ctx.needs_input_grad[2]],
        )
        g = g.to(x.dtype)
        if pad:
            g = aten.reflection_pad2d_backward(g, active, [pad] * 4)
        if relu:
            g = aten.threshold_backward(g, active, 0)
        if norm:
            g, _, _ = aten.native_group_norm_backward(
                g.contiguous(), x, *statistics, None, *_groups(x), [True, False, False]
            )
        return g, g_weight, g_bias, None, None, None


def _front(x: Tensor, pad: int, relu: bool, norm: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
    """What the convolution reads, the same before padding, and the norm's mean and 1 / std."""
    statistics: list[Tensor] = []
    if norm:
        x, *statistics = torch.native_group_norm(x, None, None, *_groups(x), 1e-5)
    if relu:
        x = F.relu(x)
    return (F.pad(x, [pad] * 4, mode="reflect") if pad else x), x, statistics


def _groups(x: Tensor) -> tuple[int, int, int, int]:
    """[B, C, H, W] as group normalisation counts it: one group per channel."""
    return x.shape[0], x.shape[1], x.shape[2] * x.shape[3], x.shape[1]
