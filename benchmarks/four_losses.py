"""What each of the paper's four losses adds, without pairs, rendered rain or identity.

    python benchmarks/four_losses.py runs/four --rain100l RAIN100L

Recipe `four-losses` on the bundled data, from random weights, with the losses added one by one and
left out one by one: all rows of a seed have the same first weights, steps and crops. Scored on
bundled validation scenes, which also chose the weights, on the bundled test and on pairs 161-200
of Rain100L. Each finished run leaves OUT/ROW-SEED/ and is not made again; an interrupted one
resumes. OUT/four.md has the tables, OUT/loss_log.json and .png are the loss log that the course
ships in cclgan_lite/course/data/. About a quarter of an hour of one core for each seed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from time_to_quality import PART, SHOWN
from trial import score, settle, trained

from cclgan_lite.course.loss_log import INGREDIENTS
from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.images import read_rgb
from cclgan_lite.data.pairs import Pair, pair_files
from cclgan_lite.device import hardware
from cclgan_lite.evaluation.classical import classical_filter
from cclgan_lite.evaluation.evaluate import evaluate_pairs
from cclgan_lite.evaluation.statistics import interval_over_seeds
from cclgan_lite.files import write_atomically, write_json
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import load_derainer
from cclgan_lite.recipes import PAPERS, RECIPES, recipe
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run

ROWS = {  # the losses of each; the first four are the rows of the loss log
    "adversarial": PAPERS[:1],
    "lcl": PAPERS[:2],
    "intra": PAPERS[:3],
    "inter": PAPERS,
    "no lcl": ("adversarial", "intra", "inter"),
    "no intra": ("adversarial", "lcl", "inter"),
    "intra alone": ("adversarial", "intra"),
    "inter alone": ("adversarial", "inter"),
}
TITLES = {
    "adversarial": "adversarial alone",
    "lcl": "and LCL (E)",
    "intra": "and intra-CCL (D: all but inter-CCL)",
    "inter": "and inter-CCL (G: all four)",
    "no lcl": "all but LCL (F: CCL alone)",
    "no intra": "all but intra-CCL (C)",
    "intra alone": "adversarial and intra-CCL",
    "inter alone": "adversarial and inter-CCL",
}
FULL = {"inter": "all four", "no lcl": "adversarial and both CCL"}  # compared with every row


def config_of(row: str, seed: int, steps: int | None, contrasts: list[float] | None) -> Config:
    names = ("method.intra.weight", "method.inter.weight")
    config = recipe("four-losses", dict(zip(names, contrasts or (), strict=False)))
    silent = {
        name: replace(getattr(config.method, name), weight=0.0)
        for name in PAPERS
        if name not in ROWS[row]
    }
    return replace(
        config,
        method=replace(config.method, **silent),
        onset=replace(config.onset, terms=ROWS[row]),
        seed=seed,
        steps=steps or config.steps,
        shares_every=25,
    )


def each(result: dict) -> list[float]:
    """dB of each picture."""
    return [image["psnr_y"] for image in result["images"]]


def table(test: str, found: dict[str, list[dict]], inputs: dict, filtered: dict) -> str:
    """Rows over seeds: dB, over the rainy input, what is full over it."""
    before = np.array(each(inputs))
    scores = {row: np.array([each(result) for result in found[row]]) for row in found}
    full = {row: title for row, title in FULL.items() if row in scores}
    lines = [
        f"**{test}** (input {before.mean():.2f}, filter {filtered['psnr_y']:.2f})",
        "",
        "| losses | dB, each seed | over the input | "
        + "".join(f"{title} over it | " for title in full.values())
        + "s |",
        "|---|---|---|" + "---|" * (len(full) + 1),
    ]
    for row, values in scores.items():
        cells = [TITLES[row], ", ".join(f"{seed:.2f}" for seed in values.mean(1))]
        for gain in (values - before, *(scores[name] - values for name in full)):
            low, high = interval_over_seeds(gain)
            cells.append(f"{gain.mean():+.2f} [{low:+.2f}, {high:+.2f}]")
        cells.append(f"{np.mean([result['cpu_seconds'] for result in found[row]]):.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def share(run: Path, loss: str) -> float:
    """The mean part of a loss in the derainer's gradient, once all are heard in full."""
    read = Run.read(run)
    full = read.config.onset.full * read.config.steps
    name = f"share/{loss}"
    heard = [row[name] for row in read.history() if name in row and row["step"] > full]
    return float(np.mean(heard))


def bind(
    out: Path,
    pairs: list[Pair],
    seeds: list[int],
    found: dict[str, list[dict]],
    inputs: dict,
    filtered: dict,
) -> None:
    """The loss log: a table, and a sheet of the first seed's pictures."""
    rainy, truth = (read_rgb(file) for file in pairs[SHOWN][1:])
    rows = [{"ingredient": "nothing", "psnr_y": [round(inputs["psnr_y"], 3)] * len(seeds)}]
    strip = [rainy]
    for name in INGREDIENTS[1:]:
        rows.append(
            {
                "ingredient": name,
                "psnr_y": [round(result["psnr_y"], 3) for result in found[name]],
                "seconds": [round(result["cpu_seconds"], 1) for result in found[name]],
                "share": [round(share(out / f"{name}-{seed}", name), 4) for seed in seeds],
            }
        )
        strip.append(derain_image(load_derainer(out / f"{name}-{seeds[0]}"), rainy))
    log = {
        "about": f"≈ {RECIPES['four-losses'].steps} steps, seeds {', '.join(map(str, seeds))}; "
        f"{len(pairs)} validation scenes of the bundled data; one thread",
        "hardware": hardware(torch.device("cpu")),
        "filter": round(filtered["psnr_y"], 3),
        "rows": rows,
    }
    write_json(out / "loss_log.json", log)
    sheet = Image.fromarray(np.hstack([picture[PART] for picture in [*strip, truth]]))
    write_atomically(out / "loss_log.png", lambda path: sheet.save(path, format="png"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--rain100l", type=Path, required=True, help="folder of rainy/ and clean/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[*ROWS])
    parser.add_argument("--steps", type=int, help="fewer, to try the script")
    parser.add_argument(
        "--contrasts",
        type=float,
        nargs=2,
        metavar=("INTRA", "INTER"),
        help="other weights of them",
    )
    asked = parser.parse_args()
    settle(asked.out, steps=asked.steps, contrasts=asked.contrasts)
    torch.set_num_threads(1)
    data = bundled_data(asked.out / "bundled-data")
    photographs = pair_files(asked.rain100l / "rainy", asked.rain100l / "clean")
    tests = {
        "validation scenes": pair_files(data / "val/rainy", data / "val/clean"),
        "bundled test": pair_files(data / "test/rainy", data / "test/clean"),
        "Rain100L 161-200": photographs[160:200],
    }
    found = {test: {row: [] for row in asked.rows} for test in tests}
    for seed in asked.seeds:
        for row in asked.rows:
            run = asked.out / f"{row}-{seed}"
            if not (file := run / "result.json").exists():
                config, folder = config_of(row, seed, asked.steps, asked.contrasts), data / "train"
                spent = {"cpu_seconds": trained(config, folder / "rainy", folder / "clean", run)}
                write_json(
                    file, {test: score(run, pairs) | spent for test, pairs in tests.items()}
                )
            results = json.loads(file.read_text())
            for test, result in results.items():
                found[test][row].append(result)
            print(
                row, seed, {test: round(r["psnr_y"], 2) for test, r in results.items()}, flush=True
            )
    if len(asked.rows) > 1:
        scored = {
            test: (
                found[test],
                evaluate_pairs(pairs, np.copy),
                evaluate_pairs(pairs, classical_filter),
            )
            for test, pairs in tests.items()
        }
        text = "\n".join(table(test, *parts) for test, parts in scored.items())
        print(text)
        write_atomically(asked.out / "four.md", lambda path: path.write_text(text))
    if len(asked.rows) == len(ROWS):
        validation, *_ = tests
        bind(asked.out, tests[validation], asked.seeds, *scored[validation])


if __name__ == "__main__":
    main()
