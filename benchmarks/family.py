"""The family tree under one small budget: every method on the same pictures, by seed.

    python benchmarks/family.py runs/family --tasks rain haze --seeds 0 1 2
    python benchmarks/family.py runs/family --shared SHARED --tasks rain100L city_rain

The same steps, crops, order of data, learning rate and judges for all. The same derainer too, but
where a method is one: NLCL and UDGNet (two layers that add up), DerainCycleGAN (its attention) and
DDN (details alone) keep their own kind at a like size. Losses have their published weights. What
stands beside quality: processor seconds of training, and the memory that it took.

Every finished run leaves OUT/TASK/METHOD-SEED/ and is not made again; an interrupted one resumes.
OUT/family.json holds whatever is finished, with the command; `--minutes` ends the work in time.
Tasks are bundled data by kind of degradation (haze is also scored on SHARED/sots_outdoor, where it
is there), and SHARED/rain100L and SHARED/city_rain. Linux only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from timing import held_gib, peak_gib
from trial import score, trained

from cclgan_lite.data.bundled import bundled_data, make_item, plan
from cclgan_lite.data.folders import Augment
from cclgan_lite.data.images import Photo, write_photo
from cclgan_lite.data.pairs import Pair, pair_files
from cclgan_lite.data.shower import Shower
from cclgan_lite.device import hardware
from cclgan_lite.evaluation.classical import classical_filter
from cclgan_lite.evaluation.evaluate import evaluate_pairs
from cclgan_lite.files import write_json
from cclgan_lite.losses import PixelL1, PixelMSE
from cclgan_lite.losses.pixel import rehearsal
from cclgan_lite.methods import (
    CCLGAN,
    CDDGAN,
    CUT,
    DCDGAN,
    DCLGAN,
    NLCL,
    CycleGAN,
    DerainCycleGAN,
    FastCUT,
    Method,
    Supervised,
    UDGNet,
)
from cclgan_lite.methods.supervised import TRUTH
from cclgan_lite.networks import AttentiveConfig, DiscriminatorConfig, FlatConfig, GeneratorConfig
from cclgan_lite.recipes import REHEARSAL
from cclgan_lite.training.config import Config

DERAINER = GeneratorConfig(
    filters=16, blocks=3, head="residual", norm="none", taps=("down1", "down2", "block1", "block3")
)
FLAT = FlatConfig(filters=16, blocks=4, taps=("stem", "block2", "block4"))
COUNTS = {"rainy": 40, "clean": 40, "val": 12, "test": 0}  # of the bundled data


@dataclass(frozen=True)
class Row:
    """A method at the size of the budget; `paired`: it learns from truths."""

    method: Method
    paired: bool = False
    renders: bool = False  # streaks of its own, which help against nothing else


METHODS = {
    "CycleGAN": Row(CycleGAN(DERAINER)),
    "CUT": Row(CUT(DERAINER, projection=64)),
    "FastCUT": Row(FastCUT(DERAINER, projection=64)),
    "DCLGAN": Row(DCLGAN(DERAINER, projection=64)),
    "DCD-GAN": Row(DCDGAN(DERAINER, projection=64)),
    "CDD-GAN": Row(CDDGAN(DERAINER, projection=64, negatives=64)),
    "DerainCycleGAN": Row(DerainCycleGAN(AttentiveConfig(filters=16, blocks=3, looks=2))),
    "NLCL": Row(NLCL(FLAT, projection=64)),
    "UDGNet": Row(UDGNet(FLAT)),
    "CCLGAN": Row(CCLGAN(DERAINER, embedder="tiny-rain-clip", projection=64)),
    "rehearsal": Row(
        replace(REHEARSAL.method, generator=DERAINER, rehearsal=rehearsal(1.0)), renders=True
    ),
    "supervised": Row(Supervised(DERAINER), paired=True),
    "DDN": Row(
        Supervised(
            replace(FLAT, norm="none", detail=True, taps=()),
            l1=PixelL1(0.0, TRUTH),
            mse=PixelMSE(1.0, TRUTH),
        ),
        paired=True,
    ),
}


@dataclass(frozen=True)
class Task:
    """Where to learn: folders of rainy pictures, of other clean ones, and of the rainy ones'
    truths; what to be scored on; whether the judges see fine structure alone, as streaks are.
    """

    rainy: Path
    clean: Path
    truth: Path
    tests: dict[str, list[Pair]]
    streaks: bool


def bundled(kind: str, root: Path, shared: Path) -> Task:
    data = bundled_data(root / kind, kind=kind, **COUNTS)
    truth = root / "truth"
    truth.mkdir(exist_ok=True)
    for item in plan(**COUNTS):
        if item.folders == ("train/rainy",) and not (truth / item.name).exists():
            ((_, pixels),) = make_item(replace(item, folders=("train/clean",)), 0, 240, 320)
            write_photo(truth / item.name, Photo(pixels), pixels)
    tests = {f"bundled {kind}": pair_files(data / "val/rainy", data / "val/clean")}
    if kind == "haze" and (sots := shared / "sots_outdoor").is_dir():
        tests["sots_outdoor"] = pair_files(sots / "hazy", sots / "clean")
    return Task(data / "train/rainy", data / "train/clean", truth, tests, kind == "rain")


def rain100l(root: Path, shared: Path) -> Task:
    """Trained on 001-160; every fourth of 161-200 is scored, to save time."""
    folder, mine = shared / "rain100L", root / "rain100L"
    pairs = pair_files(folder / "rainy", folder / "clean")
    for kind, place in (("rainy", 1), ("truth", 2)):
        (mine / kind).mkdir(parents=True, exist_ok=True)
        for pair in pairs[:160]:
            link = mine / kind / pair[place].name
            if not link.exists():
                link.symlink_to(pair[place].resolve())
    tests = {"rain100L 161-200": pairs[160::4]}
    return Task(mine / "rainy", folder / "unpaired_clean", mine / "truth", tests, True)


def city_rain(root: Path, shared: Path) -> Task:
    folder = shared / "city_rain"
    tests = {"city_rain val": pair_files(folder / "val/rainy", folder / "val/clean")}
    train = folder / "train"
    return Task(train / "rainy", train / "clean", folder / "train_truth", tests, False)


TASKS: dict[str, Callable[[Path, Path], Task]] = {
    **{kind: partial(bundled, kind) for kind in ("rain", "haze", "veil")},
    "rain100l": rain100l,
    "city_rain": city_rain,
}


def budget(row: Row, task: Task, asked: argparse.Namespace, seed: int) -> Config:
    method = row.method
    if hasattr(method, "discriminator"):
        judge = DiscriminatorConfig(
            filters=16, norm="spectral", high_pass=task.streaks, taps=("conv1", "conv2", "conv3")
        )
        method = replace(method, discriminator=judge, discriminator_speed=2.0)
    return Config(
        method=method,
        augment=Augment(resize=None, crop=asked.crop),
        shower=REHEARSAL.shower if row.renders else Shower(),
        seed=seed,
        steps=asked.steps,
        lr=1e-3,
        ema=0.95,
        save_minutes=0.5,
    )


def work(row: Row, task: Task, config: Config, out: Path) -> None:
    """Train, then score: OUT/cost.json and OUT/result.json. In a process of its own."""
    cost, result = out / "cost.json", out / "result.json"
    if not cost.exists():
        before = held_gib()
        clean = task.truth if row.paired else task.clean
        seconds = trained(config, task.rainy, clean, out)
        write_json(cost, {"cpu_seconds": seconds, "memory_gib": peak_gib() - before})
    tests = {name: score(out, pairs) for name, pairs in task.tests.items()}
    write_json(result, json.loads(cost.read_text()) | {"tests": tests})


def scores(result: dict) -> dict:
    """What is kept of an evaluation: means, and PSNR picture by picture."""
    pictures = [round(image["psnr_y"], 3) for image in result["images"]]
    return {
        "psnr_y": round(result["psnr_y"], 3), "ssim_y": round(result["ssim_y"], 4),
        "pictures": pictures,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("data"), help="folder of the data")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no run after this")
    asked = parser.parse_args()
    began, fork = time.monotonic(), multiprocessing.get_context("fork")
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    found = asked.out / "family.json"
    kept = json.loads(found.read_text()) if found.exists() else {"commands": [], "tests": {}}
    kept |= {
        "steps": asked.steps, "crop": asked.crop, "batch": 1, "threads": 1,
        "hardware": hardware(torch.device("cpu")),
    }  # fmt: skip
    command = " ".join(["python", "benchmarks/family.py", *sys.argv[1:]])
    kept["commands"] = [*dict.fromkeys([*kept["commands"], command])]
    for name in asked.tasks:
        task = TASKS[name](asked.out / "data", asked.shared)
        for test, pairs in task.tests.items():
            for label, filtered in (("input", lambda rgb: rgb), ("filter", classical_filter)):
                if label not in (rows := kept["tests"].setdefault(test, {})):
                    rows[label] = {"0": scores(evaluate_pairs(pairs, filtered))}
        for seed in asked.seeds:
            for label in asked.methods:
                row, out = METHODS[label], asked.out / name / f"{label}-{seed}"
                if row.renders and not task.streaks:
                    continue
                if not (out / "result.json").exists():
                    if time.monotonic() - began > 60 * asked.minutes:
                        continue
                    config = budget(row, task, asked, seed)
                    child = fork.Process(target=work, args=(row, task, config, out))
                    child.start()
                    child.join()
                    if child.exitcode:
                        sys.exit(f"{out} failed (exit code {child.exitcode}): see above")
                result = json.loads((out / "result.json").read_text())
                cost = {k: round(result[k], 2) for k in ("cpu_seconds", "memory_gib")}
                for test, scored in result["tests"].items():
                    rows = kept["tests"][test]
                    rows.setdefault(label, {})[str(seed)] = scores(scored) | cost
                    print(f"{test} {label} {seed}: {scored['psnr_y']:.2f} dB", flush=True)
                write_json(found, kept)


if __name__ == "__main__":
    main()
