"""Training data per step: decoded anew, from the loader's memory, resident.

python benchmarks/loading.py --json loading.json
python benchmarks/loading.py --rainy DIR --clean DIR
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import count
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from timing import compare, table, write
from torch.utils.data import default_collate

from cclgan_lite.data.folders import Augment, UnpairedFolders
from cclgan_lite.data.resident import Resident
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.device import pick_device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rainy", type=Path, help="eight generated scenes, if not given")
    parser.add_argument("--clean", type=Path)
    parser.add_argument("--crop", type=int, default=112)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if asked.rainy is None:
            asked.rainy = asked.clean = Path(temporary)
            for i in range(8):
                scene = np.rint(255 * render_scene((0, i), 321, 481)[0]).astype(np.uint8)
                Image.fromarray(scene).save(asked.rainy / f"{i}.png")
        augment, device = Augment(resize=None, crop=asked.crop), pick_device()
        anew = UnpairedFolders(asked.rainy, asked.clean, augment, cache_bytes=0)
        cached = UnpairedFolders(asked.rainy, asked.clean, augment)
        for k in range(len(cached)):
            cached[k]
        held = Resident(cached, device)
        steps = count()

        def items() -> range:
            start = next(steps) * asked.batch
            return range(start, start + asked.batch)

        def load(data: UnpairedFolders) -> dict[str, torch.Tensor]:
            batch = default_collate([data[k] for k in items()])
            return {name: images.to(device) for name, images in batch.items()}

        candidates = {
            "decoded anew": lambda: load(anew),
            "from the loader's memory": lambda: load(cached),
            "resident": lambda: next(held.batches([items()])),
        }
        results = compare(candidates, asked.rounds)
    print(table(results))
    write(asked.json, {"crop": asked.crop, "batch": asked.batch, "loading": results})


if __name__ == "__main__":
    main()
