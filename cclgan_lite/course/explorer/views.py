"""What the explorer shows, as HTML made of text, tables and small PNGs (`templates/views.html`).

Matplotlib takes a quarter of a second for a figure; this takes some milliseconds, follows a
slider, and keeps the numbers as text: in the page's own colours, in light and dark, and for
screen readers. Never colour alone: every coloured cell carries its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import matplotlib
import numpy as np
from PIL import Image
from torch import Tensor

from cclgan_lite.course.explorer.setting import SHORT, TITLES
from cclgan_lite.course.figures import img_tag
from cclgan_lite.data.images import to_uint8
from cclgan_lite.templates import template

TILE = 168  # pixels of a picture on the page
STRONGEST = 99.5  # percentile of the absolute values that gets the full colour
_COLOURS = (matplotlib.colormaps["RdBu_r"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
PAGE = template("cclgan_lite.course.explorer", "views.html").module


def heat(map_: np.ndarray, scale: float) -> np.ndarray:
    """[H, W] -> uint8 [H, W, 3]: red where positive, blue where negative, white at zero."""
    index = 127.5 + 127.5 * map_ / scale if scale > 0 else np.full(map_.shape, 127.5)
    return _COLOURS[index.round().clip(0, 255).astype(np.uint8)]


def scale_of(*maps: np.ndarray) -> float:
    """The value that gets the full colour in a heat map of these."""
    return max(float(np.percentile(np.abs(map_), STRONGEST)) for map_ in maps)


def png(pixels: np.ndarray, alt: str) -> str:
    """<img> of uint8 [H, W, 3], `TILE` pixels wide on the page."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="png", compress_level=1)
    return img_tag(file.getvalue(), alt, TILE)


def photo(picture: Tensor, alt: str) -> str:
    """<img> of [3, H, W] in [-1, 1]."""
    return png(to_uint8(picture), alt)


def share_table(
    names: Sequence[str], shares: Mapping[str, Sequence[float]], agreement: Sequence[float]
) -> str:
    """Each loss's share of the pull, a bar for the last kind, and its cosine with the sum.

    `shares`: {what is pulled at: share of each loss}, in the order of `names`.
    """
    parts = {kind: [*map(float, of)] for kind, of in shares.items()}
    return PAGE.share_table([TITLES[n] for n in names], parts, [*map(float, agreement)])


def cosine_table(names: Sequence[str], cosines: np.ndarray, whose: str) -> str:
    """Which losses fight: red pulls together, blue apart."""
    titles, short = ([words[name] for name in names] for words in (TITLES, SHORT))
    return PAGE.cosine_table(titles, short, cosines.tolist(), whose)


def curves(
    histories: Mapping[str, Sequence[Mapping[str, float]]], every: int = 1, columns: int = 3
) -> str:
    """A small diagram for each loss, a line for each history, all over the same steps."""
    names = dict.fromkeys(k for rows in histories.values() for row in rows for k in row)
    names = [n for n in names if not (n.startswith("inter/") and n.endswith("discriminators"))]
    longest = max((len(rows) for rows in histories.values()), default=0)
    charts = []
    for name in names:
        lines = {key: [r[name] for r in rows if name in r] for key, rows in histories.items()}
        charts.append(_chart(name, lines, longest))
    return PAGE.curves(charts, list(histories), columns, longest * every)


def _chart(name: str, lines: Mapping[str, Sequence[float]], longest: int) -> dict:
    """A diagram of 152 x 70 pixels, its axis 38 to the right and 4 down."""
    values = [v for line in lines.values() for v in line]
    low, high = min(values), max(values)
    room = (high - low) or abs(high) or 1.0
    paths = [
        " ".join(
            f"{38 + 152 * i / max(1, longest - 1):.1f},{4 + 70 * (1 - (value - low) / room):.1f}"
            for i, value in enumerate(line)
        )
        for line in lines.values()
    ]
    loss, audience = name.split("/")
    return {
        "title": ("judges, " if audience == "discriminators" else "") + TITLES[loss],
        "said": "; ".join(f"{k} from {v[0]:.3g} to {v[-1]:.3g}" for k, v in lines.items() if v),
        "lines": [(place, path) for place, path in enumerate(paths) if path],
        "low": low,
        "high": high,
    }
