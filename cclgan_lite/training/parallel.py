"""Several processes, GPUs or machines that train as one, on Hugging Face Accelerate.

`Config.batch` stays the joint batch. Each process works out the gradients of its share of it, all
processes average them once, and each makes the same update of its own copy of the weights. What
one process would do with the whole batch is thereby done by all, up to rounding, because

- every loss here is a mean over images, so that the mean of the shares' gradients is the joint
  batch's gradient, and no network mixes images (instance norm; the power iteration of spectral
  norm sees weights alone),
- weights, places of patches and the images of a step are functions of (seed, step), not of the
  process: process p of n takes the p-th of n equal parts of the joint batch.

A checkpoint therefore knows nothing of processes, and any number of them can take it up.

Why not DistributedDataParallel: its reducer is made for one backward pass through one forward call
of one module. Our step calls a generator up to three times, reads its encoder by itself, and runs
a backward pass for every audience, confined by `backward(inputs=...)` to that audience's
parameters: the hooks would fire several times for some parameters and, as far as the reducer
knows, not at all for others. One averaging between the last backward pass and the first update
needs no hooks and is exact for any wiring. The price: communication does not overlap with the
backward passes. docs/distributed.md counts it.

The first process alone writes. Whatever stops one process stops all: what every one decides on
(a loss that is not finite) is averaged first, so that all decide alike, and a process that dies
takes the connection with it, which ends the others at their next exchange.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor

from cclgan_lite.device import pick_device

BUCKET = 2**26  # bytes that are sent at once: few enough to copy, enough to fill a fast network


@dataclass(frozen=True)
class Team:
    """`count` processes that train together; this is number `rank`, and number 0 writes.

    The default is one process alone: nothing is exchanged, and Accelerate is not imported.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Images of a joint batch that each process takes. Raises ValueError if they differ."""
        if batch % self.count:
            raise ValueError(
                f"a batch of {batch} cannot be shared equally by {self.count} processes: "
                f"take a --batch that is a multiple of {self.count}, or other processes"
            )
        return batch // self.count

    def items(self, batch: int, steps: range) -> Iterator[range]:
        """This process's items of each step, where step s has items [s batch, (s + 1) batch)."""
        size = self.share(batch)
        starts = (step * batch + self.rank * size for step in steps)
        return (range(start, start + size) for start in starts)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor, in place, by its mean over all processes.

        Every process must come with tensors of the same shapes in the same order.
        """
        if self.count == 1:
            return
        from accelerate.utils import reduce

        for bucket in _buckets(tensors):
            with _all_alive():
                mean = reduce(torch.cat([tensor.flatten() for tensor in bucket]), "mean")
            parts = mean.split([tensor.numel() for tensor in bucket])
            for tensor, part in zip(bucket, parts, strict=True):
                tensor.copy_(part.view_as(tensor))

    def agree(self, facts: object, weights: Iterable[Tensor]) -> None:
        """Raises ValueError unless all processes came with the same facts and weights."""
        if self.count == 1:
            return
        from accelerate.utils import gather_object

        digest = sha256()
        for tensor in weights:
            digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy())
        with _all_alive():
            first, *others = gather_object([(facts, digest.digest())])
        if any(other != first for other in others):
            raise ValueError(
                "the processes do not start alike: all machines need the same options, images, "
                "run folder, kind of processor and versions of packages"
            )

    def wait(self) -> None:
        """Until all processes have come here."""
        if self.count > 1:
            from accelerate import PartialState

            with _all_alive():
                PartialState().wait_for_everyone()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """What the block makes is there when the other processes enter it."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def leave(self) -> None:
        """The orderly end of a process, after which it exchanges nothing any more."""
        if self.count > 1:
            from accelerate import PartialState

            self.wait()
            PartialState().destroy_process_group()


def join(device: str = "auto") -> tuple[Team, torch.device]:
    """The team that a launcher started this process in, and the device of this process.

    `accelerate launch`, `torchrun` and `notebook_launcher` leave word in the environment. Each
    process of a machine gets a GPU of its own.

    Raises ValueError where the device is not to be had, or is Apple's with several processes.
    """
    target = pick_device(device)
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return Team(), target
    if target.type == "mps":
        raise ValueError("several processes cannot share Apple's GPU: say --device cpu")
    from accelerate import PartialState

    with _all_alive():
        state = PartialState(cpu=target.type == "cpu")
    return Team(state.process_index, state.num_processes), state.device


@contextmanager
def _all_alive() -> Iterator[None]:
    """Says what it means when an exchange fails; ConnectionError."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:  # is a RuntimeError too
        raise
    except RuntimeError as error:  # gloo's, and NCCL's DistBackendError
        raise ConnectionError(
            "another process has stopped or cannot be reached, so this one stops too; its own "
            f"message says why ({str(error).splitlines()[0]})"
        ) from error


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """In the same order, lists of tensors of at most `BUCKET` bytes, or of one tensor."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        if bucket and sum(t.nbytes for t in bucket) + tensor.nbytes > BUCKET:
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket
