"""Deraining per megapixel: ours, the textbook's whole-picture pass, and onnxruntime.

    python benchmarks/inference.py --threads 2 --json inference.json
    python benchmarks/inference.py --sizes 0.25 1 4 12 24 50 --threads 2 --json scaling.json

The first form lets all candidates take turns on one picture. The second derains pictures of
growing size, each in a process of its own, whose peak memory is read from Linux.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from timing import compare, peak_gib, table, write

from cclgan_lite.data.images import to_tensor, to_uint8
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.evaluation.metrics import psnr
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import load_derainer

DERAINER = "light"


def picture(megapixels: float) -> np.ndarray:
    """A generated scene, mirrored until it is 4:3 and of the size asked for; uint8 [H, W, 3]."""
    scene = np.rint(255 * render_scene((0, 0), 384, 512)[0]).astype(np.uint8)
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    rows, columns = max(0, height - 384), max(0, width - 512)
    return np.pad(scene, [(0, rows), (0, columns), (0, 0)], mode="symmetric")[:height, :width]


@torch.inference_mode()
def textbook(generator, rgb: np.ndarray, bfloat16: bool = False) -> np.ndarray:
    """The whole picture at once, as one would first write it down."""
    rgb = rgb[: rgb.shape[0] // 4 * 4, : rgb.shape[1] // 4 * 4]
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        return to_uint8(generator(to_tensor(rgb)[None])[0])


def candidates(rgb: np.ndarray, compiled: bool) -> dict:
    generator = load_derainer(DERAINER)
    runs = {
        "textbook, float32": lambda: textbook(generator, rgb),
        "textbook, bfloat16": lambda: textbook(generator, rgb, bfloat16=True),
        "cclgan_lite, float32": lambda: derain_image(generator, rgb),
        "cclgan_lite, bfloat16": lambda: derain_image(generator, rgb, precision="bfloat16"),
    }
    if compiled:
        fused = torch.compile(generator)
        runs["torch.compile, float32"] = lambda: textbook(fused, rgb)
        runs["torch.compile, bfloat16"] = lambda: textbook(fused, rgb, bfloat16=True)
    try:
        import onnxruntime

        from cclgan_lite.inference.export import export_onnx
    except ImportError:
        return runs
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(generator, file := Path(folder, "derainer.onnx"))
        session = onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])

    def onnx(image: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {"rainy": image.numpy()})[0])

    return runs | {"onnxruntime, float32": lambda: textbook(onnx, rgb)}


def child(mode: str, megapixels: float) -> None:
    """One picture in this process: seconds and GiB, printed as JSON."""
    generator, rgb = load_derainer(DERAINER), picture(megapixels)
    system, precision = mode.split(", ")
    derain_image(generator, rgb[:64, :64], precision=precision)
    before, start = peak_gib(), time.perf_counter()
    if system == "textbook":
        textbook(generator, rgb, precision == "bfloat16")
    else:
        derain_image(generator, rgb, precision=precision)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "more_gib": peak_gib() - before,
                "gib": peak_gib(),
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--sizes", type=float, nargs="*", default=[])
    parser.add_argument("--whole-up-to", type=float, default=12, help="textbook, in megapixels")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.child:
        return child(asked.child, asked.megapixels)
    if not asked.sizes:
        rgb = picture(asked.megapixels)
        runs = candidates(rgb, asked.compile)
        results = compare(runs, asked.rounds)
        truth = runs["textbook, float32"]()
        for name, run in runs.items():
            found = run()
            rows, columns = np.minimum(found.shape, truth.shape)[:2]  # the textbook crops to 4
            results[name]["db_to_textbook"] = psnr(found[:rows, :columns], truth[:rows, :columns])
        print(table(results))
        return write(asked.json, {"megapixels": asked.megapixels, "inference": results})
    rows = []
    print("| | megapixels | s | s per megapixel | GiB more | GiB |\n|---|---|---|---|---|---|")
    for mode in ("cclgan_lite, bfloat16", "cclgan_lite, float32", "textbook, float32"):
        for size in asked.sizes:
            if mode.startswith("textbook") and size > asked.whole_up_to:
                continue
            done = subprocess.run(
                [
                    sys.executable,
                    __file__,
                    "--child",
                    mode,
                    "--megapixels",
                    str(size),
                    "--threads",
                    str(asked.threads),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            row = {"mode": mode, "megapixels": size} | json.loads(done.stdout)
            rows.append(row)
            print(
                f"| {mode} | {size:g} | {row['seconds']:.2f} | {row['seconds'] / size:.3f} | "
                f"{row['more_gib']:.2f} | {row['gib']:.2f} |",
                flush=True,
            )
    write(asked.json, {"scaling": rows})


if __name__ == "__main__":
    main()
