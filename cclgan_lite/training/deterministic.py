"""Steps that give the same bits each time on one machine, on a GPU too.

Without this, a GPU sums some gradients in whatever order its threads come to them. PyTorch knows
an ordered way for most operations (`torch.use_deterministic_algorithms`), and raises where it
knows none; for those of them that the networks need there is one here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


@contextmanager
def deterministic(on: bool) -> Iterator[None]:
    """Raises ValueError for an operation that is known in no ordered way."""
    if not on:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        with _Ordered():
            yield
    except RuntimeError as error:
        if "deterministic" not in str(error):
            raise
        raise ValueError(f"{str(error).split('.')[0]}: leave out --deterministic") from error
    finally:
        torch.use_deterministic_algorithms(before)


def reflected(x: Tensor, padding: Sequence[int]) -> Tensor:
    """F.pad(x, padding, mode="reflect") of [..., H, W]: left, right, top, bottom."""
    for dim, (before, after) in zip((-1, -2), (padding[:2], padding[2:]), strict=True):
        size = x.shape[dim]
        places = torch.arange(-before, size + after, device=x.device).abs()
        x = x.index_select(dim, torch.minimum(places, 2 * (size - 1) - places))
    return x


def separable(x: Tensor, size: tuple[int, int], operation: Callable[..., Tensor]) -> Tensor:
    """operation(x, size) of [B, C, H, W], linear and the same along rows and columns.

    As two products, with what it makes of a picture that is the identity matrix.
    """

    def weights(old: int, new: int) -> Tensor:  # [new, old]: how much of each old is in each new
        return operation(torch.eye(old, device=x.device)[None, None], (new, old))[0, 0].to(x.dtype)

    rows, columns = map(weights, x.shape[2:], size)
    return rows @ x @ columns.mT


class _Ordered(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        options = kwargs or {}
        if function is F.pad and options.get("mode") == "reflect":
            return reflected(*args)
        if function is F.interpolate and options.get("antialias") and args[0].requires_grad:
            operation = partial(F.interpolate, mode=options["mode"], antialias=True)
            return separable(args[0], options["size"], operation)
        if function is F.adaptive_avg_pool2d and args[0].requires_grad:
            size = args[1] if isinstance(args[1], tuple) else (args[1], args[1])
            return separable(args[0], size, F.adaptive_avg_pool2d)
        return function(*args, **options)
