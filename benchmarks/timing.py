"""Honest timings: candidates take turns in one process, so that the machine's moods hit all."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch


def compare(
    candidates: dict[str, Callable[[], object]],
    rounds: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, dict]:
    """Median, fastest and slowest seconds of each candidate, and its ratio to the first.

    Every candidate runs once unmeasured; then they take turns, `rounds` times. A ratio is the
    median of the rounds' ratios, which a slow minute of the machine does not change. With
    `time.process_time` as the clock, one thread is timed without what other programs take.
    """

    def timed(run: Callable[[], object]) -> float:
        start = clock()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return clock() - start

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


def peak_gib() -> float:
    """The most memory that this process has held, in GiB; Linux only.

    Not ru_maxrss, in which a process inherits the peak of the one that started it.
    """
    return _status_gib("VmHWM")


def held_gib() -> float:
    """The memory that this process holds now, in GiB; Linux only."""
    return _status_gib("VmRSS")


def _status_gib(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 2**20


def table(results: dict[str, dict]) -> str:
    """The results as a Markdown table."""
    columns = list(dict.fromkeys(key for row in results.values() for key in row))
    lines = ["| " + " | ".join(["", *columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in results.items():
        values = [f"{row[key]:.3g}" if key in row else "" for key in columns]
        lines.append("| " + " | ".join([name, *values]) + " |")
    return "\n".join(lines)


def write(path: Path | None, results: dict) -> None:
    """Results with what they were measured on, as JSON."""
    if path is None:
        return
    from cclgan_lite.device import hardware, pick_device

    facts = {
        "hardware": hardware(pick_device()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    path.write_text(json.dumps(facts | results, indent=1) + "\n")
