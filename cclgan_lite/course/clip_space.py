"""What lesson 06 looks at an encoder with: does it tell rain, and what do the losses see of it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from cclgan_lite.evaluation.clip_probe import auc

TOP = {"ratio": 3, "InfoNCE": 8}  # of the axes; a pole may leave the plot


def told(high: Tensor, low: Tensor) -> float:
    """AUC of scores [N] and [M], whichever way round: 0.5 is guessing, 1 never wrong."""
    value = auc(high.tolist(), low.tolist())
    return max(value, 1 - value)


def loss_curves(
    alphas: Sequence[float], forms: Mapping[str, Mapping[str, Sequence[float]]]
) -> Figure:
    """Losses over the share of the rain left in the anchor: {form: {curve: values}}."""
    figure, axes = plt.subplots(1, len(forms), figsize=(4.3 * len(forms), 3.3), squeeze=False)
    for axis, (form, curves) in zip(axes[0], forms.items(), strict=True):
        for (label, values), line in zip(curves.items(), ("s-", "^-", "o-", ":"), strict=False):
            axis.plot(alphas, values, line, ms=4, markevery=2, label=label)
        axis.set(
            title=form,
            xlabel="share α of the rain left in the anchor",
            ylabel="loss of eq. 2",
            ylim=(-0.1, TOP[form]),
        )
    axes[0, -1].legend(loc="upper left")  # the steepest curves are in the first
    return figure
