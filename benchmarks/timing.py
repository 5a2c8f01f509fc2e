"""Honest timings: candidates take turns in one process, so that the machine's moods hit all."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch


def compare(candidates: dict[str, Callable[[], object]], rounds: int = 7) -> dict[str, dict]:
    """Median, fastest and slowest seconds of each candidate, and its ratio to the first.

    Every candidate runs once unmeasured; then they take turns, `rounds` times. A ratio is the
    median of the rounds' ratios, which a slow minute of the machine does not change.
    """
    def timed(run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start

    for run in candidates.values():
        timed(run)
    times = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            times[name].append(timed(run))
    yardstick = next(iter(times.values()))
    return {
        name: {
            "median_s": statistics.median(seconds),
            "fastest_s": min(seconds),
            "slowest_s": max(seconds),
            "ratio": statistics.median(a / b for a, b in zip(seconds, yardstick, strict=True)),
        }
        for name, seconds in times.items()
    }


def table(results: dict[str, dict]) -> str:
    """The results as a Markdown table."""
    lines = ["| | median s | fastest | slowest | ratio |", "|---|---|---|---|---|"]
    for name, row in results.items():
        lines.append(
            f"| {name} | {row['median_s']:.4g} | {row['fastest_s']:.4g} | {row['slowest_s']:.4g} "
            f"| {row['ratio']:.2f} |"
        )
    return "\n".join(lines)


def write(path: Path | None, results: dict) -> None:
    """Results with what they were measured on, as JSON."""
    if path is None:
        return
    from cclgan_lite.device import hardware, pick_device

    facts = {
        "hardware": hardware(pick_device()), "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    path.write_text(json.dumps(facts | results, indent=1) + "\n")
