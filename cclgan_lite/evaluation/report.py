"""A result as one self-contained web page: scores, pictures, loss curves. Nothing is loaded."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import uniform_filter, uniform_filter1d

from cclgan_lite.evaluation.results import LABELS, LOWER_IS_BETTER, label, number, span
from cclgan_lite.files import write_atomically

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
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    html = page.from_string(TEMPLATE).render(
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


TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --ink: #1c2128; --soft: #5b6572; --line: #d9dee5;
        --paper: #fff; --card: #f5f7f9; --accent: #1668b8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #9aa5b1; --line: #333b45; --paper: #14181d; --card: #1c2229;
          --accent: #6cb2f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2.5rem clamp(1rem, 4vw, 3rem) 4rem;
       background: var(--paper); color: var(--ink);
       font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.02em; margin: 0 0 1.5rem; }
h2 { font-size: 1.2rem; margin: 3rem 0 1rem; }
h3 { font-size: 1rem; margin: 2rem 0 .6rem; overflow-wrap: anywhere; }
p, li, figcaption { color: var(--soft); font-size: .9rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: .75rem;
     margin: 0; }
dl div { background: var(--card); border-radius: .5rem; padding: .7rem .9rem; }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .8rem; text-align: right; border-bottom: 1px solid var(--line);
         white-space: nowrap; }
th { font-size: .85rem; font-weight: 600; color: var(--soft); }
th:first-child { text-align: left; }
tbody th { font-size: 1rem; font-weight: 400; color: var(--ink); white-space: normal;
           min-width: 9rem; }
td small { color: var(--soft); }
td strong { color: var(--accent); }
.strip { display: grid; gap: .75rem;
         grid-template-columns: repeat(auto-fit, minmax(min(100%, 9rem), 1fr)); }
figure { margin: 0; }
figcaption b { color: var(--ink); text-transform: capitalize; }
.whole { position: relative; line-height: 0; }
.whole span { position: absolute; border: 2px solid #fff; outline: 1px solid #000; }
img { width: 100%; height: auto; border-radius: .3rem; }
.zoom { image-rendering: pixelated; margin-top: .5rem; }
.curves { width: auto; max-width: 100%; }
</style>
</head>
<body>
<h1>{{ title }}</h1>
{% if lead %}
<p>{{ lead }}</p>
{% endif %}
<dl>
{% for label, value in summary.items() %}
<div><dt>{{ label }}</dt><dd>{{ value }}</dd></div>
{% endfor %}
</dl>
{% if table %}
<h2>Scores</h2>
<div class="scroll"><table>
<thead><tr><th scope="col">System</th><th scope="col">Pictures</th>
{% for name in columns %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table %}
<tr><th scope="row">{{ row.system }}</th><td>{{ row.n }}</td>
{% for text, interval, best in row.cells %}
<td>{% if best %}<strong>{{ text }}</strong>{% else %}{{ text }}{% endif %}
{% if interval %}<br><small>{{ interval }}</small>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table></div>
<p>Means of the per-picture values, protocol {{ protocols }}; PSNR in dB. Y is the BT.601 luma, 16
to 235. In brackets the 95 % bootstrap interval of the mean over scenes. More is better{% if
columns|length > 4 %}, except for NIQE, BRISQUE, LPIPS and CLIP rain{% endif %}.</p>
{% endif %}
{% if examples %}
<h2>Pictures</h2>
<p>Below each picture, the framed part enlarged: where the derainer changed most.</p>
{% for example in examples %}
<h3>{{ example.name }}</h3>
<div class="strip">
{% for picture in example.pictures %}
<figure>
<div class="whole"><img src="{{ picture.whole }}" alt="{{ example.name }}, {{ picture.kind }}">
<span style="left:{{ example.box[0] }}%;top:{{ example.box[1] }}%;
width:{{ example.box[2] }}%;height:{{ example.box[3] }}%"></span></div>
<img class="zoom" src="{{ picture.zoom }}"
alt="{{ example.name }}, {{ picture.kind }}, the framed part enlarged">
<figcaption><b>{{ picture.kind }}</b> {{ picture.caption }}</figcaption>
</figure>
{% endfor %}
</div>
{% endfor %}
{% endif %}
{% if curves %}
<h2>Training</h2>
<img class="curves" src="{{ curves }}"
alt="Curves over {{ steps }} training steps of: {{ curve_names }}">
<p>Every logged value (faint) and its running mean, over the training steps.</p>
{% endif %}
{% if notes %}
<h2>Notes</h2>
<ul>
{% for note in notes %}
<li>{{ note }}</li>
{% endfor %}
</ul>
{% endif %}
</body>
</html>
"""
