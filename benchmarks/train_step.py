"""The training step of a recipe against the textbook step, side by side in one process.

    python benchmarks/train_step.py --threads 2 --rounds 5 --json paper.json
    python benchmarks/train_step.py --recipe demo --threads 2 --json demo.json

A recipe with other losses than the paper's four has no textbook step; there float32 is what the
others are compared with. CLIP is a ViT-B-32 of random weights, which costs what the real one
costs. Memory is that of a process which makes two steps and nothing else: its peak, and by how
much that exceeds what stays when a step is over (libraries, networks, Adam's moments). The process
gives freed memory back at once (`MALLOC_MMAP_THRESHOLD_`), so that holes in the heap do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from roofline import fractions
from textbook import TextbookTrainer
from timing import compare, held_gib, peak_gib, table, write
from torch import Tensor

from cclgan_lite.networks.embedder import ImageEmbedder
from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import Trainer

CLIP = "ViT-B-32/openai"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="paper", choices=RECIPES)
    parser.add_argument("--size", type=int, help="side of the crops, if not the recipe's")
    parser.add_argument("--batch", type=int, help="pairs in a step, if not the recipe's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--compile", action="store_true", help="also torch.compile")
    parser.add_argument("--cpu-time", action="store_true", help="for busy machines, one thread")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", help="make two steps of this candidate and print its memory")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    config = RECIPES[asked.recipe]
    crop = asked.size or config.augment.crop
    augment = replace(config.augment, crop=crop, resize=None)
    config = replace(config, augment=augment, batch=asked.batch or config.batch)
    candidates = steps(config, torch.device("cpu"), asked.compile)
    if asked.only:
        run = candidates[asked.only]()
        run(), run()
        print(json.dumps({"peak_gib": peak_gib(), "step_gib": peak_gib() - held_gib()}))
        return
    runs = {name: build() for name, build in candidates.items()}
    clock = time.process_time if asked.cpu_time else time.perf_counter
    results = compare(runs, asked.rounds, clock)
    for name, run in runs.items():
        if "compile" not in name:  # counters see single operations
            dtype = torch.bfloat16 if "bfloat16" in name else torch.float32
            results[name] |= fractions(run, results[name]["median_s"], dtype)
        results[name] |= memory(name)
    print(table(results))
    settings = {"recipe": asked.recipe, "size": crop, "batch": config.batch}
    write(asked.json, settings | {"clock": clock.__name__, "steps": results})


def steps(
    config: Config, device: torch.device, compiled: bool = False
) -> dict[str, Callable[[], Callable[[], object]]]:
    """`{name: build}`; what `build()` returns makes one step. The first is the yardstick."""
    batch = random_batch(config, device)

    def ours(precision: str, compile: bool = False) -> Callable[[], object]:
        made = build_trainer(replace(config, precision=precision, compile=compile), device)
        return lambda: made.train_step(batch)

    def textbook() -> Callable[[], object]:
        networks = build_trainer(config, device).networks
        networks.to(memory_format=torch.contiguous_format)
        made = TextbookTrainer(config, dict(networks.items()))
        return lambda: made.train_step(**batch)

    candidates = {}
    if config.method.terms().keys() == {"adversarial", "lcl", "intra", "inter"}:
        candidates["textbook, float32"] = textbook
    for precision in ("float32", "bfloat16"):
        candidates[f"cclgan_lite, {precision}"] = lambda p=precision: ours(p)
        if compiled:
            candidates[f"cclgan_lite, {precision}, compile"] = lambda p=precision: ours(p, True)
    return candidates


def build_trainer(config: Config, device: torch.device) -> Trainer:
    """A trainer of the recipe, with random weights where it wants CLIP's."""
    if config.method.embedder != CLIP or not config.method.intra.weight:
        return Trainer(config, 10**6, device)
    import open_clip

    trainer = Trainer(
        replace(config, method=replace(config.method, embedder="random")), 10**6, device
    )
    clip = ImageEmbedder(open_clip.create_model("ViT-B-32").visual).to(device)
    if config.compile:
        clip.compile(dynamic=False)
    trainer.networks["embedder"] = clip
    return trainer


def random_batch(config: Config, device: torch.device) -> dict[str, Tensor]:
    shape = config.batch, 3, config.augment.crop, config.augment.crop
    names = ["rainy", "clean", *(["rendered"] if config.shower.share else [])]
    return {name: torch.rand(shape, device=device) * 2 - 1 for name in names}


def memory(name: str) -> dict[str, float]:
    """GiB of a process of its own."""
    command = [sys.executable, *sys.argv, "--only", name]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**18)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
