"""What lesson 06 looks at an encoder with: does it tell rain, and what do the losses see of it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from cclgan_lite.data.captions import WORDS
from cclgan_lite.evaluation.clip_probe import PROMPTS, auc
from cclgan_lite.networks import high_pass
from cclgan_lite.networks.embedder import ImageEmbedder
from cclgan_lite.networks.tiny_clip import build_tiny_clip

TOP = {"ratio": 3, "InfoNCE": 8}  # of the axes; a pole may leave the plot


def told(high: Tensor, low: Tensor) -> float:
    """AUC of scores [N] and [M], whichever way round: 0.5 is guessing, 1 never wrong."""
    value = auc(high.tolist(), low.tolist())
    return max(value, 1 - value)


@torch.no_grad()
def untrained_towers(
    rain_axis: Callable[[Tensor, Tensor], Tensor], seed: int = 0
) -> tuple[ImageEmbedder, Tensor]:
    """tiny-rain-clip with random weights: its picture tower, and its text tower's rain axis."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        clip, tokenizer = build_tiny_clip(WORDS)
    clip.eval()
    ends = [F.normalize(clip.encode_text(tokenizer(p)), dim=1) for p in PROMPTS.values()]
    return ImageEmbedder(clip.visual), rain_axis(*ends)


@torch.no_grad()
def rain_scores(
    rainy: Tensor, clean: Tensor, towers: Mapping[str, tuple[ImageEmbedder, Tensor]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Scores [N] of the rainy and the clean pictures [N, 3, H, W]: {what is asked: both}.

    `towers` are a picture tower and an axis each; brightness and fine detail ask no tower.
    """
    sets = rainy, clean
    scores = {
        name: tuple(embedder.normalized(x) @ axis for x in sets)
        for name, (embedder, axis) in towers.items()
    }
    return scores | {
        "brightness": tuple(x.mean((1, 2, 3)) for x in sets),
        "fine detail": tuple(high_pass(x).abs().mean((1, 2, 3)) for x in sets),
    }


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
