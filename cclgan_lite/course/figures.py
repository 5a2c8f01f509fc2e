"""The one way to show a figure: an HTML picture with alternative text.

JupyterLab drops the alternative text of PNG outputs; only an HTML <img alt="..."> keeps it.
Importing this module sets the style of the course: colours that colour-blind readers can tell
apart (Okabe and Ito, "Color Universal Design", 2008), and text of a legible size.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import HTML, display
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DPI = 96  # pixels of an inch on the page
SHARPNESS = 1.25  # pixels of the file per pixel on the page: screens of laptops are dense
PALETTE_FROM = 60_000  # bytes from which a picture is stored with 256 colours
BAR_COLOURS = 64  # of these for each colour bar, which would show steps with fewer

plt.rcParams.update(
    {
        "axes.prop_cycle": plt.cycler(color=OKABE_ITO),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "figure.dpi": DPI,
        "figure.figsize": (8, 3.2),
        "figure.constrained_layout.use": True,
        "font.size": 10,
        "image.cmap": "viridis",
        "legend.frameon": False,
    }
)


def show(figure: Figure, alt: str) -> None:
    """Display `figure` and close it. `alt` says what is to be seen, for who cannot see it.

    Raises ValueError without a text.
    """
    display(HTML(img(figure, alt)))


def img(figure: Figure, alt: str) -> str:
    """The figure as <img> with its pixels inside; closes it."""
    if not alt.strip():
        raise ValueError("a figure needs an alternative text that says what is to be seen")
    file = BytesIO()
    figure.savefig(file, format="png", dpi=DPI * SHARPNESS, bbox_inches="tight")
    drawn = [item for axis in figure.axes for item in (*axis.images, *axis.collections)]
    bars = {item.get_cmap().name: item.get_cmap() for item in drawn if item.colorbar}
    plt.close(figure)
    picture = Image.open(file)
    if len(file.getvalue()) > PALETTE_FROM:  # a third of the size, not visibly different
        file = BytesIO()
        small = _few_colours(picture.convert("RGB"), [*bars.values()])
        small.save(file, format="png", optimize=True)
    return img_tag(file.getvalue(), alt, round(picture.width / SHARPNESS))


def _few_colours(picture: Image.Image, bars: Sequence[Colormap]) -> Image.Image:
    """The picture with 256 colours, BAR_COLOURS of them from each of up to two colour maps."""
    bars = bars[:2]
    free = 256 - BAR_COLOURS * len(bars)
    few = picture.quantize(free)
    if not bars:
        return few
    steps = [np.rint(bar(np.linspace(0, 1, BAR_COLOURS))[:, :3] * 255) for bar in bars]
    palette = Image.new("P", (1, 1))
    palette.putpalette(few.getpalette()[: 3 * free] + np.ravel(steps).astype(int).tolist())
    return picture.quantize(palette=palette, dither=Image.Dither.NONE)


def img_tag(png: bytes, alt: str, width: int) -> str:
    """<img> with the pixels of a PNG file inside, `width` pixels wide on the page."""
    return (
        f'<img alt="{escape(alt)}" width="{width}" style="max-width: 100%; height: auto" '
        f'src="data:image/png;base64,{b64encode(png).decode()}">'
    )


def pictures(
    rows: Sequence,
    titles: Sequence[str] | None = None,
    row_titles: Sequence[str] | None = None,
    width: float = 8,
    bar: str | None = None,
) -> Figure:
    """A grid of pictures, `width` inches wide.

    Args:
        rows: a list of pictures, or a list of such lists. A picture is a tensor [3, H, W] in
            [-1, 1], an array [H, W, 3] of uint8 or in [0, 1], a map [H, W], or a tuple of a map
            and keyword arguments for `imshow`, such as `(error, {"vmin": 0, "vmax": 1})`.
        titles: of the columns.
        row_titles: of the rows.
        bar: label of a colour bar, which is that of the last map.
    """
    if not isinstance(rows[0], list):
        rows = [list(rows)]
    columns = max(map(len, rows))
    height, wide = _pixels(rows[0][0])[0].shape[:2]
    header = 0.35 if titles else 0.05
    side = (width - (1.1 if bar else 0)) / columns  # of a picture; the bar needs an inch
    figure, axes = plt.subplots(
        len(rows),
        columns,
        squeeze=False,
        figsize=(width, side * height / wide * len(rows) + header),
    )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for row, line in zip(axes, rows, strict=True):
        for axis, picture in zip(row, line, strict=False):
            pixels, options = _pixels(picture)
            axis.imshow(pixels, **options)
    for axis, title in zip(axes[0], titles or (), strict=False):
        axis.set_title(title)
    for row, title in zip(axes, row_titles or (), strict=False):
        row[0].set_ylabel(title)
    if bar:
        shown = [image for axis in axes.flat for image in axis.images]
        maps = [image for image in shown if image.get_array().ndim == 2]
        figure.colorbar(maps[-1], ax=axes, shrink=0.7, label=bar)
    return figure


def learning_curves(curves: Mapping[str, np.ndarray], steps: Sequence[int], ylabel: str) -> Figure:
    """Means over seeds of curves [seeds, steps], and bands from the least seed to the greatest."""
    figure, axis = plt.subplots(figsize=(8, 3.3))
    for (name, curve), mark in zip(curves.items(), "os^xDvP", strict=False):
        (line,) = axis.plot(steps, curve.mean(0), marker=mark, label=name)
        axis.fill_between(
            steps, curve.min(0), curve.max(0), alpha=0.2, color=line.get_color(), lw=0
        )
    axis.set(xlabel="training steps", ylabel=ylabel)
    axis.legend(loc="lower right", fontsize=9, ncol=2)
    return figure


def _pixels(picture) -> tuple[np.ndarray, dict]:
    """What `imshow` takes: pixels and options."""
    if isinstance(picture, tuple):
        return np.asarray(_pixels(picture[0])[0]), picture[1]
    if isinstance(picture, Tensor):
        picture = picture.detach().float().cpu()
        if picture.ndim == 3:
            return ((picture + 1) / 2).clamp(0, 1).permute(1, 2, 0).numpy(), {}
    picture = np.asarray(picture)
    if picture.ndim == 3 and picture.dtype != np.uint8:
        picture = picture.clip(0, 1)
    return picture, {}
