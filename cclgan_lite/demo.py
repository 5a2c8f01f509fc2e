"""`make demo`: from nothing to a trained, measured derainer and a report to look at."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.images import read_rgb
from cclgan_lite.data.pairs import pair_files
from cclgan_lite.device import hardware, pick_device
from cclgan_lite.evaluation.classical import classical_filter
from cclgan_lite.evaluation.evaluate import evaluate_pairs
from cclgan_lite.evaluation.pictures import best_median_worst
from cclgan_lite.evaluation.report import write_report
from cclgan_lite.files import write_atomically
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import load_derainer
from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.run import Run, RunError
from cclgan_lite.training.trainer import resume, train


def run_demo(out: Path, seed: int = 0) -> Path:
    """Train the recipe `demo` in the run folder `out`, score it on the test pairs, report.

    An interrupted demo goes on where it stopped. Returns the path of the report.
    """
    start = time.monotonic()
    config = replace(RECIPES["demo"], seed=seed)
    if Run.exists(out) and Run.read(out).config != config:
        raise RunError(f"{out} holds another run: choose another --out, or delete it")
    data = bundled_data(out.parent / "bundled-data")
    if Run.exists(out):
        run = resume(out)
    else:
        run = train(config, data / "train/rainy", data / "train/clean", out)
    minutes = (time.monotonic() - start) / 60

    derainer = load_derainer(out)
    systems = {
        "rainy input": lambda rgb: rgb,
        "classical filter": classical_filter,
        "CCLGAN, this run": lambda rgb: derain_image(derainer, rgb),
    }
    pairs = pair_files(data / "test/rainy", data / "test/clean")
    table = [{"system": name, **evaluate_pairs(pairs, system)} for name, system in systems.items()]
    for row in table:
        print(f"{row['system']:18} {row['psnr_y']:6.2f} dB  SSIM {row['ssim_y']:.4f}  (Y)")

    examples = []
    for name, rainy, clean in _examples(pairs, table[-1]["images"]):
        picture = read_rgb(rainy)
        examples.append(
            {
                "name": name,
                "rainy": picture,
                "derained": systems["CCLGAN, this run"](picture),
                "clean": read_rgb(clean),
            }
        )
    best = examples[0]
    strip = np.hstack([best[kind] for kind in ("rainy", "derained", "clean")])
    write_atomically(out / "before-after.png", Image.fromarray(strip).save)
    report = out / "report.html"
    write_report(
        report,
        title="CCLGAN demo: derained without ever seeing a pair",
        summary={
            "recipe": f"demo, seed {run.config.seed}, {run.config.steps} steps of "
            f"{run.config.batch} unpaired crops",
            "data": f"bundled scenes; {table[0]['n']} unseen test pairs",
            "hardware": f"{hardware(pick_device())}, {os.cpu_count()} cores",
            "time": f"{minutes:.1f} minutes in this session",
        },
        table=table,
        examples=examples,
        history=run.history(),
    )
    return report


def _examples(pairs: list, images: list[dict]) -> list:
    """The best, the median and the worst pair by PSNR, and the photograph among the scenes."""
    chosen = [*best_median_worst(images).values()]
    chosen += [i for i, pair in enumerate(pairs) if pair[0].startswith("photo")]
    return [pairs[i] for i in dict.fromkeys(chosen)]
