"""Train the checkpoint of the loss-weight explorer: a run of its small method, half-way.

    python data_scripts/train_explorer_checkpoint.py --out runs/explorer

Data: 48 rainy and 48 clean generated scenes of 128 pixels, all different; no download. The
learning rate is constant, so that "half-way" means what it says. All networks are written to
OUT/checkpoint.safetensors (float16), what the card says of them to OUT/checkpoint.json; the
package ships both from cclgan_lite/course/explorer/data/.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from tqdm import tqdm

from cclgan_lite.course.explorer.checkpoint import checkpoint_bytes, load_into, read_checkpoint
from cclgan_lite.course.explorer.lab import HELD_OUT, SIZE, Lab, mean_scores
from cclgan_lite.course.explorer.setting import METHOD, Setting
from cclgan_lite.course.scenes import scene_pairs
from cclgan_lite.device import hardware
from cclgan_lite.files import write_atomically, write_json

LR = 5e-4  # of the generators, constant


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=48)
    options = parser.parse_args()

    lab = Lab(Setting(), options.seed, checkpoint=None, scenes=options.scenes, lr=LR)
    start, cpu = time.monotonic(), time.process_time()
    losses = list(tqdm(lab.train(options.steps), total=options.steps, desc="training"))
    about = {"steps": options.steps, "seed": options.seed, "scenes": options.scenes}
    file = options.out / "checkpoint.safetensors"
    content = checkpoint_bytes(lab.trainer.networks, METHOD, **about)
    write_atomically(file, lambda path: path.write_bytes(content))

    load_into(lab.trainer.networks, read_checkpoint(file)[1])  # score what was written
    rainy, clean = scene_pairs(8, SIZE, HELD_OUT)
    last = losses[-50:]
    write_json(
        options.out / "checkpoint.json",
        about
        | {
            "minutes": round((time.monotonic() - start) / 60, 1),
            "cpu_minutes": round((time.process_time() - cpu) / 60, 1),
            "hardware": hardware(torch.device("cpu")),
            "torch": torch.__version__,
            "rainy_input": mean_scores(rainy, clean),
            "derained": lab.score(),
            "losses": {name: sum(row[name] for row in last) / len(last) for name in last[0]},
        },
    )
    print((options.out / "checkpoint.json").read_text())


if __name__ == "__main__":
    main()
