"""How long from random weights until a derainer passes the classical filter, and 31 dB.

    python benchmarks/time_to_quality.py runs/quality --rain100l RAIN100L

`demo`, `adversary` and `light` as they are; CycleGAN and CUT with their own losses on the
demo's networks, crops and batch, since a published step takes seconds here. All train on the
bundled data. Seconds are processor seconds per thread; the clock stands still while the averaged
derainer is scored on bundled validation scenes and on pairs 161-200 of Rain100L.

OUT/RECIPE-SEED.json has the scores at each mark; the picture beside it a part of one scene: rainy,
at each mark, the truth; and there are the weights. OUT/quality.md and OUT/quality.png show all
recipes. A finished one is not run again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.images import read_rgb
from cclgan_lite.data.pairs import Pair, pair_files
from cclgan_lite.device import hardware
from cclgan_lite.evaluation.classical import classical_filter
from cclgan_lite.evaluation.evaluate import evaluate_pairs
from cclgan_lite.files import write_atomically, write_json
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import derainer_bytes
from cclgan_lite.networks import Generator
from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import prepare

MARKS = [15 * 2 ** (k / 2) for k in range(15)]  # seconds: 15, 21, 30 ... 1920
NAMES = {
    "demo": "CCLGAN (demo)",
    "adversary": "adversary",
    "light": "rehearsal alone (light)",
    "cyclegan": "CycleGAN",
    "cut": "CUT",
}
AIM = 31.0
SHOWN, PART = 5, np.s_[40:200, 100:220]  # a validation scene and what of it is kept at each mark


def config_of(name: str, seed: int) -> Config:
    config, demo = RECIPES[name], RECIPES["demo"]
    if name in ("cyclegan", "cut"):
        method = replace(
            config.method,
            generator=demo.method.generator,
            discriminator=demo.method.discriminator,
        )
        shared = ("augment", "steps", "batch", "lr", "betas", "decay_from", "ema", "precision")
        config = replace(
            config, method=method, epochs=1, **{field: getattr(demo, field) for field in shared}
        )
    return replace(config, seed=seed, shares_every=0)


def run(
    config: Config, data: Path, tests: dict[str, list[Pair]], limit: float
) -> tuple[list[dict], Image.Image, Generator]:
    """Scores at the marks: [{"seconds", "step", test: dB}, ...], at the end of the run at last.

    The picture has a part of a scene: rainy, at each mark, its truth. At last the derainer.
    """
    pictures, trainer = prepare(config, data / "train/rainy", data / "train/clean", "cpu")
    items = trainer.team.items(config.batch, range(trainer.total_steps))
    marks, found, seconds, began = iter(MARKS), [], 0.0, time.process_time()
    mark = next(marks)
    _, *files = tests["validation scenes"][SHOWN]
    rainy, truth = map(read_rgb, files)
    strip = [rainy]
    for batch in DataLoader(pictures, batch_sampler=items):
        trainer.train_step(batch)
        now = seconds + (time.process_time() - began) / torch.get_num_threads()
        over = trainer.step == trainer.total_steps or now > limit
        if now < mark and not over:
            continue
        seconds = now
        derain = partial(derain_image, trainer.averaged.eval())
        scores = {name: evaluate_pairs(pairs, derain)["psnr_y"] for name, pairs in tests.items()}
        strip.append(derain(rainy))
        found.append({"seconds": round(seconds, 1), "step": trainer.step} | scores)
        print(found[-1], flush=True)
        if over:
            break
        while mark <= seconds:
            mark = next(marks)
        began = time.process_time()
    parts = [picture[PART] for picture in [*strip, truth]]
    return found, Image.fromarray(np.hstack(parts)), trainer.averaged


def first(found: list[dict], test: str, aim: float) -> str:
    """The seconds of the first mark at or above `aim` dB, or what was reached by the last one."""
    passed = [row["seconds"] for row in found if row[test] >= aim]
    if passed:
        return f"{passed[0]:.0f}"
    return f"not in {found[-1]['seconds']:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--rain100l", type=Path, required=True, help="folder of rainy/ and clean/")
    parser.add_argument("--recipes", nargs="*", choices=[*NAMES], default=[*NAMES])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=2000, help="seconds of training at most")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    data = bundled_data(asked.out / "bundled-data")
    photographs = pair_files(asked.rain100l / "rainy", asked.rain100l / "clean")
    tests = {
        "validation scenes": pair_files(data / "val/rainy", data / "val/clean"),
        "Rain100L 161-200": photographs[160:200],
    }
    filtered = {
        name: evaluate_pairs(pairs, classical_filter)["psnr_y"] for name, pairs in tests.items()
    }
    runs = {}
    for name in asked.recipes:
        file = asked.out / f"{name}-{asked.seed}.json"
        if not file.exists():
            marks, strip, derainer = run(config_of(name, asked.seed), data, tests, asked.limit)
            write_atomically(file.with_suffix(".png"), partial(strip.save, format="png"))
            content = derainer_bytes(derainer, torch.float16)
            write = partial(Path.write_bytes, data=content)
            write_atomically(file.with_suffix(".safetensors"), write)
            where = f"{hardware(torch.device('cpu'))}, {asked.threads} threads"
            write_json(file, {"marks": marks, "hardware": where})
        runs[name] = json.loads(file.read_text())["marks"]
    text = table(runs, filtered)
    print(text)
    write_atomically(asked.out / "quality.md", lambda path: path.write_text(text))
    write_atomically(asked.out / "quality.png", lambda path: plot(runs, filtered, path))


def table(runs: dict[str, list[dict]], filtered: dict[str, float]) -> str:
    scenes, photographs = filtered
    lines = [
        f"| | seconds to the filter on {scenes} | on {photographs} | to {AIM:.0f} dB there "
        "| last mark, dB |",
        "|---|---|---|---|---|",
    ]
    for name, found in runs.items():
        cells = [first(found, test, filtered[test]) for test in filtered]
        cells.append(first(found, photographs, AIM))
        cells.append(" / ".join(f"{found[-1][test]:.2f}" for test in filtered))
        lines.append(f"| {NAMES[name]} | " + " | ".join(cells) + " |")
    cells = " / ".join(f"{value:.2f}" for value in filtered.values())
    return "\n".join([*lines, f"| classical filter | | | | {cells} |"]) + "\n"


def plot(runs: dict[str, list[dict]], filtered: dict[str, float], path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for ax, (test, filter_db) in zip(axes, filtered.items(), strict=True):
        ax.axhline(filter_db, color="0.6", ls=":")
        ax.annotate("classical filter", (MARKS[0], filter_db), (0, 3), textcoords="offset points")
        for name, found in runs.items():
            seconds, values = np.array([(row["seconds"], row[test]) for row in found]).T
            ax.plot(seconds, values, ".-", label=NAMES[name])
        ax.set(xscale="log", xlabel="seconds of training", ylabel="PSNR (Y), dB", title=test)
    axes[1].legend(loc="lower right")
    figure.savefig(path, dpi=100, format="png")
    plt.close(figure)


if __name__ == "__main__":
    main()
