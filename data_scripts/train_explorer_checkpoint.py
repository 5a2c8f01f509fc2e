"""Train the checkpoint of the loss-weight explorer: a run of its small method, half-way.

    python data_scripts/train_explorer_checkpoint.py --out runs/explorer

Data: 48 rainy and 48 clean generated scenes of 128 pixels, all different; no download. The
learning rate is constant, so that "half-way" means what it says. All networks are written to
OUT/checkpoint.safetensors (float16), what the card says of them to OUT/checkpoint.json; the
package ships both from cclgan_lite/course/explorer/data/.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
import tyro
from tqdm import tqdm

from cclgan_lite.course.explorer.checkpoint import checkpoint_bytes, load_into, read_checkpoint
from cclgan_lite.course.explorer.lab import HELD_OUT, SIZE, Lab, mean_scores
from cclgan_lite.course.explorer.setting import METHOD, Setting
from cclgan_lite.course.scenes import scene_pairs
from cclgan_lite.device import hardware
from cclgan_lite.files import write_atomically, write_json

LR = 5e-4  # of the generators, constant


def main(out: Path, steps: int = 800, seed: int = 0, scenes: int = 48) -> None:
    lab = Lab(Setting(), seed, checkpoint=None, scenes=scenes, lr=LR)
    start, cpu = time.monotonic(), time.process_time()
    losses = list(tqdm(lab.train(steps), total=steps, desc="training"))[-50:]
    about = {"steps": steps, "seed": seed, "scenes": scenes}
    file = out / "checkpoint.safetensors"
    content = checkpoint_bytes(lab.trainer.networks, METHOD, **about)
    write_atomically(file, lambda path: path.write_bytes(content))

    load_into(lab.trainer.networks, read_checkpoint(file)[1])  # score what was written
    about |= {
        "minutes": round((time.monotonic() - start) / 60, 1),
        "cpu_minutes": round((time.process_time() - cpu) / 60, 1),
        "hardware": hardware(torch.device("cpu")),
        "torch": torch.__version__,
        "rainy_input": mean_scores(*scene_pairs(8, SIZE, HELD_OUT)),
        "derained": lab.score(),
        "losses": {name: sum(r[name] for r in losses) / len(losses) for name in losses[0]},
    }
    write_json(out / "checkpoint.json", about)
    print((out / "checkpoint.json").read_text())


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
