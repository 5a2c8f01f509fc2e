"""The training step against the textbook step, side by side in one process.

    python benchmarks/train_step.py --size 256 --rounds 5 --json step.json

The recipe is `paper` with a ViT-B-32 of random weights, which costs what the real one costs.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import open_clip
import torch
from textbook import TextbookTrainer
from timing import compare, table, write
from torch.utils.flop_counter import FlopCounterMode

from cclgan_lite.data.folders import Augment
from cclgan_lite.networks.embedder import ImageEmbedder
from cclgan_lite.recipes import PAPER
from cclgan_lite.training.trainer import Trainer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    base = replace(
        PAPER,
        method=replace(PAPER.method, embedder="random"),
        augment=Augment(crop=asked.size),
        batch=asked.batch,
    )
    clip = ImageEmbedder(open_clip.create_model("ViT-B-32").visual)
    batch = {
        name: torch.rand(asked.batch, 3, asked.size, asked.size) * 2 - 1
        for name in ("rainy", "clean")
    }

    def ours(precision: str):
        trainer = Trainer(replace(base, precision=precision), 1000, torch.device("cpu"))
        trainer.networks["embedder"] = clip
        return lambda: trainer.train_step(batch)

    networks = dict(Trainer(base, 1000, torch.device("cpu")).networks.items())
    networks = {
        name: copy.deepcopy(network).to(memory_format=torch.contiguous_format)
        for name, network in networks.items()
    }
    textbook = TextbookTrainer(base, networks | {"embedder": clip})
    candidates = {
        "textbook, float32": lambda: textbook.train_step(**batch),
        "cclgan_lite, float32": ours("float32"),
        "cclgan_lite, bfloat16": ours("bfloat16"),
    }
    results = compare(candidates, asked.rounds)
    for name in ("textbook, float32", "cclgan_lite, float32"):
        with FlopCounterMode(display=False) as counter:
            candidates[name]()
        results[name]["tflop"] = counter.get_total_flops() / 1e12
    print(table(results))
    for name, row in results.items():
        if "tflop" in row:
            speed = row["tflop"] / row["median_s"]
            print(f"{name}: {row['tflop']:.2f} TFLOP, {speed:.3f} TFLOP/s")
    settings = {"recipe": "paper", "size": asked.size, "batch": asked.batch}
    write(asked.json, settings | {"steps": results})


if __name__ == "__main__":
    main()
