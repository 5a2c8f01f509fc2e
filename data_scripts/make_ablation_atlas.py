"""Train the ablation atlas of the explorer: small runs over a coarse grid of weights.

    python data_scripts/make_ablation_atlas.py --out runs/atlas

Every run is the explorer's small method (16 filters, three blocks, with the levers that small
budgets need) on the same 48 rainy and 48 clean generated scenes, with the same crops in the same
order. The grid's corners are rows of the paper's Table 2 as far as they are known; then come the
rows of Tables 3 and 4, repetitions with other seeds, and runs without one of the levers.

Each finished run leaves OUT/NAME.json and OUT/NAME.png, and is not trained again: an interrupted
atlas goes on where it stopped. What is there is then bound into OUT/atlas.json and OUT/atlas.jpg,
which the package ships from cclgan_lite/course/explorer/data/.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image
from tqdm import tqdm

from cclgan_lite.course.explorer.lab import HELD_OUT, SIZE, Lab, mean_scores
from cclgan_lite.course.explorer.setting import Setting
from cclgan_lite.course.scenes import scene_pairs
from cclgan_lite.data.images import to_uint8
from cclgan_lite.device import hardware
from cclgan_lite.files import write_atomically, write_json

LCL, INTRA, INTER = (0.0, 0.2, 2.0), (0.0, 1.0), (0.0, 0.005)  # the paper's are the last ones
LR = 1e-3  # of the generators, falling to zero in the second half
EVERY = 10  # steps that one point of a curve averages
SHOWN = (0, 3)  # held-out scenes in the sheet

FULL = {"lcl": 2.0, "intra": 1.0, "inter": 0.005}
NO_INTER, NO_INTRA = FULL | {"inter": 0.0}, FULL | {"intra": 0.0}
TABLE_2 = {  # by the weights of LCL, intra-CCL and inter-CCL
    (2.0, 1.0, 0.005): "G: all (CCLGAN)",
    (2.0, 0.0, 0.005): "C: without intra-CCL",
    (2.0, 1.0, 0.0): "D: without inter-CCL",
    (2.0, 0.0, 0.0): "E: LCL alone",
    (0.0, 1.0, 0.005): "F: CCL alone",
}


def plan() -> dict[str, dict]:
    """The runs by name: weights, changed constants of terms, seed, row of the paper.

    The paper's rows come first, then repetitions: what an unfinished atlas needs most.
    """
    grid = {
        f"lcl{a:g}-intra{b:g}-inter{c:g}": {
            "weights": {"lcl": a, "intra": b, "inter": c},
            "row": TABLE_2.get((a, b, c), ""),
        }
        for a in LCL
        for b in INTRA
        for c in INTER
    }
    runs = {name: run for name, run in grid.items() if run["row"]}
    for seed in (1, 2):
        runs[f"all-seed{seed}"] = {"weights": FULL, "seed": seed, "row": TABLE_2[2.0, 1.0, 0.005]}
    for kind, off in (("fake", "real_weight"), ("real", "fake_weight")):
        runs[f"intra-{kind}"] = {
            "weights": NO_INTER,
            "changes": {"intra": {off: 0.0}},
            "row": f"intra-CCL, {kind} negatives",
        }
        runs[f"inter-{kind}"] = {
            "weights": NO_INTRA,
            "changes": {"inter": {off: 0.0}},
            "row": f"inter-CCL, {kind} positives",
        }
    runs["no-rederain"] = {"weights": FULL | {"rederain": 0.0}}
    runs["no-adversarial"] = {"weights": FULL | {"adversarial": 0.0}}
    return runs | grid


def train(run: dict, steps: int, scenes: int, name: str) -> tuple[dict, np.ndarray]:
    """A run's row of the table, and the derained scenes of the sheet side by side."""
    start = time.process_time()
    setting, seed = Setting(**run["weights"]), run.get("seed", 0)
    lab = Lab(setting, seed, None, scenes, steps, idle=False, lr=LR)
    for term, constants in run.get("changes", {}).items():
        lab.trainer.terms[term] = replace(lab.trainer.terms[term], **constants)
    rows = list(tqdm(lab.train(steps), total=steps, desc=name))
    blocks = [rows[i : i + EVERY] for i in range(0, steps, EVERY)]
    curves = {
        loss: [round(float(np.mean([row[loss] for row in block])), 4) for block in blocks]
        for loss in rows[0]
    }
    rainy, clean = scene_pairs(8, SIZE, HELD_OUT)
    derained = lab.derain(rainy, averaged=True)
    row = {
        "name": name,
        "setting": lab.setting.weights(),
        "changes": run.get("changes", {}),
        "row": run.get("row", ""),
        "seed": lab.seed,
        **{key: round(value, 4) for key, value in mean_scores(derained, clean).items()},
        "curves": curves,
        "cpu_seconds": round(time.process_time() - start),
    }
    return row, strip(derained)


def strip(pictures: torch.Tensor) -> np.ndarray:
    """The scenes of the sheet side by side."""
    return np.hstack([to_uint8(pictures[i]) for i in SHOWN])


def bind(out: Path, about: dict) -> None:
    """The table and the sheet of all finished runs, with input and truth as first rows."""
    rainy, clean = scene_pairs(8, SIZE, HELD_OUT)
    done = [name for name in plan() if (out / f"{name}.json").exists()]
    rows = [json.loads((out / f"{name}.json").read_text()) for name in done]
    strips = [strip(rainy), strip(clean)]
    strips += [np.asarray(Image.open(out / f"{name}.png").convert("RGB")) for name in done]
    sheet = Image.fromarray(np.vstack(strips))
    write_atomically(out / "atlas.jpg", lambda path: sheet.save(path, quality=90))
    text = json.dumps(about | {"tile": SIZE, "rainy_input": mean_scores(rainy, clean)})[:-1]
    lines = ",\n  ".join(map(json.dumps, rows))
    write_atomically(
        out / "atlas.json", lambda path: path.write_text(f'{text}, "runs": [\n  {lines}\n]}}\n')
    )


def main(out: Path, steps: int = 200, scenes: int = 48) -> None:
    about = {
        "steps": steps,
        "scenes": scenes,
        "lr": LR,
        "every": EVERY,
        "hardware": hardware(torch.device("cpu")),
        "torch": torch.__version__,
    }
    for name, run in plan().items():
        if not (out / f"{name}.json").exists():
            row, shown = train(run, steps, scenes, name)
            write_atomically(out / f"{name}.png", Image.fromarray(shown).save)
            write_json(out / f"{name}.json", row)
        bind(out, about)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
