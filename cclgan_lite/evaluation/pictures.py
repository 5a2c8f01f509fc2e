"""What a score looks like: the best, the median and the worst picture, with the map of errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib
import numpy as np

from cclgan_lite.data.pairs import Pair
from cclgan_lite.evaluation.evaluate import Derain, read_pair
from cclgan_lite.evaluation.metrics import luma, scores

ERROR_PEAK = 64  # levels of luma; larger errors are shown as this one
BAND = 256  # rows
ERROR_COLOURS = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).astype(np.uint8)


def best_median_worst(images: Sequence[Mapping], key: str = "psnr_y") -> dict[str, int]:
    """Where in `images` (of `evaluate_pairs`) these three are; fewer if there are fewer."""
    order = sorted(range(len(images)), key=lambda i: images[i][key])
    places = {"best": order[-1], "median": order[len(order) // 2], "worst": order[0]}
    taken: dict[int, str] = {}
    for label, place in places.items():
        taken.setdefault(place, label)
    return {label: place for place, label in taken.items()}


def error_map(derained: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """The absolute error of the luma, black (0) to bright (`ERROR_PEAK`); all uint8 [H, W, 3]."""
    shown = np.empty_like(clean)
    for top in range(0, len(clean), BAND):  # luma is eight bytes a pixel
        rows = slice(top, top + BAND)
        error = np.abs(luma(derained[rows]) - luma(clean[rows])) * (255 / ERROR_PEAK)
        shown[rows] = ERROR_COLOURS[np.rint(error).clip(0, 255).astype(np.uint8)]
    return shown


def examples(pairs: Sequence[Pair], result: Mapping, derain: Derain) -> Iterator[dict]:
    """Best, median and worst of `result` for `write_report`, one at a time to spare memory."""
    for label, place in best_median_worst(result["images"]).items():
        name, *files = pairs[place]
        rainy, clean = read_pair(*files, result["protocol"])
        derained = derain(rainy)
        before, after = scores(rainy, clean), result["images"][place]
        yield {
            "name": f"{label}: {name}",
            "rainy": rainy,
            "derained": derained,
            "clean": clean,
            "error": error_map(derained, clean),
            "captions": {
                "rainy": f"{before['psnr_y']:.2f} dB, SSIM {before['ssim_y']:.4f} (Y)",
                "derained": f"{after['psnr_y']:.2f} dB, SSIM {after['ssim_y']:.4f} (Y)",
                "error": f"of the luma, black 0, bright {ERROR_PEAK} or more of 255",
            },
        }
