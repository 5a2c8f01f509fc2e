"""What the explorer shows, as HTML made of text, tables and small PNGs.

Matplotlib takes a quarter of a second for a figure; this takes some milliseconds, follows a
slider, and keeps the numbers as text: in the page's own colours, in light and dark, and for
screen readers. Never colour alone: every coloured cell carries its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO

import matplotlib
import numpy as np
from PIL import Image
from torch import Tensor

from cclgan_lite.course.explorer.atlas import Atlas
from cclgan_lite.course.explorer.setting import SHORT, TITLES
from cclgan_lite.course.figures import img_tag
from cclgan_lite.data.images import to_uint8

# Legible on white and on black.
BLUE, ORANGE = "#2E8BC0", "#D9620B"
STRONGEST = 99.5  # percentile of the absolute values that gets the full colour
_COLOURS = (matplotlib.colormaps["RdBu_r"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
_LINE = "1px solid rgba(128, 128, 128, 0.35)"


def heat(map_: np.ndarray, scale: float) -> np.ndarray:
    """[H, W] -> uint8 [H, W, 3]: red where positive, blue where negative, white at zero."""
    index = 127.5 + 127.5 * map_ / scale if scale > 0 else np.full(map_.shape, 127.5)
    return _COLOURS[index.round().clip(0, 255).astype(np.uint8)]


def scale_of(*maps: np.ndarray) -> float:
    """The value that gets the full colour in a heat map of these."""
    return max(float(np.percentile(np.abs(map_), STRONGEST)) for map_ in maps)


def png(pixels: np.ndarray, alt: str, width: int) -> str:
    """<img> of uint8 [H, W, 3], `width` pixels wide on the page."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, format="png", compress_level=1)
    return img_tag(file.getvalue(), alt, width)


def photo(picture: Tensor, alt: str, width: int) -> str:
    """<img> of [3, H, W] in [-1, 1]."""
    return png(to_uint8(picture), alt, width)


def tiles(pictures: Sequence[tuple[str, str]], width: int) -> str:
    """(<img>, caption) side by side, captions below."""
    cells = "".join(
        f'<figure style="margin: 0; width: {width}px">'
        f'{image}<figcaption style="line-height: 1.3">{caption}</figcaption></figure>'
        for image, caption in pictures
    )
    return f'<div style="display: flex; flex-wrap: wrap; gap: 6px 8px">{cells}</div>'


def share_table(
    names: Sequence[str], shares: Mapping[str, Sequence[float]], agreement: Sequence[float]
) -> str:
    """Each loss's share of the pull, a bar for the last kind, and its cosine with the sum.

    `shares`: {what is pulled at: share of each loss}, in the order of `names`.
    """
    kinds = list(shares)
    rows = ""
    for i, name in enumerate(names):
        parts = [float(of[i]) for of in shares.values()]
        cells = "".join(f'<td style="{_cell("right")}">{100 * part:.1f} %</td>' for part in parts)
        bar = (
            f'<div style="width: {100 * parts[-1]:.1f}%; min-width: 1px; height: 0.9em; '
            f'background: {BLUE}"></div>'
        )
        rows += (
            f'<tr><th scope="row" style="{_cell("left")}">{TITLES[name]}</th>{cells}'
            f'<td style="{_cell("left")}; width: 8em">{bar}</td>'
            f'<td style="{_cell("right")}">{_cosine(float(agreement[i]))}</td></tr>'
        )
    heads = "".join(f'<th scope="col" style="{_cell("right")}">{kind}</th>' for kind in kinds)
    return _table(
        f"Share of the pull on ñ and on the {kinds[-1]}",
        f'<tr><td></td>{heads}<td></td><th scope="col" style="{_cell("right")}">with the sum</th>'
        f"</tr>{rows}",
    )


def cosine_table(names: Sequence[str], cosines: np.ndarray, whose: str) -> str:
    """Which losses fight: red pulls together, blue apart."""
    head = "".join(
        f'<th scope="col" style="{_cell("center")}">{SHORT[name]}</th>' for name in names
    )
    rows = ""
    for i, name in enumerate(names):
        cells = "".join(
            f'<td style="{_cell("center")}; {_shade(cosines[i, j])}">{_cosine(cosines[i, j])}</td>'
            for j in range(len(names))
        )
        rows += f'<tr><th scope="row" style="{_cell("left")}">{TITLES[name]}</th>{cells}</tr>'
    return _table(f"Who fights whom on the {whose} (cosines)", f"<tr><td></td>{head}</tr>{rows}")


def curves(
    histories: Mapping[str, Sequence[Mapping[str, float]]], every: int = 1, columns: int = 3
) -> str:
    """A small diagram for each loss, a line for each history, all over the same steps."""
    names = list(dict.fromkeys(k for rows in histories.values() for row in rows for k in row))
    names = [n for n in names if not (n.startswith("inter/") and n.endswith("discriminators"))]
    longest = max((len(rows) for rows in histories.values()), default=0)
    looks = dict(zip(histories, ((BLUE, ""), (ORANGE, "5 3")), strict=False))
    charts = ""
    for name in names:
        lines = {
            key: [row[name] for row in rows if name in row] for key, rows in histories.items()
        }
        charts += _chart(_curve_title(name), lines, longest, every, looks)
    key = " &nbsp; ".join(
        f'<span style="color: {looks[name][0]}">{"╌╌" if looks[name][1] else "──"}</span> {name}'
        for name in histories
    )
    return (
        f'<div style="line-height: 1.5">losses of the steps: {key}</div>'
        f'<div style="display: grid; grid-template-columns: repeat({columns}, max-content); '
        f'gap: 4px 14px">{charts}</div>'
    )


def beside_table(atlas: Atlas, marked: Mapping) -> str:
    """The paper's Tables 2-4 with our small runs beside them; the row of `marked` stands out."""
    rows, place = "", ""
    for row, ours in atlas.beside():
        if row.where != place:
            place = row.where
            rows += (
                f'<tr><th scope="rowgroup" colspan="5" style="text-align: left; '
                f'padding-top: 4px">{place}</th></tr>'
            )
        here = ours is not None and ours["name"] == marked["name"]
        style = "; background: rgba(46, 139, 192, 0.25)" if here else ""
        figures = [f"{row.scores['psnr']}", f"{row.scores['ssim']}"]
        figures += [f"{ours['psnr_y']:.2f}", f"{ours['ssim_y']:.4f}"] if ours else ["–", "–"]
        cells = "".join(f'<td style="{_cell("right")}{style}">{x}</td>' for x in figures)
        rows += (
            f'<tr><th scope="row" style="{_cell("left")}{style}">'
            f"{'▸ ' if here else ''}{escape(row.name())}</th>{cells}</tr>"
        )
    heads = "".join(
        f'<th scope="col" style="{_cell("right")}">{text}</th>'
        for text in ("paper dB", "SSIM", "ours dB", "SSIM")
    )
    return _table("The paper's ablations and ours", f"<tr><td></td>{heads}</tr>{rows}") + (
        f'<div style="max-width: 34em">The paper: RainCityscapes, full training. Ours: '
        f"{atlas.about['steps']} steps on generated scenes; {len(atlas.repetitions())} seeds of "
        f"row G lie {atlas.spread():.2f} dB apart, and no smaller difference means anything. "
        "* our inference of which row it is.</div>"
    )


def _chart(
    title: str,
    lines: Mapping[str, Sequence[float]],
    longest: int,
    every: int,
    looks: Mapping[str, tuple[str, str]],
) -> str:
    width, height, left = 190, 70, 38
    values = [v for line in lines.values() for v in line]
    low, high = min(values), max(values)
    room = (high - low) or abs(high) or 1.0
    said, paths = [], ""
    for key, line in lines.items():
        if not line:
            continue
        points = " ".join(
            f"{left + (width - left) * i / max(1, longest - 1):.1f},"
            f"{4 + height * (1 - (value - low) / room):.1f}"
            for i, value in enumerate(line)
        )
        colour, dash = looks[key]
        paths += (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8" '
            f'stroke-dasharray="{dash}"/>'
        )
        said.append(f"{key} from {line[0]:.3g} to {line[-1]:.3g}")
    text = 'fill="currentColor" font-size="10"'
    return (
        f'<div><div style="line-height: 1.3">{escape(title)}</div>'
        f'<svg role="img" aria-label="{escape(title)}: {escape("; ".join(said))}" '
        f'width="{width + 6}" height="{height + 22}">'
        f'<path d="M{left} 4V{4 + height}H{width}" stroke="currentColor" stroke-opacity="0.5" '
        f'fill="none"/>{paths}'
        f'<text x="{left - 4}" y="11" text-anchor="end" {text}>{high:.3g}</text>'
        f'<text x="{left - 4}" y="{4 + height}" text-anchor="end" {text}>{low:.3g}</text>'
        f'<text x="{width}" y="{height + 17}" text-anchor="end" {text}>'
        f"step {longest * every}</text></svg></div>"
    )


def _curve_title(name: str) -> str:
    loss, audience = name.split("/")
    return f"judges, {TITLES[loss]}" if audience == "discriminators" else TITLES[loss]


def _table(caption: str, rows: str) -> str:
    return (
        '<table style="border-collapse: collapse; line-height: 1.5; color: inherit">'
        f'<caption style="text-align: left; caption-side: top; padding: 4px 0; font-weight: 600; '
        f'color: inherit">{caption}</caption>{rows}</table>'
    )


def _cell(align: str) -> str:
    return f"text-align: {align}; padding: 1px 6px; border-bottom: {_LINE}; font-weight: normal"


def _cosine(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:+.2f}".replace("-", "−")


def _shade(cosine: float) -> str:
    if np.isnan(cosine):
        return ""
    colour = "200, 60, 50" if cosine > 0 else "46, 120, 190"
    return f"background: rgba({colour}, {0.75 * min(1, abs(cosine)):.2f})"
