"""What lesson 00 shows: this computer, a picture of one's own, the map of the method.

Lesson 00 is for people who have not met PyTorch yet, so that its plumbing stands here.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from cclgan_lite.course.claims import claim
from cclgan_lite.course.explore import show_widget
from cclgan_lite.course.figures import pictures, show
from cclgan_lite.data.images import read_rgb
from cclgan_lite.data.rain import add_rain, demo_rain
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.device import hardware, pick_device
from cclgan_lite.inference.weights import shipped_weights


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def environment() -> list[tuple[str, str, bool, str]]:
    """Rows of (what, what was found, is it fine, remedy)."""
    device = pick_device()
    free = shutil.disk_usage(".").free / 1e9
    return [
        (
            "Python",
            sys.version.split()[0],
            sys.version_info >= (3, 11),
            "install Python 3.11 or newer and make the environment again",
        ),
        (
            "PyTorch",
            torch.__version__,
            _number(torch.__version__) >= (2, 4),
            "run `pip install --upgrade torch torchvision`",
        ),
        ("package", f"cclgan_lite {version('cclgan_lite')}", True, ""),
        (
            "shipped weights",
            ", ".join(shipped_weights()),
            "demo" in shipped_weights(),
            "install the package again: its folder weights/ is empty",
        ),
        (
            "widgets",
            f"ipywidgets {version('ipywidgets')}",
            _number(version("ipywidgets")) >= (7, 7),
            "run `pip install --upgrade ipywidgets` and reload the page",
        ),
        ("computes on", f"{device.type}: {hardware(device)}"[:44], True, ""),
        ("processor cores", str(os.cpu_count()), True, ""),
        (
            "free disk",
            f"{free:.0f} GB",
            free > 2,
            "free 2 GB: training runs and data sets are written to disk",
        ),
    ]


def show_environment() -> None:
    """A table of what this computer has; remedies below it. Fails where something is missing."""
    rows = environment()
    figure, axis = plt.subplots(figsize=(7.5, 3))
    axis.set(xlim=(0, 10), ylim=(len(rows), 0))
    axis.axis("off")
    for y, (what, found, fine, _) in enumerate(rows, 0):
        colour, verdict = ("#00664A", "✓ fine") if fine else ("#A33B00", "✗ look")
        axis.axhspan(y + 0.06, y + 0.94, color=colour, alpha=0.12)
        axis.text(0.2, y + 0.5, what, va="center", weight="bold")
        axis.text(2.6, y + 0.5, found, va="center")
        axis.text(8.8, y + 0.5, verdict, va="center", color=colour, weight="bold")
    show(
        figure,
        alt="A table of what this computer has: Python, PyTorch, the "
        "package, its weights, widgets, device, cores and disk, each marked.",
    )
    for what, found, fine, remedy in rows:
        if not fine:
            print(f"{what}: found {found or 'nothing'}. Remedy: {remedy}.")
    claim("this computer has what the lessons need", all(row[2] for row in rows))


def choose_picture() -> ipywidgets.FileUpload:
    """A button that uploads a picture to this kernel."""
    upload = ipywidgets.FileUpload(accept="image/*", description="Choose picture")
    show_widget(upload, how="To choose a picture of your own, run this lesson.")
    return upload


def _uploaded(upload: ipywidgets.FileUpload) -> tuple[str, bytes] | None:
    """(name, bytes) of the chosen file, or None."""
    if not upload.value:
        return None
    if isinstance(upload.value, dict):  # ipywidgets 7, as in Colab
        name, file = next(iter(upload.value.items()))
    else:
        file = upload.value[0]
        name = file["name"]
    return name, bytes(file["content"])


def read_picture(
    upload: ipywidgets.FileUpload, path: str | None = None, rows: int = 240
) -> np.ndarray:
    """The uploaded picture, the one at `path`, or a generated scene, uint8 [H, W, 3].

    A picture of more than `rows` rows is shrunk to them.
    """
    if chosen := _uploaded(upload):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / Path(chosen[0]).name
            file.write_bytes(chosen[1])
            rgb = read_rgb(file)
    elif path:
        rgb = read_rgb(path)
    else:
        clean, depth = render_scene((21, 9), 240, 320)
        rng = np.random.default_rng((22, 9))
        rainy = add_rain(clean, depth, demo_rain(rng), rng)
        rgb = np.rint(255 * rainy).astype(np.uint8)
    if len(rgb) > rows:
        size = (max(16, rgb.shape[1] * rows // len(rgb)), rows)
        rgb = np.asarray(Image.fromarray(rgb).resize(size, Image.LANCZOS))
    return rgb


def split_view(rainy: np.ndarray, derained: np.ndarray, line: float) -> Figure:
    """Rain left of a white line, at a share `line` of the width, and the output right of it."""
    column = round(line * rainy.shape[1])
    mixed = np.concatenate([rainy[:, :column], derained[:, column:]], 1)
    mixed[:, max(0, column - 1) : column + 1] = 255
    return pictures([mixed], titles=["rainy   |   derained"], width=6.5)


def _box(axis, x, y, symbol, name, colour):
    axis.add_patch(
        FancyBboxPatch(
            (x - 0.8, y - 0.42),
            1.6,
            0.84,
            boxstyle="round,pad=0.03",
            facecolor=colour,
            edgecolor="black",
            alpha=0.4,
            zorder=3,
        )
    )
    axis.text(x, y + 0.13, symbol, ha="center", va="center", size=17, zorder=4)
    axis.text(x, y - 0.25, name, ha="center", va="center", size=10.5, zorder=4)


def _arrow(axis, start, end, colour="black", style="-|>", bend=0.0, line="-"):
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle=style,
            mutation_scale=14,
            color=colour,
            shrinkA=0,
            shrinkB=0,
            linestyle=line,
            lw=1.8,
            connectionstyle=f"arc3,rad={bend}",
        )
    )


RAIN, CLEAN, JUDGE = "#56B4E9", "#E69F00", "white"
GREEN, BLUE, RED = "#007A5A", "#0072B2", "#B34700"
BOXES = [
    (1, 5, "$r$", "rainy", RAIN),
    (1, 1, "$n$", "clean", CLEAN),
    (5, 5, r"$\tilde{n}$", "derained", CLEAN),
    (5, 1, r"$\tilde{r}$", "rained", RAIN),
    (9, 5, "$r^*$", "rerained", RAIN),
    (9, 1, "$n^*$", "rederained", CLEAN),
    (2, 3, "$D_r$", "judges rainy", JUDGE),
    (4, 3, "$D_n$", "judges clean", JUDGE),
]


def method_map() -> Figure:
    """Networks, images and losses of CCLGAN."""
    figure, axis = plt.subplots(figsize=(9, 5.9))
    axis.set(xlim=(0, 10), ylim=(-0.5, 6.5))
    axis.axis("off")
    for item in BOXES:
        _box(axis, *item)
    for x, y, network in [(3, 5, "$G_n$"), (7, 5, "$G_r$"), (3, 1, "$G_r$"), (7, 1, "$G_n$")]:
        _arrow(axis, (x - 1.17, y), (x + 1.17, y))
        axis.text(x, y - 0.33, network, ha="center", size=14)
    for y, up in [(5, 1), (1, -1)]:
        edge = y + 0.45 * up
        _arrow(axis, (1.3, edge), (4.7, edge), GREEN, "<|-|>", -0.16 * up, "--")
        axis.text(
            3, y + (0.53 if up > 0 else -0.63), "LCL", color=GREEN, ha="center", weight="bold"
        )
        _arrow(axis, (0.7, edge), (9, edge), BLUE, "<|-|>", -0.19 * up, ":")
        axis.text(
            6.6, y + (0.9 if up > 0 else -1.0), "intra-CCL", color=BLUE, ha="center", weight="bold"
        )
    for start, end in [
        ((1, 4.55), (1.7, 3.45)),
        ((4.7, 1.45), (2.4, 2.55)),
        ((1.3, 1.45), (3.6, 2.55)),
        ((5, 4.55), (4.3, 3.45)),
    ]:
        _arrow(axis, start, end, RED, "-|>")
    axis.text(
        5.1,
        3.0,
        "adversarial: the judges tell real from generated,\n"
        "the generators try to make them fail\n\n"
        "inter-CCL: in the judges' features, images of one\n"
        "domain gather, away from the other",
        color=RED,
        va="center",
    )
    return figure


LESSONS = [
    ("the problem", RAIN, ["00\nstart here", "01\nrain and\nits measures"]),
    ("the players", CLEAN, ["02\ngenerator", "03\nPatchGAN and\nthe game"]),
    (
        "the losses",
        "#009E73",
        [
            "04\ncycles hide\nrain",
            "05\nLCL: the\nsame place",
            "06\nintra-CCL:\nin CLIP",
            "07\ninter-CCL:\nin the judges",
        ],
    ),
    ("the whole", "#CC79A7", ["08\nthe training\nstep", "09\nthe full run", "10\nevaluation"]),
    ("further", JUDGE, ["11\nthe family\ntree", "12\nbeyond rain"]),
]


def course_map() -> Figure:
    """The lessons in rows."""
    figure, axis = plt.subplots(figsize=(8.2, 5.1))
    axis.set(xlim=(-0.2, 8.2), ylim=(4.9, -0.45))
    axis.axis("off")
    for y, (part, colour, names) in enumerate(LESSONS):
        axis.text(0.7, y * 1.1, part, ha="center", va="center", weight="bold")
        for x, name in enumerate(names):
            axis.add_patch(
                FancyBboxPatch(
                    (1.6 + 1.65 * x, y * 1.1 - 0.36),
                    1.3,
                    0.72,
                    facecolor=colour,
                    boxstyle="round,pad=0.06",
                    edgecolor="black",
                    alpha=0.4,
                )
            )
            axis.text(2.25 + 1.65 * x, y * 1.1, name, ha="center", va="center")
    return figure
