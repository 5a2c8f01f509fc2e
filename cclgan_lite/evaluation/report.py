"""A result as one self-contained web page: scores, pictures, loss curves. Nothing is loaded."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import uniform_filter, uniform_filter1d

from cclgan_lite.evaluation.results import LABELS, LOWER_IS_BETTER, label, number, span
from cclgan_lite.files import write_atomically
from cclgan_lite.templates import template

KINDS = ("rainy", "derained", "clean", "error")
SCORES = list(LABELS)[:4]  # always shown; other metrics where a row has them
LONGEST_SIDE = 1024  # pixels of an embedded picture; zooms are cut from the full size


def write_report(
    path: str | Path,
    *,
    title: str,
    summary: Mapping[str, Any],
    table: Sequence[Mapping[str, Any]],
    examples: Iterable[Mapping[str, Any]] = (),
    history: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
    lead: str = "",
) -> None:
    """Write the page to `path`, atomically; all texts are escaped.

    Args:
        lead: what the reader should know first.
        summary: label to value, the facts of the run.
        table: rows with `system`, `n` and any metric of `evaluate_pairs`; with its `intervals`
            and `protocol`, if they are there.
        examples: each with `name`; `rainy`, `derained` and, where there is a truth, `clean` and
            `error`, uint8 [H, W, 3]; and optionally `captions`, from these keys to text.
        history: rows of metrics.jsonl, each with `step` and numbers by name.
    """
    names = dict.fromkeys(
        key for row in history for key, value in row.items() if key != "step" and _number(value)
    )
    more = (key for row in table for key in row.get("intervals", ()))
    keys = list(dict.fromkeys([*SCORES, *more]))
    protocols = dict.fromkeys(row.get("protocol", "full-size") for row in table)
    html = template("cclgan_lite.evaluation", "report.html").render(
        title=title,
        lead=lead,
        summary=summary,
        columns=[label(key) for key in keys],
        protocols=", ".join(protocols),
        table=[_table_row(row, table, keys) for row in table],
        examples=[_example(example) for example in examples],
        curves=_png(_curves(history, list(names))) if names else "",
        curve_names=", ".join(names),
        steps=max((row["step"] for row in history), default=0),
        notes=notes,
    )
    write_atomically(path, lambda out: out.write_text(html, encoding="utf-8"))


def _table_row(row: Mapping, table: Sequence[Mapping], keys: Sequence[str]) -> dict[str, Any]:
    """A row's texts, their intervals, and which of its scores are the best of their column."""
    cells = []
    for key in keys:
        value, column = row.get(key), [r[key] for r in table if r.get(key) is not None]
        if value is None:
            cells.append(("–", "", False))
        else:
            best = min(column) if key in LOWER_IS_BETTER else max(column)
            interval = span(key, row.get("intervals", {}).get(key))
            cells.append((number(key, value), interval, len(column) > 1 and value == best))
    return {"system": row["system"], "n": row.get("n", ""), "cells": cells}


def _example(example: Mapping) -> dict[str, Any]:
    """Pictures as data addresses, and the zoom: the quarter-size window that changed most."""
    rainy, derained = example["rainy"], example["derained"]
    height, width = rainy.shape[:2]
    h, w = ceil(height / 4), ceil(width / 4)
    change = np.maximum(rainy, derained) - np.minimum(rainy, derained)  # in 8 bits
    change = change.sum(axis=2, dtype=np.float32)
    inside = uniform_filter(change, (h, w))[h // 2 : height - h // 2, w // 2 : width - w // 2]
    top, left = np.unravel_index(inside.argmax(), inside.shape)
    top, left = min(int(top), height - h), min(int(left), width - w)
    return {
        "name": example["name"],
        "box": [100 * left / width, 100 * top / height, 100 * w / width, 100 * h / height],
        "pictures": [
            {
                "kind": kind,
                "caption": (example.get("captions") or {}).get(kind, ""),
                "whole": _png(_shrunk(example[kind])),
                "zoom": _png(_shrunk(example[kind][top : top + h, left : left + w])),
            }
            for kind in KINDS
            if example.get(kind) is not None
        ],
    }


def _shrunk(rgb: np.ndarray) -> Image.Image:
    image = Image.fromarray(rgb)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return image


def _curves(history: Sequence[Mapping], names: list[str]) -> Figure:
    """One panel per name: every value faint, their running mean on top."""
    columns = min(3, len(names))
    rows = ceil(len(names) / columns)
    figure = Figure(figsize=(3.6 * columns, 2.3 * rows), layout="constrained")
    grey = "#808080"  # readable on white and on black
    for axes, name in zip(figure.subplots(rows, columns, squeeze=False).flat, names, strict=False):
        points = [(row["step"], row[name]) for row in history if _number(row.get(name))]
        steps, values = np.array(points, dtype=float).T
        smooth = uniform_filter1d(values, max(1, len(values) // 25), mode="nearest")
        axes.plot(steps, values, color="#2f7fd0", alpha=0.3, linewidth=0.8)
        axes.plot(steps, smooth, color="#2f7fd0", linewidth=1.8)
        axes.set_title(name, color=grey, fontsize=10)
        axes.tick_params(colors=grey, labelsize=8)
        axes.grid(alpha=0.2, color=grey)
        for side, spine in axes.spines.items():
            spine.set(color=grey, visible=side in ("left", "bottom"))
        axes.patch.set_alpha(0)
    for axes in figure.axes[len(names) :]:
        axes.remove()
    return figure


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _png(picture: Image.Image | Figure) -> str:
    """A picture as a data address."""
    buffer = BytesIO()
    if isinstance(picture, Figure):
        picture.savefig(buffer, format="png", dpi=160, transparent=True)
    else:
        picture.save(buffer, format="png")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
