"""One training run and its scores, for benchmarks of quality."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from cclgan_lite.data.pairs import Pair
from cclgan_lite.evaluation.evaluate import evaluate_pairs
from cclgan_lite.files import write_json
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import load_derainer
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run
from cclgan_lite.training.trainer import resume, train


def trial(config: Config, rainy: Path, clean: Path, out: Path, pairs: Iterable[Pair]) -> dict:
    """What `evaluate_pairs` says of the run in `out`, and its `cpu_seconds` of training.

    A run that is not there is trained, an interrupted one resumed; the scores stay in
    OUT/result.json, so that a finished one is neither trained nor scored again.
    """
    found = out / "result.json"
    if not found.exists():
        seconds = trained(config, rainy, clean, out)
        write_json(found, score(out, pairs) | {"cpu_seconds": seconds})
    return json.loads(found.read_text())


def trained(config: Config, rainy: Path, clean: Path, out: Path) -> float:
    """Train the run in `out`, or resume it; the processor seconds that this took."""
    start = time.process_time()
    if Run.exists(out):
        resume(out)
    else:
        train(config, rainy, clean, out)
    return time.process_time() - start


def settle(out: Path, **settings: object) -> None:
    """Write what the runs in `out` have in common, and stop where others lie there already."""
    out.mkdir(parents=True, exist_ok=True)
    file, told = out / "settings.json", json.loads(json.dumps(settings))
    if file.exists() and (found := json.loads(file.read_text())) != told:
        raise SystemExit(f"{out} has runs of {found}, not {told}: choose another folder")
    write_json(file, told)


def score(out: Path, pairs: Iterable[Pair]) -> dict:
    """What `evaluate_pairs` says of the run in `out`."""
    derainer = load_derainer(out)
    return evaluate_pairs(pairs, lambda rgb: derain_image(derainer, rgb))
