"""Tables 2-4 of the paper, its neighbours and our own recipes, all under one small budget.

    python benchmarks/ablations.py runs/ablations --rainy RAINY --clean CLEAN \\
        --val-rainy VAL_RAINY --val-clean VAL_CLEAN --json ablations.json

All rows have the same steps, crops, order of data and learning rates. Rows of the paper and its
neighbours have small networks of recipe `laptop`; the rows of the paper also its levers (a smaller
weight of LCL and intra-CCL, identity, rederain), and once the published weights without them. Our
own recipes have their own derainer: rehearsal from random weights, two more go on from it with as
many steps again. Each finished run leaves OUT/ROW-SEED/result.json and is not trained again; an
interrupted one resumes.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from timing import write
from trial import settle, trial

from cclgan_lite.data.pairs import pair_files
from cclgan_lite.evaluation.evaluate import evaluate_pairs
from cclgan_lite.evaluation.statistics import difference
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.recipes import LAPTOP, RECIPES
from cclgan_lite.training.config import Config

SMALL = replace(  # `laptop` with the networks that the rows share
    LAPTOP,
    method=replace(
        LAPTOP.method, generator=replace(LAPTOP.method.generator, filters=24, blocks=4)
    ),
)
WEIGHTS = {"lcl": 0.2, "intra": 0.1, "inter": 0.005}  # of the paper's rows, where not zero
PAPER = {  # of Tables 2-4
    "paper": "G: all (CCLGAN)",
    "ablation-c-no-intra": "C: without intra-CCL; inter-CCL, both positives",
    "ablation-d-no-inter": "D: without inter-CCL; intra-CCL, both negatives",
    "ablation-e-lcl-alone": "E: LCL alone",
    "ablation-f-ccl-alone": "F: CCL alone",
    "ablation-intra-fake": "intra-CCL, fake negatives",
    "ablation-intra-real": "intra-CCL, real negatives",
    "ablation-inter-fake": "inter-CCL, fake positives",
    "ablation-inter-real": "inter-CCL, real positives",
}
PLAIN = {  # losses and weights as published, networks as above
    "published": "G with the published weights",
    "cyclegan": "CycleGAN",
    "cut": "CUT",
}
OURS = {
    "rehearsal": "rehearsal",
    "rain100l": "then rain100l: rehearsal and transplant",
    "cclgan-plus": "or cclgan-plus: those and C with small weights",
}
ROWS = PAPER | {"none": "none of the three"} | PLAIN | OURS


def method_of(row: str) -> CCLGAN:
    if row in OURS:
        return RECIPES[row].method
    name = {"published": "paper", "none": "ablation-e-lcl-alone"}.get(row, row)
    theirs = RECIPES[name].method
    taps = tuple("block4" if tap == "block5" else tap for tap in theirs.generator.taps)
    shared = {
        "generator": replace(SMALL.method.generator, taps=taps),
        "discriminator": SMALL.method.discriminator,
        "discriminator_speed": SMALL.method.discriminator_speed,
    }
    if isinstance(theirs, CCLGAN):
        shared["embedder"] = "tiny-rain-clip"
    if row not in PLAIN:
        for term, weight in WEIGHTS.items():
            own = getattr(theirs, term)
            on = own.weight and row != "none"
            shared[term] = replace(own, weight=weight if on else 0.0)
        shared |= {"identity": SMALL.method.identity, "rederain": SMALL.method.rederain}
    return replace(theirs, **shared)


def budget(row: str, asked: argparse.Namespace, seed: int) -> Config:
    method = method_of(row)
    return replace(
        SMALL,
        method=method,
        augment=replace(SMALL.augment, crop=asked.crop),
        shower=RECIPES.get(row, SMALL).shower,
        start=str(asked.out / f"rehearsal-{seed}") if "transplant" in method.terms() else "",
        seed=seed,
        steps=asked.steps,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    for name in ("--rainy", "--clean", "--val-rainy", "--val-clean"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--crop", type=int, default=80)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    settle(asked.out, steps=asked.steps, crop=asked.crop)
    pairs = pair_files(asked.val_rainy, asked.val_clean)
    before = evaluate_pairs(pairs, lambda rgb: rgb)
    print(f"rainy input: {before['psnr_y']:.2f} dB / {before['ssim_y']:.4f}")
    rows = []
    for seed in asked.seeds:
        for row in asked.rows:
            config, out = budget(row, asked, seed), asked.out / f"{row}-{seed}"
            result = trial(config, asked.rainy, asked.clean, out, pairs)
            gain = difference(result, before)["psnr_y"]
            rows.append(
                {
                    "row": row,
                    "title": ROWS[row],
                    "seed": seed,
                    "psnr_y": result["psnr_y"],
                    "ssim_y": result["ssim_y"],
                    "gain": gain,
                    "cpu_seconds": result["cpu_seconds"],
                }
            )
            low, high = gain["interval"]
            print(
                f"| {ROWS[row]} | {seed} | {result['psnr_y']:.2f} / {result['ssim_y']:.4f} | "
                f"{gain['mean']:+.2f} [{low:+.2f}, {high:+.2f}] | {result['cpu_seconds']:.0f} |",
                flush=True,
            )
    write(
        asked.json,
        {
            "steps": asked.steps,
            "crop": asked.crop,
            "rainy_psnr_y": before["psnr_y"],
            "rainy_ssim_y": before["ssim_y"],
            "rows": rows,
        },
    )


if __name__ == "__main__":
    main()
