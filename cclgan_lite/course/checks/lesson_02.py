"""Lesson 02: the generator."""

import torch
import torch.nn.functional as F

from cclgan_lite.course.exercises import Wrong, check, near


def _same_shape(got: torch.Tensor, want: torch.Tensor) -> None:
    if not isinstance(got, torch.Tensor) or got.shape != want.shape:
        shape = tuple(got.shape) if isinstance(got, torch.Tensor) else type(got).__name__
        raise Wrong(f"the result is {shape}, it should be a tensor {tuple(want.shape)}")


@check("by_hand")
def check_by_hand(answer):
    x = 3 * torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) + 1
    want, got = F.instance_norm(x), answer(x)
    _same_shape(got, want)
    centred = x - x.mean((2, 3), keepdim=True)
    if near(got, centred / (x.var((2, 3), keepdim=True) + 1e-5).sqrt()):
        raise Wrong(
            "the variance is divided by H W - 1: use unbiased=False, or the mean of "
            "the squared deviations"
        )
    if near(got, F.batch_norm(x, None, None, training=True)):
        raise Wrong("the mean runs over the batch too: that is batch norm; use dimensions (2, 3)")
    if near(got, F.layer_norm(x, x.shape[1:])):
        raise Wrong(
            "the mean runs over the channels too: that is layer norm; use dimensions (2, 3)"
        )
    if near(got, centred):
        raise Wrong("the mean is gone, but nothing is divided by the standard deviation")
    if near(got, centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5)):
        raise Wrong("divided by the variance instead of its square root")
    if not near(got, want):
        raise Wrong("the values differ from F.instance_norm(x)")
    if not torch.isfinite(answer(torch.ones(1, 1, 4, 4))).all():
        raise Wrong("a constant channel gives 0 / 0: eps belongs inside the square root")
    faint = 1e-3 * x
    if not near(answer(faint), F.instance_norm(faint)):
        raise Wrong("faint channels differ: eps is added to the variance, inside the square root")


@check("transposed")
def check_transposed(answer):
    rng = torch.Generator().manual_seed(0)
    x, kernel = torch.randn(1, 1, 3, 4, generator=rng), torch.randn(1, 1, 3, 3, generator=rng)
    want, got = F.conv_transpose2d(x, kernel, stride=2), answer(x, kernel)
    if isinstance(got, torch.Tensor) and got.shape[2:] == (5, 7):
        raise Wrong("the padding is too small: with 1 the border stamps are cut off; pad by 2")
    _same_shape(got, want)
    if near(got, F.conv_transpose2d(x, kernel.flip(2, 3), stride=2)):
        raise Wrong("the kernel is not flipped: F.conv2d does not do it for you")
    if near(got, F.conv_transpose2d(x, kernel.transpose(2, 3), stride=2)) or near(
        got, F.conv_transpose2d(x, kernel.flip(2, 3).transpose(2, 3), stride=2)
    ):
        raise Wrong("the kernel is transposed as a matrix; flip both of its axes instead")
    for axis in (2, 3):
        if near(got, F.conv_transpose2d(x, kernel.flip(axis), stride=2)):
            raise Wrong("only one axis of the kernel is flipped")
    if not near(got, want):
        raise Wrong(
            "the values differ from F.conv_transpose2d: is there exactly one zero "
            "between neighbours?"
        )


@check("count_parameters")
def check_count_parameters(answer):
    def conv(k, a, b):
        return k * k * a * b + b

    def right(f, m, channels=3):
        ends = conv(7, 3, f) + conv(3, f, 2 * f) + conv(3, 2 * f, 4 * f)
        ends += conv(3, 4 * f, 2 * f) + conv(3, 2 * f, f) + conv(7, f, channels)
        return ends + 2 * m * conv(3, 4 * f, 4 * f)

    got, want = answer(64, 9), right(64, 9)
    biases = 2 * (64 + 128) + 256 + 9 * 2 * 256 + 3
    if got == want - biases:
        raise Wrong("the biases are missing: one per output channel")
    if got == want - 9 * conv(3, 256, 256):
        raise Wrong("a residual block has two convolutions")
    if got in (right(64, 8), right(64, 10)):
        raise Wrong("one residual block too many or too few")
    if got == right(64, 1):
        raise Wrong("the residual blocks are counted once, not `blocks` times")
    if got in (want - 40 * 3 * 64, want - 80 * 3 * 64):  # 7 * 7 - 3 * 3 = 40
        raise Wrong("`stem` and `last` have 7x7 kernels")
    if got != want:
        raise Wrong(f"count_parameters(64, 9) is {got!r}; the generator has {want:,}")
    if answer(24, 4) != right(24, 4):
        raise Wrong("right for 64 filters and 9 blocks only: use `filters` and `blocks`")
    if answer(24, 4, 1) == right(24, 4, 1) - 2 * 7 * 7 * 24:
        raise Wrong("`stem` reads 3 channels, always; `channels` is what `last` makes")
    if answer(24, 4, 1) != right(24, 4, 1):
        raise Wrong("`channels` is ignored: a rain layer has one output channel")


@check("receptive_field")
def check_receptive_field(answer):
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
    got = answer(encoder)
    if isinstance(got, int) or len(got) != 2:
        raise Wrong("return both: the field and the jump")
    got = tuple(got)
    if got == walk(encoder, stride_first=True):
        raise Wrong(
            "the jump is multiplied too early: a stride spreads the layers behind it, "
            "not its own kernel"
        )
    if got == walk(encoder, product=False):
        raise Wrong("the jump is only the last stride: strides multiply")
    if got[0] == 1 + sum(k - 1 for k, _ in encoder):
        raise Wrong("the jump is ignored: behind a stride, neighbours lie further apart")
    if got[0] in (156, 232, 233):  # from 0; k in place of k - 1, from 0 and from 1
        raise Wrong("a field starts at 1, the pixel itself, and a kernel adds k - 1 steps")
    if got != (157, 4):
        raise Wrong(f"the paper's encoder gives (157, 4), not {got}")
    for layers in ([], [(5, 3), (2, 2), (4, 1)]):
        if tuple(answer(layers)) != walk(layers):
            raise Wrong(f"{layers} gives {walk(layers)}, not {tuple(answer(layers))}")
