"""The faulty code of lesson 07: four questions to it, and one repair for each answer "no"."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from cclgan_lite.losses import inter_ccl
from cclgan_lite.networks import DiscriminatorConfig, PatchDiscriminator


def fresh(kind: type) -> tuple[nn.Module, torch.optim.Optimizer]:
    """One of a kind on a small judge, and the optimiser that comes with it."""
    torch.manual_seed(0)
    found = kind(PatchDiscriminator(DiscriminatorConfig(filters=16)))
    return found, torch.optim.Adam(found.parameters(), 1e-3)


def seeded(found: nn.Module, four: list[Tensor]) -> Tensor:
    """Its loss of four pictures, with the same random numbers each time."""
    torch.manual_seed(3)
    return found.loss(*four)


def sees(kind: type, four: list[Tensor]) -> bool:
    """Does the value change when the pictures do?"""
    noise = [torch.rand_like(x) * 2 - 1 for x in four]
    return not torch.equal(seeded(fresh(kind)[0], four), seeded(fresh(kind)[0], noise))


def vanishes(kind: type, four: list[Tensor]) -> bool:
    """Is the loss zero where all the positives are one picture?"""
    return abs(seeded(fresh(kind)[0], [four[2]] * 3 + [four[3]]).item()) < 1e-5


def hears(kind: type, four: list[Tensor]) -> bool:
    """Does the judge get a gradient?"""
    found, _ = fresh(kind)
    value = seeded(found, [four[0].clone().requires_grad_(), *four[1:]])
    if value.requires_grad:
        value.backward()
    return any(p.grad is not None for p in found.judge.parameters())


def moves(kind: type, four: list[Tensor]) -> bool:
    """Do the MLPs move in one step of the optimiser they have?"""
    found, optimizer = fresh(kind)
    weights = [p for mlp in found.mlps.values() for p in mlp.parameters()]
    before = [p.detach().clone() for p in weights]
    value = seeded(found, four)
    if value.requires_grad:
        value.backward()
    optimizer.step()
    return any(not torch.equal(p, q) for p, q in zip(weights, before, strict=True))


QUESTIONS = {
    "sees the\npictures?": sees,
    "equal pictures:\nzero?": vanishes,
    "judge gets a\ngradient?": hears,
    "MLPs move?": moves,
}


def repairs(suspect: type) -> dict[str, type]:
    """The suspect, and after each repair."""

    class ComparesVectors(suspect):
        def loss(self, *four):
            self.judge.requires_grad_(False)
            return self.compared(four)

        def compared(self, four):
            samples = zip(*map(self.sample, four), strict=True)
            total = sum(inter_ccl(*(vectors for vectors, _ in tap)) for tap in samples)
            return total / len(self.mlps)

    class SamePlaces(ComparesVectors):
        def sample(self, image):
            torch.manual_seed(4)  # for this demonstration: the same draw again
            return super().sample(image)

    class JudgeHears(SamePlaces):
        def loss(self, *four):
            return self.compared(four)

    class MLPsMove(JudgeHears):
        def __init__(self, judge):
            super().__init__(judge)
            self.mlps = nn.ModuleDict(self.mlps)

    return {
        "as found": suspect,
        "+ vectors": ComparesVectors,
        "+ same places": SamePlaces,
        "+ judge hears": JudgeHears,
        "+ MLPs move": MLPsMove,
    }


def answers_figure(answers: np.ndarray, versions: Iterable[str]) -> Figure:
    """A table of yes and no, bool [versions, questions]."""
    figure, axis = plt.subplots(figsize=(7, 2.8))
    axis.imshow(answers, cmap="cividis", vmin=-0.5, vmax=1.5, aspect="auto")
    for (row, column), good in np.ndenumerate(answers):
        text, colour = ("yes", "black") if good else ("no", "white")
        axis.text(column, row, text, ha="center", va="center", color=colour)
    axis.set_xticks(range(len(QUESTIONS)), QUESTIONS)
    axis.set_yticks(range(len(answers)), versions)
    return figure
