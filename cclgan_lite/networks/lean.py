"""Convolutions that keep for their backward pass only what costs time to compute again.

Norm, ReLU and reflection padding in front of a convolution take a hundredth of its time and two
thirds of its memory: PyTorch keeps what each of them returns. Here backward works these out again
from the raw output of the convolution before, which the norm keeps anyway. This is done on CPUs,
and not where a compiler makes the choice; elsewhere the functions are what their names say.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.norm import instance_norm


def norm_relu_conv(conv: nn.Conv2d, x: Tensor, normed: bool = True) -> Tensor:
    """`conv(relu(instance_norm(x)))`, the norm only if `normed`; `conv` may pad by reflection."""
    if _pays(x):
        return _LeanConv.apply(x.contiguous(), conv.weight, conv.bias, conv, True, normed)
    return conv(F.relu(instance_norm(x) if normed else x))


def lean_conv(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """`conv(x)` that keeps x, but not x padded."""
    if _pays(x):
        return _LeanConv.apply(x.contiguous(), conv.weight, conv.bias, conv, False, False)
    return conv(x)


def conv_to_few(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """`lean_conv` to very few channels; at least float32 on the lean path.

    Few outputs leave most of a processor's vectors empty. So each column of the kernel becomes
    output channels of its own, and the output is gathered from them: half the time.
    """
    if not _pays(x):
        return conv(x)
    outputs, inputs, size, _ = conv.weight.shape
    columns = conv.weight.permute(3, 0, 1, 2).reshape(size * outputs, inputs, size, 1)
    parts = _LeanConv.apply(x.contiguous(), columns, None, conv, False, False)
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
    """conv(pad(relu(norm(x)))); x is all that it keeps. Stride and padding are those of `conv`."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, conv: nn.Conv2d,
                relu: bool, norm: bool) -> Tensor:
        reflects = conv.padding_mode == "reflect"
        ctx.front = conv.padding[0] if reflects else 0, relu, norm
        padding = (0, 0) if reflects else conv.padding
        ctx.settings = conv.stride, padding, (1, 1), False, (0, 0), 1
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
            gradient, z.to(gradient.dtype), weight.to(gradient.dtype), [gradient.shape[1]],
            *ctx.settings, [True, True, ctx.needs_input_grad[2]],
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
