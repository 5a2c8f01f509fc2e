"""All finished runs in one figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cclgan_lite.course.explorer.atlas import Atlas, title_of
from cclgan_lite.course.figures import OKABE_ITO


def atlas_figure(atlas: Atlas) -> Figure:
    """A dot for each run, and the band that the paper's weights cover with other seeds."""
    runs = sorted(atlas.runs, key=lambda run: run["psnr_y"])
    figure, axis = plt.subplots(figsize=(8, 0.24 * len(runs) + 0.9))
    again = [run["psnr_y"] for run in atlas.repetitions()]
    axis.axvspan(
        min(again),
        max(again),
        color=OKABE_ITO[5],
        alpha=0.3,
        lw=0,
        label=f"all losses, {len(again)} seeds",
    )
    rainy = atlas.about["rainy_input"]["psnr_y"]
    axis.axvline(rainy, color="grey", ls=":", label="rainy input")
    for y, score in enumerate(run["psnr_y"] for run in runs):
        if score > rainy - 1:
            axis.plot(score, y, "o", color=OKABE_ITO[0])
        else:  # so far down that it would squeeze all others together
            axis.annotate(
                f"◂ {score:.1f} dB",
                (0.06, y),
                xycoords=("axes fraction", "data"),
                va="center",
                color=OKABE_ITO[1],
            )
    axis.set_yticks(range(len(runs)), [title_of(run) for run in runs])
    axis.set_ylim(-0.8, len(runs) - 0.2)
    axis.set_xlabel("Y-PSNR of 8 held-out scenes (dB)")
    axis.set_title(
        "all rows also have adversarial 1, identity 1 and re-derain L1 10,\n"
        "unless they say otherwise"
    )
    axis.legend(loc="lower right")
    return figure
