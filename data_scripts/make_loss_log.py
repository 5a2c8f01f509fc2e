"""Make the loss log of the course: one small run, grown by a loss at a time, over three seeds.

    python data_scripts/make_loss_log.py --out runs/loss-log

The adversarial loss begins, and the others join at half of the run. So each seed trains its first
half once, and every row goes on from there with the same batches and one loss more. Each finished
row leaves OUT/SEED-INGREDIENT.json and .png and is not trained again, and the first half, in
OUT/SEED-begun, goes on where it was: an interrupted command is given once more. When all is
there it is bound into loss_log.json and loss_log.png, which the package ships from
cclgan_lite/course/data/. Scored are the 12 validation scenes of the bundled data, never its test.
About an hour of one core.
"""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from PIL import Image
from torch.utils.data import default_collate
from tqdm import trange

from cclgan_lite.course.loss_log import INGREDIENTS, run_config
from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.folders import PairedFolders
from cclgan_lite.data.images import to_uint8
from cclgan_lite.device import hardware
from cclgan_lite.evaluation.classical import classical_filter
from cclgan_lite.evaluation.metrics import luma, psnr
from cclgan_lite.files import write_atomically, write_json
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run
from cclgan_lite.training.trainer import Trainer

EVERY = 50  # steps between two checkpoints
SHOWN, ROWS, COLUMNS = (
    5,
    slice(40, 200),
    slice(100, 220),
)  # a scene and the part of it in the sheet


def go_on(trainer: Trainer, data, until: int, name: str) -> dict:
    """Train on to step `until`; what it took in processor seconds, and the mean shares."""
    start, batch = time.process_time(), trainer.config.batch
    shares: dict[str, list[float]] = {}
    for step in trange(trainer.step, until, desc=name):
        items = [data[k] for k in range(step * batch, (step + 1) * batch)]
        losses, _ = trainer.train_step(default_collate(items))
        if 2 * step >= trainer.total_steps:
            for key, value in losses.items():
                if key.startswith("share/"):
                    shares.setdefault(key.removeprefix("share/"), []).append(value.item())
    return {
        "seconds": round(time.process_time() - start, 1),
        "shares": {key: round(float(np.mean(values)), 4) for key, values in shares.items()},
    }


@torch.no_grad()
def derain(trainer: Trainer, scenes: PairedFolders) -> list[np.ndarray]:
    return [to_uint8(trainer.averaged(pair["rainy"][None])[0].clamp(-1, 1)) for pair in scenes]


def mean_psnr(pictures: list[np.ndarray], scenes: PairedFolders) -> float:
    """Mean PSNR on luma in dB."""
    truths = [to_uint8(pair["clean"]) for pair in scenes]
    return round(
        float(np.mean([psnr(*both, luma) for both in zip(pictures, truths, strict=True)])), 3
    )


def begin(trainer: Trainer, training, data: Path, folder: Path) -> float:
    """The first half, from the last checkpoint in `folder` on; processor seconds of its parts."""
    run = Run(folder, trainer.config, data / "train/rainy", data / "train/clean")
    trainer.load(run)
    spent = json.loads((folder / "seconds.json").read_text()) if trainer.step else 0.0
    while trainer.step < (half := trainer.total_steps // 2):
        until = min(trainer.step + EVERY, half)
        spent += go_on(trainer, training, until, f"seed {trainer.config.seed}")["seconds"]
        trainer.save(run)
        write_json(folder / "seconds.json", spent)
    return spent


def grow(config: Config, data: Path, out: Path) -> None:
    """All rows of a seed that are not there yet."""
    names = {i: out / f"{config.seed}-{i}" for i in [*INGREDIENTS][1:]}
    if all(path.with_suffix(".json").exists() for path in names.values()):
        return
    training = config.method.data(
        data / "train/rainy", data / "train/clean", config.augment, config.seed,
        shower=config.shower,
    )  # fmt: skip
    scenes = PairedFolders(data / "val/rainy", data / "val/clean")
    begun = Trainer(config, config.steps, torch.device("cpu"))
    terms, heard = begun.terms, {}
    for ingredient, path in names.items():
        heard |= {name: terms[name] for name in INGREDIENTS[ingredient][0]}
        begun.terms = dict(heard)
        if ingredient == "adversarial":
            seconds = begin(begun, training, data, out / f"{config.seed}-begun")
        if path.with_suffix(".json").exists():
            continue
        trainer = copy.deepcopy(begun)
        row = go_on(trainer, training, config.steps, f"seed {config.seed}, {ingredient}")
        made = derain(trainer, scenes)
        sheet = Image.fromarray(made[SHOWN][ROWS, COLUMNS])
        write_atomically(path.with_suffix(".png"), sheet.save)
        row["seconds"] = round(row["seconds"] + seconds, 1)
        write_json(path.with_suffix(".json"), row | {"psnr_y": mean_psnr(made, scenes)})


def bind(config: Config, data: Path, out: Path, seeds: tuple[int, ...]) -> None:
    """The table and the sheet of all rows."""
    scenes = PairedFolders(data / "val/rainy", data / "val/clean")
    rainy = [to_uint8(pair["rainy"]) for pair in scenes]
    rows = [{"ingredient": "nothing", "psnr_y": [mean_psnr(rainy, scenes)] * len(seeds)}]
    strip = [rainy[SHOWN][ROWS, COLUMNS]]
    for ingredient in [*INGREDIENTS][1:]:
        found = [json.loads((out / f"{seed}-{ingredient}.json").read_text()) for seed in seeds]
        rows.append(
            {
                "ingredient": ingredient,
                "psnr_y": [row["psnr_y"] for row in found],
                "seconds": [row["seconds"] for row in found],
                "share": [row["shares"][ingredient] for row in found],
            }
        )
        strip.append(np.asarray(Image.open(out / f"{seeds[0]}-{ingredient}.png").convert("RGB")))
    strip.append(to_uint8(scenes[SHOWN]["clean"])[ROWS, COLUMNS])
    log = {
        "about": f"≈ {config.steps} steps, seeds {', '.join(map(str, seeds))}; "
        f"{len(rainy)} validation scenes of the bundled data; one thread",
        "hardware": hardware(torch.device("cpu")),
        "filter": mean_psnr([classical_filter(picture) for picture in rainy], scenes),
        "rows": rows,
    }
    write_json(out / "loss_log.json", log)
    write_atomically(out / "loss_log.png", Image.fromarray(np.hstack(strip)).save)


def main(
    out: Path,
    data: Path | None = None,
    steps: int | None = None,
    seeds: tuple[int, ...] = (0, 1, 2),
) -> None:
    """`data`: bundled data that is there already; `steps`, `seeds`: fewer, to try the script."""
    torch.set_num_threads(1)
    data = bundled_data(data or out / "bundled-data")
    for seed in seeds:
        config = run_config(seed)
        config = config if steps is None else replace(config, steps=steps)
        grow(config, data, out)
    bind(config, data, out, seeds)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
