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
from cclgan_lite.evaluation.evaluate import evaluate_pairs
from cclgan_lite.evaluation.pictures import best_median_worst
from cclgan_lite.evaluation.report import write_report
from cclgan_lite.evaluation.statistics import difference
from cclgan_lite.evaluation.systems import find_system
from cclgan_lite.files import write_atomically, write_json
from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.run import Run, RunError
from cclgan_lite.training.trainer import resume, train

# Mean PSNR and SSIM (Y) of the bundled test, seeds 0 to 2, transposed convolutions (lab notebook,
# section 7): without the paper's losses, same seeds and steps, and with them.
WITHOUT_LOSSES = {"psnr_y": 32.31, "ssim_y": 0.9394}
WITH_LOSSES = {"psnr_y": 32.32, "ssim_y": 0.9395}
OURS, FILTER = "CCLGAN, this run", "classical filter"


def run_demo(out: Path, seed: int = 0) -> Path:
    """Train the recipe `demo` in the run folder `out`, score it on the test pairs, report.

    An interrupted demo goes on where it stopped. Leaves OUT/scores.json: the scores of input,
    filter and run, the paired differences of the run to the filter, and each loss's share of the
    derainer's gradient at the end. Returns the path of the report.
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

    pairs = pair_files(data / "test/rainy", data / "test/clean")
    names = {"rainy input": "identity", FILTER: "classical", OURS: run}
    systems = {label: find_system(name, pairs).derain for label, name in names.items()}
    table = [{"system": name, **evaluate_pairs(pairs, system)} for name, system in systems.items()]
    for row in table:
        print(f"{row['system']:18} {row['psnr_y']:6.2f} dB  SSIM {row['ssim_y']:.4f}  (Y)")
    over_filter = difference(table[2], table[1])
    gain, (low, high) = over_filter["psnr_y"]["mean"], over_filter["psnr_y"]["interval"]
    print(
        f"over the filter    {gain:+6.2f} dB [{low:+.2f}, {high:+.2f}], paired over the test pairs"
    )
    shares = last_shares(run.history())
    print("gradient on the derainer: " + _percent(shares))
    write_json(
        out / "scores.json",
        {
            "recipe": "demo",
            "seed": run.config.seed,
            "minutes": minutes,
            "scores": {row.pop("system"): row for row in map(dict, table)},
            "over_filter": over_filter,
            "gradient_shares": shares,
        },
    )

    examples = []
    for name, rainy, clean in _examples(pairs, table[-1]["images"]):
        picture = read_rgb(rainy)
        examples.append(
            {
                "name": name,
                "rainy": picture,
                "derained": systems[OURS](picture),
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
        lead=carries(shares),
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


def last_shares(history: list[dict]) -> dict[str, float]:
    """Each loss's share of the gradient on the derainer, from the newest row that has them."""
    for row in reversed(history):
        if shares := {
            k.removeprefix("share/"): v for k, v in row.items() if k.startswith("share/")
        }:
            return shares
    return {}


def carries(shares: dict[str, float]) -> str:
    """What carries the result, in words."""
    effect = WITH_LOSSES["psnr_y"] - WITHOUT_LOSSES["psnr_y"]
    return (
        "Rendered rain carries this result: most of the run the derainer rehearses on showers "
        "rendered over clean pictures, and the four losses of the paper join for its last part. "
        f"Gradient on the derainer at the end: {_percent(shares)}. What the four add was measured "
        "once, in three seeds of this recipe with transposed convolutions: without them "
        f"{WITHOUT_LOSSES['psnr_y']:.2f} dB / {WITHOUT_LOSSES['ssim_y']:.4f} on these pictures, "
        f"with them {WITH_LOSSES['psnr_y']:.2f} dB / {WITH_LOSSES['ssim_y']:.4f} "
        f"({effect:+.2f} dB)."
    )


def _percent(shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items()) or "not measured"


def _examples(pairs: list, images: list[dict]) -> list:
    """The best, the median and the worst pair by PSNR, and the photograph among the scenes."""
    chosen = [*best_median_worst(images).values()]
    chosen += [i for i, pair in enumerate(pairs) if pair[0].startswith("photo")]
    return [pairs[i] for i in dict.fromkeys(chosen)]
