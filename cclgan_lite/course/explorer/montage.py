"""Figures for readers without a kernel: what the explorer shows at some settings."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from cclgan_lite.course.explorer.atlas import Atlas, title_of
from cclgan_lite.course.explorer.setting import TITLES, Setting
from cclgan_lite.course.explorer.views import heat, scale_of
from cclgan_lite.course.explorer.widgets import gradients_of
from cclgan_lite.course.figures import OKABE_ITO, pictures


def push_montage(settings: Mapping[str, Setting], scene: int = 0, length: float = 8.0) -> Figure:
    """A row for each setting: the push of every loss that sees ñ, their sum, and the step."""
    rows, titles = [], []
    for setting in settings.values():
        gradients, weights = gradients_of(scene, setting.forms()), setting.weights()
        sees = dict(zip(gradients.names, gradients.derained.flatten(1).any(1), strict=True))
        pushes = {name: m for name, m in gradients.pushes(weights).items() if sees[name]}
        total = -gradients.total(weights).mean(0).numpy()
        rows.append([heat(push, scale_of(push)) for push in (*pushes.values(), total)])
        rows[-1].append(gradients.step(weights, length))
        titles = [*(TITLES[name] for name in pushes), "weighted sum", f"{length:g} grey levels on"]
    return pictures(rows, titles=titles, row_titles=list(settings), width=9)


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
        "all rows also have adversarial 1, identity 1, re-derain L1 10, but where it says not"
    )
    axis.legend(loc="lower right")
    return figure
