"""What can be scored, by name: weights and runs, and two systems that learn nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import NamedTuple

from cclgan_lite.data.pairs import Pair, pair_files, refuse_equal_files
from cclgan_lite.device import pick_device
from cclgan_lite.evaluation.classical import classical_filter
from cclgan_lite.evaluation.datasets import dataset_pairs, refuse_leaks, training_data
from cclgan_lite.evaluation.evaluate import Derain, Protocol, evaluate_pairs
from cclgan_lite.evaluation.extras import load_extras
from cclgan_lite.evaluation.pictures import examples
from cclgan_lite.evaluation.report import write_report
from cclgan_lite.evaluation.results import describe
from cclgan_lite.evaluation.statistics import difference
from cclgan_lite.files import refuse_unwritable
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import DEFAULT_WEIGHTS, TRAINED_ON, load_derainer
from cclgan_lite.training.run import Run

UNTRAINED = {"identity": lambda rgb: rgb, "classical": classical_filter}


class System(NamedTuple):
    """A derainer as results record it."""

    name: str
    derain: Derain
    training: str
    trained_on: str | None  # in words; None where it is not recorded


def find_system(
    name: str | PathLike, pairs: Iterable[Pair] = (), dataset: str = "", device: str = "auto"
) -> System:
    """The system called `name`, fit to be scored on `pairs` of `dataset`.

    `identity` is the rainy input, `classical` a filter; everything else is a shipped name, a
    weights file or a run folder. Raises FileNotFoundError or ValueError where there is none, and
    ValueError where it is a run that has trained on the pictures of the test.
    """
    name = fspath(name)
    if name in UNTRAINED:
        return System(name, UNTRAINED[name], "none", None)
    trained_on = TRAINED_ON.get(name)
    if name not in TRAINED_ON and Run.exists(Path(name)):
        run = Run.read(Path(name))
        refuse_leaks(run.rainy, dataset)
        _refuse_training_pictures(run, pairs)
        trained_on = training_data(run.rainy)
    target = pick_device(device)
    generator = load_derainer(name, target)
    return System(name, lambda rgb: derain_image(generator, rgb), "unpaired", trained_on)


def evaluate(
    system: str | PathLike = DEFAULT_WEIGHTS,
    dataset: str | Path | None = None,
    split: str = "test",
    *,
    rainy: str | Path | None = None,
    clean: str | Path | None = None,
    against: str | PathLike | None = None,
    protocol: Protocol = "full-size",
    extras: Sequence[str] = (),
    clip: str = "tiny-rain-clip",
    report: str | Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> dict:
    """Score a derainer on pairs: PSNR and SSIM on luma (Y) and on RGB.

    `system` is a shipped name, weights, a run, `identity` or `classical`; so is `against`, which
    is scored on the same pictures. The pairs are those of a prepared `dataset` (its folder, or
    its name in CCLGAN_DATA or ./data; `bundled` is made), or those of two folders. `report` is a
    web page to write.

    Returns what `evaluate_pairs` does, with `system`, `dataset`, `subset`, `split`, `training`,
    `trained_on`, and with `against` a result of its own that also holds `difference`.

    Raises ImageError (pictures, pairs), FileNotFoundError or ValueError (weights, arguments, a
    run that has trained on the test).
    """
    if (dataset is None) == (rainy is None) or (rainy is None) != (clean is None):
        raise ValueError("give --dataset, or both --rainy and --clean")
    if dataset is None:
        about, pairs = {"dataset": str(rainy), "split": None}, pair_files(rainy, clean)
    else:
        about, pairs = dataset_pairs(dataset, split)
    refuse_equal_files(pairs)
    refuse_unwritable(report)
    systems = [
        find_system(name, pairs, about["dataset"], device)
        for name in (system, against)
        if name is not None
    ]
    metrics = load_extras(extras, pick_device(device), clip) if extras else {}
    results = [
        {
            "system": each.name,
            **about,
            "training": each.training,
            "trained_on": each.trained_on,
            **evaluate_pairs(
                pairs, each.derain, protocol=protocol, extras=metrics, progress=progress
            ),
        }
        for each in systems
    ]
    result = results[0]
    if against is not None:
        result["against"] = {**results[1], "difference": difference(*results)}
    if report:
        _write_report(report, results, pairs, systems[0].derain)
    return result


def _refuse_training_pictures(run: Run, pairs: Iterable[Pair]) -> None:
    seen = {run.rainy.resolve(), run.clean.resolve()}
    for _, *files in pairs:
        for file in files:
            if seen & set(file.resolve().parents):
                raise ValueError(
                    f"{run.folder} was trained on the pictures of {file.parent}: score it on "
                    "others"
                )


def _write_report(
    path: str | Path, results: Sequence[dict], pairs: Sequence[Pair], derain: Derain
) -> None:
    result = results[0]
    write_report(
        path,
        title=f"{result['system']} on {result['dataset']}",
        summary={
            "images": f"{result['n']} pairs of {result['scenes']} scenes",
            "protocol": result["protocol"],
            "training": result["training"],
            "trained on": result["trained_on"] or "not recorded",
        },
        table=results,
        examples=examples(pairs, result, derain),
        notes=describe(result).splitlines()[1:] if "against" in result else (),
    )
