"""Figures of lesson 08: how loud losses are, and whether they point at the truth."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from cclgan_lite.course.explorer.setting import TITLES

# `python benchmarks/gradient_audit.py`, lab notebook, section 7: the end of one run that rehearsed
# and then heard the four losses and re-derain L1; 8 batches of validation scenes. Cosine with the
# supervised gradient +- standard error; the same beside "take more, take less"; share.
AUDIT = {
    "rehearsal": ((0.85, 0.04), (0.45, 0.12), 0.45),
    "adversarial": ((-0.02, 0.05), (0.19, 0.06), 0.06),
    "LCL": ((-0.04, 0.07), (0.15, 0.10), 0.05),
    "intra-CCL": ((0.20, 0.13), (-0.03, 0.09), 0.02),
    "inter-CCL": ((-0.07, 0.02), (-0.05, 0.05), 0.02),
    "re-derain L1": ((-0.39, 0.22), (-0.18, 0.05), 0.40),
}


def audit_figure() -> Figure:
    """Both cosines of each loss with standard errors."""
    figure, axis = plt.subplots(figsize=(8, 2.8))
    labels = ("cosine with the truth's gradient", "beside “more or less rain”")
    for which, (shift, mark) in enumerate(((-0.12, "o"), (0.12, "s"))):
        values, errors = zip(*(row[which] for row in AUDIT.values()), strict=True)
        places = np.arange(len(AUDIT)) + shift
        axis.errorbar(values, places, xerr=errors, fmt=mark, label=labels[which])
    axis.axvline(0, color="black", lw=1, ls=":")
    names = [f"{name} (share {row[2]:.2f})" for name, row in AUDIT.items()]
    axis.set_yticks(range(len(AUDIT)), names)
    axis.set(xlim=(-1, 1), xlabel="away from the truth (−1), towards it (1)")
    axis.invert_yaxis()
    axis.legend(fontsize=9, loc="upper left")
    return figure


def share_figure(shares: Mapping[str, float], vectors: Mapping[str, Tensor]) -> Figure:
    """Bars of the losses' shares, and the cosines of their gradients with a colour bar."""
    cosines = [
        [torch.cosine_similarity(a, b, 0).item() for b in vectors.values()]
        for a in vectors.values()
    ]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8))
    names = [TITLES.get(name, name) for name in shares]
    bars = left.bar(names, list(shares.values()))
    left.bar_label(bars, [f"≈ {share:.3f}" for share in shares.values()])
    left.set(ylabel="share of the gradient", ylim=(0, 1))
    image = right.imshow(np.array(cosines), cmap="RdBu_r", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(cosines):
        color = "white" if abs(value) > 0.6 else "black"
        right.text(
            column,
            row,
            f"{round(value, 1) + 0:.1f}",
            ha="center",
            va="center",
            fontsize=9,
            color=color,
        )
    right.set_xticks(range(len(names)), names, fontsize=9, rotation=20, ha="right")
    right.set_yticks(range(len(names)), names)
    figure.colorbar(image, ax=right, label="cosine of two gradients")
    return figure
