"""What `family.py` found, as tables in Markdown and as a plot.

    python benchmarks/family_report.py benchmarks/family.json --plot docs/family.png

A gain is the mean over seeds and pictures of PSNR minus that of the degraded input, on the same
pictures; its 95 % interval draws both anew (`interval_over_seeds`).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from cclgan_lite.evaluation.statistics import interval_over_seeds
from cclgan_lite.files import write_atomically

PAIRED = ("supervised", "DDN")  # they see truths


class Gain(NamedTuple):
    """A method on a test, in dB; seconds and GiB are means over seeds, None without training."""

    method: str
    seeds: int
    psnr: float
    ssim: float
    mean: float
    low: float
    high: float
    cpu_seconds: float | None
    memory_gib: float | None


def gains(test: dict[str, dict[str, dict]]) -> list[Gain]:
    """From method to seed to scores, the highest gain first."""
    before = np.array(test["input"]["0"]["pictures"])
    found = []
    for method, seeds in test.items():
        runs = list(seeds.values())
        values = np.array([run["pictures"] for run in runs]) - before
        costs = [
            float(np.mean([run[key] for run in runs])) if key in runs[0] else None
            for key in ("cpu_seconds", "memory_gib")
        ]
        psnr, ssim = (float(np.mean([run[key] for run in runs])) for key in ("psnr_y", "ssim_y"))
        found.append(
            Gain(
                method, len(runs), psnr, ssim, values.mean(), *interval_over_seeds(values), *costs
            )
        )
    return sorted(found, key=lambda gain: -gain.mean)


def table(title: str, found: list[Gain]) -> str:
    lines = [
        f"**{title}**\n",
        "| method | seeds | PSNR / SSIM | gain, dB | CPU s | GiB |",
        "|---|---|---|---|---|---|",
    ]
    for gain in found:
        trained = gain.cpu_seconds is not None
        cost = f"{gain.cpu_seconds:.0f} | {gain.memory_gib:.2f}" if trained else "| "
        span = f"{gain.mean:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]"
        lines.append(
            f"| {gain.method} | {gain.seeds if trained else ''} | {gain.psnr:.2f} / "
            f"{gain.ssim:.3f} | {'' if gain.method == 'input' else span} | {cost} |"
        )
    return "\n".join(lines) + "\n"


def plot(path: Path, found: dict[str, list[Gain]]) -> None:
    """A panel for each test, a dot and its interval for each method, all in one order."""
    methods = [gain.method for gain in reversed(next(iter(found.values())))]
    methods.remove("input")
    figure = Figure(
        figsize=(2.6 * len(found) + 1.5, 0.3 * len(methods) + 1.2), layout="constrained"
    )
    panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axes, (title, rows) in zip(panels, found.items(), strict=True):
        for gain in (gain for gain in rows if gain.method in methods):
            place = methods.index(gain.method)
            colour = "#0072b2" if gain.method in PAIRED else "#d55e00"
            if gain.cpu_seconds is None:
                colour = "black"
            axes.plot([gain.low, gain.high], [place, place], color=colour)
            axes.plot(gain.mean, place, "o", color=colour)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set(title=title, xlabel="gain, dB")
        axes.grid(alpha=0.3)
    panels[0].set_yticks(range(len(methods)), methods)
    write_atomically(path, lambda out: figure.savefig(out, dpi=110, format=path.suffix[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args()
    kept = json.loads(asked.results.read_text())
    found = {title: gains(test) for title, test in kept["tests"].items()}
    print("\n".join(table(title, rows) for title, rows in found.items()))
    if asked.plot:
        plot(asked.plot, found)


if __name__ == "__main__":
    main()
