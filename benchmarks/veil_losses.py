"""What each of the paper's losses adds to a derainer that adapts to veil.

    python benchmarks/veil_losses.py runs/veil --rainy RAINY --clean CLEAN \\
        --val-rainy VAL_RAINY --val-clean VAL_CLEAN

Rain with veil is the case where rendered rain is not the truth and the rainy folder can tell
more. As in `cclgan-lite adapt` (training/adapt.py), `light` takes the streaks off, and a small
network rehearses on veil rendered over the clean folder. From there every row trains for the same
steps, on the same pictures, with rehearsal going on. Rows: as `adapt`, each loss left out, the
combinations of the paper's Tables 2-4, and rehearsal alone.

With `--depth flat` the rehearsal knows how much veil there is and not where, so that the losses
have to find it out. Each finished run leaves its scores in OUT/ROW-SEED.json and is not trained
again. The table has differences to rehearsal alone and to the full system, paired over scenes and
seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from trial import settle

from cclgan_lite.data.images import read_rgb, to_tensor, to_uint8
from cclgan_lite.data.pairs import pair_files
from cclgan_lite.evaluation.metrics import luma, psnr
from cclgan_lite.evaluation.statistics import interval_over_seeds
from cclgan_lite.files import write_atomically, write_json
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import load_derainer
from cclgan_lite.methods.veil import VeilCCLGAN
from cclgan_lite.networks.veil import VeilRemover
from cclgan_lite.recipes import PAPERS
from cclgan_lite.training.adapt import Adapting, Folders, configuration, look, rehearse, train


def method_of(losses: Mapping[str, Mapping]) -> VeilCCLGAN:
    """A row: {loss: fields that it changes}; what is not named has weight 0."""
    method = VeilCCLGAN()
    changed = {name: losses.get(name, {"weight": 0.0}) for name in PAPERS}
    return replace(
        method, **{name: replace(getattr(method, name), **of) for name, of in changed.items()}
    )


def rows() -> dict[str, dict[str, dict]]:
    full: dict[str, dict] = {name: {} for name in PAPERS}

    def without(*names: str, **changes: dict) -> dict[str, dict]:
        return {k: changes.get(k, v) for k, v in full.items() if k not in names}

    return {
        "rehearsal": {},
        "full": full,
        "no-adversarial": without("adversarial"),
        "no-lcl": without("lcl"),  # F of Table 2: CCL alone
        "no-intra": without("intra"),  # C
        "no-inter": without("inter"),  # D
        "adversarial": without("lcl", "intra", "inter"),
        "lcl-alone": without("intra", "inter"),  # E
        "intra-fake": without("inter", intra={"real_weight": 0.0}),  # Table 3
        "intra-real": without("inter", intra={"fake_weight": 0.0}),
        "inter-fake": without("intra", inter={"real_weight": 0.0}),  # Table 4
        "inter-real": without("intra", inter={"fake_weight": 0.0}),
    }


def rehearsed(folders: Folders, settings: Adapting, out: Path) -> VeilRemover:
    """The network that all rows of a seed start from; kept in OUT."""
    torch.manual_seed(settings.seed)
    network, file = VeilRemover(), out / f"rehearsed-{settings.seed}.safetensors"
    if file.exists():
        network.load_state_dict(load_file(file))
    else:
        rehearse(network, folders, settings)
        write_atomically(file, lambda path: save_file(network.state_dict(), path))
    return network


@torch.no_grad()
def scores(network: VeilRemover, pairs: Mapping[str, tuple]) -> dict[str, float]:
    return {
        name: psnr(to_uint8(network(rainy)[0]), truth, luma)
        for name, (rainy, truth) in pairs.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    for name in ("rainy", "clean", "val-rainy", "val-clean"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=Adapting().steps)
    parser.add_argument("--depth", choices=("measured", "flat"), default="measured")
    parser.add_argument("--embedder", default=VeilCCLGAN().embedder, help="of intra-CCL")
    parser.add_argument("--rows", nargs="*", choices=[*rows()], default=[*rows()])
    asked = parser.parse_args()
    settle(asked.out, steps=asked.steps, depth=asked.depth, embedder=asked.embedder)
    torch.set_num_threads(1)
    derainer = load_derainer("light")
    folders = look(derainer, asked.rainy, asked.clean)
    if asked.depth == "flat":
        folders = replace(folders, depth=np.full_like(folders.depth, folders.depth.mean()))
    pairs = {
        name: (to_tensor(derain_image(derainer, read_rgb(rainy)))[None], read_rgb(clean))
        for name, rainy, clean in pair_files(asked.val_rainy, asked.val_clean)
    }
    for seed in asked.seeds:
        settings = Adapting(steps=asked.steps, seed=seed)
        for row in asked.rows:
            file = asked.out / f"{row}-{seed}.json"
            if file.exists():
                continue
            network = rehearsed(folders, settings, asked.out)
            before, began = scores(network, pairs), time.process_time()
            method = replace(method_of(rows()[row]), embedder=asked.embedder)
            config = configuration(settings, method)
            shares = train(network, folders, config, settings)
            seconds = time.process_time() - began
            heard = shares[len(shares) // 2 :]
            found = {
                "scores": scores(network, pairs),
                "before": before,
                "shares": {k: float(np.mean([x[k] for x in heard])) for k in heard[0]},
                "seconds": seconds,
            }
            write_json(file, found)
            means = (np.mean([*found[k].values()]) for k in ("before", "scores"))
            print(f"{row}-{seed}:", *(f"{x:.3f}" for x in means), found["shares"], flush=True)
    if {*asked.rows} >= {"rehearsal", "full"}:
        print(table(asked.out, asked.rows, asked.seeds))


def table(out: Path, names: list[str], seeds: list[int]) -> str:
    found = {
        row: [json.loads((out / f"{row}-{seed}.json").read_text()) for seed in seeds]
        for row in names
    }
    scores = {row: np.array([[*r["scores"].values()] for r in f]) for row, f in found.items()}
    lines = [
        "| row | dB | over rehearsal alone | full system over it | seconds |",
        "|---|---|---|---|---|",
    ]
    for row, s in scores.items():
        cells = [f"{s.mean():.2f}"]
        for difference in (s - scores["rehearsal"], scores["full"] - s):
            low, high = interval_over_seeds(difference)
            cells.append(f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
        cells.append(f"{np.mean([r['seconds'] for r in found[row]]):.0f}")
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
