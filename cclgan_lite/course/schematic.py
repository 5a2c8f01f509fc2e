"""A drawing of boxes and arrows: who hands what to whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def schematic(
    boxes: Mapping[str, tuple[float, float, str]],
    arrows: Sequence[tuple[str, str, str]],
    size: tuple[float, float] = (8, 2.6),
) -> Figure:
    """Boxes {name: (x, y, colour)} and arrows (from, to, label); x and y from 0 to 1.

    An arrow whose label starts with "-" is dashed: a gradient on its way back.
    """
    figure, axis = plt.subplots(figsize=size)
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.axis("off")
    texts = {
        name: axis.text(
            x,
            y,
            name,
            ha="center",
            va="center",
            bbox={"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": "black"},
        )
        for name, (x, y, colour) in boxes.items()
    }
    for start, end, label in arrows:
        back = label.startswith("-")
        bend = "arc3,rad=0.5" if back else "arc3"
        axis.annotate(
            "",
            xy=boxes[end][:2],
            xytext=boxes[start][:2],
            arrowprops={
                "arrowstyle": "->",
                "linestyle": "--" if back else "-",
                "color": "C1" if back else "black",
                "connectionstyle": bend,
                "patchA": texts[start].get_bbox_patch(),
                "patchB": texts[end].get_bbox_patch(),
                "shrinkA": 3,
                "shrinkB": 3,
                "lw": 1.5,
            },
        )
        middle = (boxes[start][0] + boxes[end][0]) / 2
        height = max(boxes[start][1], boxes[end][1])
        axis.text(middle, height + (0.42 if back else 0.06), label.lstrip("-"), ha="center")
    return figure
