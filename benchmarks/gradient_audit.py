"""Whose gradient points to the truth? Every loss of a run against the supervised one.

    python benchmarks/gradient_audit.py runs/demo --rainy VAL_RAINY --clean VAL_CLEAN

For a run with its newest networks and pairs that it was not trained on: the gradient of every term
on the derainer's parameters, batch by batch, beside that of a loss that knows the truth (Huber
between derained and clean). Rainy and clean crops of a batch come from different pairs, as in
training; only the supervised gradient uses the pairs.

    share    |w g| over the sum of all terms, as the optimiser would hear them at full weight
    cosine   with the supervised gradient, mean over batches +- standard error
    of means cosine of the gradients averaged over all batches: noise averages out, bias stays
    beside   the same mean cosine without the direction "take more, take less": the gradient of the
             mean brightness of the output, which a loss may set without knowing where rain is
    signal   |mean g|^2 over the mean |g - mean g|^2: above 1, batches agree
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from timing import write
from torch import Tensor, nn

from cclgan_lite.data.images import read_rgb, to_tensor
from cclgan_lite.data.pairs import Pair, pair_files
from cclgan_lite.losses.term import Term
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run
from cclgan_lite.training.step import Step

TRUTH, AMOUNT = "supervised loss", "amount of rain"  # beside names of terms, which have no spaces
BETA = 0.1  # of the supervised Huber loss, as in `rehearsal`


def audit(
    networks: nn.ModuleDict,
    terms: Mapping[str, Term],
    wiring: Mapping[str, tuple],
    batches: Iterable[dict[str, Tensor]],
) -> dict[str, dict[str, float]]:
    """{term: figures, see above}; each batch has the inputs of a step and the `truth` of rainy."""
    parameters = list(networks["derainer"].parameters())
    looks = [look for term in terms.values() for look in term.looks()]
    gradients: dict[str, list[Tensor]] = {}
    for i, batch in enumerate(batches):
        torch.manual_seed(i)  # patches and strengths
        images = dict(batch)
        truth = images.pop("truth")
        step = Step(networks, wiring, looks, images)
        values = {
            TRUTH: F.smooth_l1_loss(step.image("derained"), truth, beta=BETA),
            AMOUNT: step.image("derained").mean(),
        }
        for name, term in terms.items():
            heard = {k: v for k, v in term(step).items() if not k.startswith("discriminator")}
            values[name] = term.weight * next(iter(heard.values()))
        for name, value in values.items():
            found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
            pairs = zip(found, parameters, strict=True)
            flat = torch.cat(
                [(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs]
            )
            gradients.setdefault(name, []).append(flat)
    stacked = {name: torch.stack(g) for name, g in gradients.items()}
    truth, amount = stacked.pop(TRUTH), stacked.pop(AMOUNT)
    norms = {name: g.norm(dim=1).mean() for name, g in stacked.items()}
    total = sum(norms.values())
    figures = {}
    for name, g in stacked.items():
        each = F.cosine_similarity(g, truth)
        beside = F.cosine_similarity(without(g, amount), without(truth, amount))
        mean = g.mean(0)
        figures[name] = {
            "share": float(norms[name] / total),
            "cosine": float(each.mean()),
            "error": float(each.std() / len(each) ** 0.5),
            "of_means": float(F.cosine_similarity(mean, truth.mean(0), dim=0)),
            "beside": float(beside.mean()),
            "beside_error": float(beside.std() / len(beside) ** 0.5),
            "signal": float(mean.square().sum() / (g - mean).square().sum(1).mean()),
        }
    return figures


def without(g: Tensor, direction: Tensor) -> Tensor:
    """Each row of g, [N, P], without its part along the same row of `direction`."""
    unit = F.normalize(direction, dim=1)
    return g - (g * unit).sum(1, keepdim=True) * unit


def batches(
    pairs: list[Pair], config: Config, count: int, seed: int = 0
) -> Iterator[dict[str, Tensor]]:
    """`count` batches of the run's size and crops: rainy with its truth, clean of other pairs."""
    rng = np.random.default_rng(seed)
    augment = replace(config.augment, resize=None)
    for _ in range(count):
        items: dict[str, list[Tensor]] = {}
        for _ in range(config.batch):
            i, j = rng.choice(len(pairs), 2, replace=False)
            rainy, truth = (augment.fit(read_rgb(path)) for path in pairs[i][1:])
            y, x, _ = augment.place(*rainy.shape[:2], rng)
            window = np.s_[y : y + augment.crop, x : x + augment.crop]
            clean = augment(read_rgb(pairs[j][2]), rng)
            found = {"rainy": rainy[window], "truth": truth[window], "clean": clean}
            if config.shower.share:
                found["rendered"] = config.shower(clean, rng)
            for name, rgb in found.items():
                items.setdefault(name, []).append(to_tensor(rgb))
        yield {name: torch.stack(tensors) for name, tensors in items.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--rainy", type=Path, required=True)
    parser.add_argument("--clean", type=Path, required=True)
    parser.add_argument("--batches", type=int, default=24)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    run = Run.read(asked.run)
    method = run.config.method
    networks = nn.ModuleDict(method.networks())
    state, _ = run.load()
    for name, network in networks.items():
        if own := {
            k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(name + ".")
        }:
            network.load_state_dict(own)
    found = audit(
        networks,
        method.terms(),
        method.wiring,
        batches(pair_files(asked.rainy, asked.clean), run.config, asked.batches),
    )
    print(table(found))
    write(asked.json, {"run": str(asked.run), "batches": asked.batches, "terms": found})


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    lines = ["| term | share | cosine | of means | beside | signal |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {name} | {f['share']:.2f} | {f['cosine']:+.3f} +-{f['error']:.3f} | "
        f"{f['of_means']:+.3f} | {f['beside']:+.3f} +-{f['beside_error']:.3f} | "
        f"{f['signal']:.2f} |"
        for name, f in figures.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
