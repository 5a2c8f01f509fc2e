"""Does training in bfloat16 cost quality? The demo in both precisions, three seeds each.

    python benchmarks/precision_quality.py runs/precision --json quality.json

Hours on a laptop; interrupted runs go on where they stopped. Both precisions of a seed see the
same crops and start from the same weights, so that their differences are paired.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from pathlib import Path

import torch
from timing import write
from trial import trial

from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.pairs import pair_files
from cclgan_lite.recipes import RECIPES

PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="demo", choices=RECIPES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="if not the recipe's")
    parser.add_argument("--crop", type=int, help="if not the recipe's")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    data = bundled_data(asked.out / "bundled-data")
    pairs = pair_files(data / "test/rainy", data / "test/clean")
    config = RECIPES[asked.recipe]
    augment = replace(config.augment, crop=asked.crop or config.augment.crop)
    config = replace(config, steps=asked.steps or config.steps, augment=augment)

    def psnr(seed: int, precision: str) -> float:
        out = asked.out / f"{precision}-{seed}"
        mine = replace(config, seed=seed, precision=precision)
        return trial(mine, data / "train/rainy", data / "train/clean", out, pairs)["psnr_y"]

    found = {p: [psnr(seed, p) for seed in asked.seeds] for p in PRECISIONS}
    differences = [b - a for a, b in zip(*found.values(), strict=True)]
    report = {
        "recipe": asked.recipe,
        "steps": config.steps,
        "crop": augment.crop,
        "seeds": asked.seeds,
        "psnr_y": found,
        "bfloat16_minus_float32": differences,
        "mean": statistics.mean(differences),
        "spread_over_seeds": {p: max(v) - min(v) for p, v in found.items()},
    }
    print(report)
    write(asked.json, report | {"threads": torch.get_num_threads()})


if __name__ == "__main__":
    main()
