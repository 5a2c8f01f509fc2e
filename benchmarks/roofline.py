"""What a computation needs, counted, and what the machine can, measured.

python benchmarks/roofline.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class ByteCounter(TorchDispatchMode):
    """Bytes that operations read and write: all their tensors, as if no cache held any."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if not function.is_view:
            tensors = tree_leaves((args, kwargs, result))
            self.bytes += sum(t.nbytes for t in tensors if isinstance(t, Tensor))
        return result


def fractions(
    run: Callable[[], object], seconds: float, dtype: torch.dtype, device: str = "cpu"
) -> dict[str, float]:
    """TFLOP and GB of one `run`, and which parts of the machine's limits it reaches.

    `of_matmul` and `of_conv` compare with the fastest matrix product and 3x3 convolution in
    `dtype` (on some processors the library's products are slower than its convolutions),
    `of_copy` with copying. What is far from all of them waits for something else.
    """
    with FlopCounterMode(display=False) as flops, ByteCounter() as moved:
        run()
    tflop, gigabytes = flops.get_total_flops() / 1e12, moved.bytes / 1e9
    limit = limits(dtype, device)
    return {
        "tflop": tflop,
        "gb": gigabytes,
        "of_matmul": tflop / seconds / limit["matmul_tflops"],
        "of_conv": tflop / seconds / limit["conv_tflops"],
        "of_copy": gigabytes / seconds / limit["copy_gbps"],
    }


@lru_cache
def limits(dtype: torch.dtype, device: str = "cpu") -> dict[str, float]:
    """The machine's limits as a program in PyTorch meets them: median of nine tries."""
    size = 2048 if device == "cpu" else 8192
    a = torch.randn(size, size, device=device, dtype=dtype)
    batch = 1 if device == "cpu" else 64
    image = torch.randn(batch, 256, 66, 66, device=device, dtype=dtype)
    kernel = torch.randn(256, 256, 3, 3, device=device, dtype=dtype)
    image, kernel = (t.to(memory_format=torch.channels_last) for t in (image, kernel))
    source = torch.zeros(2**28, device=device, dtype=torch.uint8)
    target = torch.ones_like(source)
    return {
        "matmul_tflops": 2 * size**3 / 1e12 / _seconds(lambda: a @ a),
        "conv_tflops": batch
        * 2
        * 64**2
        * 256**2
        * 9
        / 1e12
        / _seconds(lambda: F.conv2d(image, kernel)),
        "copy_gbps": 2 * source.nbytes / 1e9 / _seconds(lambda: target.copy_(source)),
    }


def _seconds(run: Callable[[], object]) -> float:
    times = []
    for _ in range(10):
        start = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    where = "cuda" if torch.cuda.is_available() else "cpu"
    for precision in (torch.float32, torch.bfloat16):
        print(precision, json.dumps(limits(precision, where)))
