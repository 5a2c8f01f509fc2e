"""A result of `evaluate_pairs` in words and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from cclgan_lite.files import write_atomically

LABELS = {
    "psnr_y": "PSNR (Y)", "ssim_y": "SSIM (Y)", "psnr_rgb": "PSNR (RGB)",
    "ssim_rgb": "SSIM (RGB)", "niqe": "NIQE", "brisque": "BRISQUE", "lpips": "LPIPS",
    "rain": "CLIP rain",
}  # fmt: skip
LOWER_IS_BETTER = ("niqe", "brisque", "lpips", "rain")


def label(key: str) -> str:
    return LABELS.get(key, key)


def number(key: str, value: float, sign: str = "") -> str:
    """A score with the digits it deserves: decibels two, ratios four."""
    return f"{value:{sign}.{2 if key.startswith(('psnr', 'brisque')) else 4}f}"


def span(key: str, interval: Sequence[float] | None, sign: str = "") -> str:
    """An interval as [low, high], or nothing."""
    if interval is None:
        return ""
    return f"[{number(key, interval[0], sign)}, {number(key, interval[1], sign)}]"


def describe(result: Mapping) -> str:
    """The lines that `evaluate` prints."""
    lines = [
        f"{result['n']} pairs, {result['scenes']} scenes, {result['protocol']}: mean and its "
        "95 % interval" + (", too narrow for so few" if result["scenes"] < 20 else "")
    ]
    against = result.get("against")
    for key, interval in result["intervals"].items():
        line = f"{label(key):12}{number(key, result[key]):>8} {span(key, interval)}"
        if against:
            gap = against["difference"][key]
            line += (
                f"   against {number(key, against[key])}: {number(key, gap['mean'], '+')} "
                f"{span(key, gap['interval'], '+')}, higher on {gap['higher']}"
            )
        lines.append(line)
    return "\n".join(lines)


def write_csv(path: str | Path, results: Sequence[Mapping]) -> None:
    """One row for each picture of each result: system, name, scene, and every metric."""
    fields = ["system", *results[0]["images"][0]]
    text = io.StringIO()
    table = csv.DictWriter(text, fields, lineterminator="\n")
    table.writeheader()
    for result in results:
        table.writerows({"system": result["system"], **image} for image in result["images"])
    write_atomically(path, lambda out: out.write_text(text.getvalue(), encoding="utf-8"))
