"""Each loss by itself, forward and backward, at the paper's sizes.

python benchmarks/losses.py --threads 2 --json losses.json
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from timing import compare, table, write

from cclgan_lite.losses import discriminator_loss, inter_ccl, intra_ccl, patch_nce
from cclgan_lite.networks import PatchProjection, high_pass, sample_places


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    def tensors(count: int, *shape: int) -> list[torch.Tensor]:
        return [torch.randn(shape).requires_grad_() for _ in range(count)]

    features = {"down1": torch.randn(1, 128, 128, 128), "block1": torch.randn(1, 256, 64, 64)}
    features = {tap: f.requires_grad_() for tap, f in features.items()}
    (image,) = tensors(1, 1, 3, 256, 256)
    mlp = PatchProjection({"down1": 128, "block1": 256})
    places = sample_places(features, 256)
    candidates = {
        "eq. 7, one tap of 256 places": partial(patch_nce, *tensors(2, 1, 256, 256), 0.07),
        "projection of two taps": lambda: sum(v.sum() for v in mlp(features, places).values()),
        "eq. 1, embeddings of 512": partial(intra_ccl, *tensors(4, 1, 512)),
        "eq. 4, ratio": partial(inter_ccl, *tensors(4, 1, 256, 256)),
        "eq. 4, InfoNCE": partial(inter_ccl, *tensors(4, 1, 256, 256), form="infonce"),
        "eq. 9, LSGAN": partial(discriminator_loss, *tensors(2, 1, 1, 30, 30)),
        "high-pass filter": lambda: high_pass(image).sum(),
    }

    def both_ways(loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
        return lambda: loss().backward()

    results = compare({name: both_ways(loss) for name, loss in candidates.items()}, asked.rounds)
    print(table(results))
    write(asked.json, {"losses": results})


if __name__ == "__main__":
    main()
