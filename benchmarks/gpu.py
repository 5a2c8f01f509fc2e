"""One GPU, one script: pairs per second over batch sizes, limits, memory, where the time goes.

    python benchmarks/gpu.py --json gpu.json
    python benchmarks/gpu.py --tiny                       # smoke test on a CPU

Candidates take turns at each batch size. One that fails (memory, an operation that a CUDA graph
cannot hold) leaves its message in the JSON file, and the others go on. The file is written anew
after each batch size.
"""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
from roofline import fractions, limits
from timing import compare, table, write
from torch.profiler import ProfilerActivity, profile
from train_step import build_trainer, random_batch, steps

from cclgan_lite.data.folders import Augment
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.config import Config

PAIRS = 80_000  # the paper's 400 epochs on Rain100L


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="paper", choices=RECIPES)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--skip", nargs="*", default=[], help="candidates, such as compile graph")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = RECIPES[asked.recipe]
    if asked.tiny:
        asked.size, asked.batches, asked.rounds = 64, [1, 2], 2
        method = replace(
            config.method,
            embedder="random",
            generator=GeneratorConfig(filters=4, blocks=1),
            discriminator=DiscriminatorConfig(filters=4),
        )
        config = replace(config, method=method)
    config = replace(config, augment=Augment(resize=None, crop=asked.size))

    report: dict = {"recipe": asked.recipe, "size": asked.size, "device": str(device)}
    if not asked.tiny:
        report["limits"] = {
            str(dtype): limits(dtype, device.type) for dtype in (torch.float32, torch.bfloat16)
        }
    for batch in asked.batches:
        sized = replace(config, batch=batch)
        report[f"batch {batch}"] = measure(sized, device, asked.rounds, asked.skip, asked.tiny)
        write(asked.json, report)
    report["profile"] = where_the_time_goes(replace(config, batch=asked.batches[0]), device)
    print(report["profile"])
    write(asked.json, report)


def candidates(config: Config, device: torch.device) -> dict[str, Callable]:
    """As in train_step.py, and the layouts, and the whole step as one CUDA graph."""
    builds = steps(config, device, compiled=True)
    half = replace(config, precision="bfloat16")
    builds["cclgan_lite, bfloat16, contiguous"] = lambda: contiguous(half, device)
    if device.type == "cuda":
        builds["cclgan_lite, bfloat16, graph"] = lambda: graph(half, device)
        builds["cclgan_lite, bfloat16, compile, graph"] = lambda: graph(
            replace(half, compile=True), device
        )
    return builds


def measure(
    config: Config, device: torch.device, rounds: int, skip: list[str], tiny: bool
) -> dict:
    runs, failed, memory = {}, {}, {}
    for name, build in candidates(config, device).items():
        if any(part in name.split(", ") for part in skip):
            continue
        try:
            runs[name] = build()
            if device.type == "cuda":
                before = torch.cuda.memory_allocated()
                torch.cuda.reset_peak_memory_stats()
            runs[name]()
            if device.type == "cuda":
                memory[name] = (torch.cuda.max_memory_allocated() - before) / 2**30
        except Exception as error:  # one candidate's failure is a result
            runs.pop(name, None)
            failed[name] = f"{type(error).__name__}: {error}"
            traceback.print_exc()
            torch.cuda.empty_cache()
    results = compare(runs, rounds)
    counts = {
        name.split(",")[0]: fractions(run, 1.0, torch.float32, device.type)["tflop"]
        for name, run in runs.items()
        if not tiny and name.endswith(", float32")
    }
    for name, row in results.items():
        row["pairs_per_s"] = config.batch / row["median_s"]
        row["minutes_for_80000_pairs"] = PAIRS / row["pairs_per_s"] / 60
        if name in memory:
            row["activations_gib"] = memory[name]
        if tflop := counts.get(name.split(",")[0]):
            dtype = torch.bfloat16 if "bfloat16" in name else torch.float32
            limit = limits(dtype, device.type)["matmul_tflops"]
            row["of_matmul"] = tflop / row["median_s"] / limit
    print(f"batch {config.batch}\n{table(results)}")
    return {"results": results, "failed": failed}


def contiguous(config: Config, device: torch.device) -> Callable[[], object]:
    trainer, batch = build_trainer(config, device), random_batch(config, device)
    trainer.layout = torch.contiguous_format
    trainer.networks.to(memory_format=trainer.layout)
    return lambda: trainer.train_step(batch)


def graph(config: Config, device: torch.device) -> Callable[[], object]:
    """One replay is one step. Learning rate and random places stay those of the capture."""
    trainer, batch = build_trainer(config, device), random_batch(config, device)
    for optimizer in trainer.optimizers.values():
        for group in optimizer.param_groups:
            group["capturable"] = True
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            trainer.train_step(batch)
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with mock.patch("torch.manual_seed"), torch.cuda.graph(captured):
        trainer.train_step(batch)
    return captured.replay


def where_the_time_goes(config: Config, device: torch.device) -> str:
    trainer = build_trainer(replace(config, precision="bfloat16"), device)
    batch = random_batch(config, device)
    for _ in range(3):
        trainer.train_step(batch)
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as seen:
        for _ in range(3):
            trainer.train_step(batch)
    order = f"self_{device.type}_time_total"
    return seen.key_averages().table(sort_by=order, row_limit=25, max_name_column_width=60)


if __name__ == "__main__":
    main()
