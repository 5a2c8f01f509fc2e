"""Lesson 02: the generator."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from cclgan_lite.course.exercises import Wrong, both, check, expect, overflows


def _same_shape(got: torch.Tensor, want: torch.Tensor) -> None:
    shape = tuple(got.shape) if isinstance(got, torch.Tensor) else type(got).__name__
    if shape != tuple(want.shape):
        raise Wrong(f"the result is {shape}, it should be a tensor {tuple(want.shape)}")


@check("by_hand")
def check_by_hand(answer):
    """The norm of a random picture, of a constant and of a faint one."""
    x = 3 * torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) + 1
    want, got = F.instance_norm(x), answer(x)
    _same_shape(got, want)
    centred = x - x.mean((2, 3), keepdim=True)
    biased, unbiased = (x.var((2, 3), correction=k, keepdim=True) + 1e-5 for k in (0, 1))
    expect(
        got,
        want,
        {
            "the variance is divided by H W - 1: use unbiased=False, or the mean of the squared "
            "deviations": centred / unbiased.sqrt(),
            "the mean runs over the batch too: that is batch norm; use dimensions (2, 3)": (
                F.batch_norm(x, None, None, training=True)
            ),
            "the mean runs over the channels too: that is layer norm; use dimensions (2, 3)": (
                F.layer_norm(x, x.shape[1:])
            ),
            "the mean is gone, but nothing is divided by the standard deviation": centred,
            "divided by the variance instead of its square root": centred / biased,
        },
        "the values differ from F.instance_norm(x)",
    )
    inside = "eps belongs to the variance, inside the square root"
    if overflows(answer(torch.ones(1, 1, 4, 4))):
        raise Wrong(f"a constant channel gives 0 / 0: {inside}")
    faint = 1e-3 * x
    expect(answer(faint), F.instance_norm(faint), otherwise=f"faint channels differ: {inside}")


@check("transposed")
def check_transposed(answer):
    """A small picture and kernel, neither of them symmetrical."""
    rng = torch.Generator().manual_seed(0)
    x, kernel = torch.randn(1, 1, 3, 4, generator=rng), torch.randn(1, 1, 3, 3, generator=rng)

    def stamped(kernel):
        return F.conv_transpose2d(x, kernel, stride=2)

    want, got = stamped(kernel), answer(x, kernel)
    if isinstance(got, torch.Tensor) and got.shape[2:] == (5, 7):
        raise Wrong("the padding is too small: with 1 the border stamps are cut off; pad by 2")
    _same_shape(got, want)
    expect(
        got,
        want,
        {
            "the kernel is not flipped: F.conv2d does not do it for you": stamped(
                kernel.flip(2, 3)
            ),
            "the kernel is transposed as a matrix; flip both of its axes instead": [
                stamped(kernel.mT),
                stamped(kernel.flip(2, 3).mT),
            ],
            "only one axis of the kernel is flipped": [stamped(kernel.flip(k)) for k in (2, 3)],
        },
        "is there exactly one zero between neighbours? F.conv_transpose2d gives other values",
    )


@check("count_parameters")
def check_count_parameters(answer):
    """The paper's generator, a small one, and one that makes a layer of one channel."""

    def conv(k, a, b):
        return k * k * a * b + b

    def right(f, m, channels=3):
        ends = conv(7, 3, f) + conv(3, f, 2 * f) + conv(3, 2 * f, 4 * f)
        ends += conv(3, 4 * f, 2 * f) + conv(3, 2 * f, f) + conv(7, f, channels)
        return ends + 2 * m * conv(3, 4 * f, 4 * f)

    want, last = right(64, 9), (24, 4, 1)
    biases = 2 * (64 + 128) + 256 + 9 * 2 * 256 + 3
    small = 40 * 3 * 64  # 7 * 7 - 3 * 3 = 40
    mistakes = {
        "the biases are missing: one per output channel": want - biases,
        "a residual block has two convolutions": want - 9 * conv(3, 256, 256),
        "one residual block too many or too few": [right(64, 8), right(64, 10)],
        "the residual blocks are counted once, not `blocks` times": right(64, 1),
        "`stem` and `last` have 7x7 kernels": [want - small, want - 2 * small],
    }
    expect(answer(64, 9), want, mistakes, "count_parameters(64, 9)", tolerance=0)
    expect(
        answer(24, 4),
        right(24, 4),
        otherwise="right for 64 filters and 9 blocks only: use `filters` and `blocks`",
        tolerance=0,
    )
    stem = "`stem` reads 3 channels, always; `channels` is what `last` makes"
    expect(
        answer(*last),
        right(*last),
        {stem: right(*last) - 2 * 7 * 7 * 24},
        "`channels` is ignored: a rain layer has one output channel",
        tolerance=0,
    )


@check("receptive_field")
def check_receptive_field(answer):
    """The paper's encoder, and others."""

    def walk(layers, *, stride_first=False, product=True):
        field, jump = 1, 1
        for kernel, stride in layers:
            if stride_first:
                jump *= stride
            field += (kernel - 1) * jump
            if not stride_first:
                jump = jump * stride if product else stride
        return field, jump

    encoder = [(7, 1), (3, 2), (3, 2)] + 18 * [(3, 1)]
    unstrided = 1 + sum(k - 1 for k, _ in encoder)
    got = tuple(both(answer(encoder), "the field and the jump"))
    expect(
        got,
        walk(encoder),
        {
            "the jump is multiplied too early: a stride spreads the layers behind it, not its own "
            "kernel": walk(encoder, stride_first=True),
            "the jump is only the last stride: strides multiply": walk(encoder, product=False),
            "the jump is ignored: behind a stride, neighbours lie further apart": (
                lambda got: got[0] == unstrided
            ),
            "a field starts at 1, the pixel itself, and a kernel adds k - 1 steps": (
                lambda got: got[0] in (156, 232, 233)  # from 0; k for k - 1, from 0 and from 1
            ),
        },
        "of the paper's encoder",
    )
    for layers in ([], [(5, 3), (2, 2), (4, 1)]):
        expect(tuple(answer(layers)), walk(layers), otherwise=f"of {layers}")
