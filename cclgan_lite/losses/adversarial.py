"""Adversarial losses, eq. 8-10: a discriminator tells real from generated, a generator fools it.

The paper builds on CycleGAN, hence LSGAN; the authors' code defaults to hinge. No image pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from cclgan_lite.losses.term import Look, Views
from cclgan_lite.validation import at_least, check

Form = Literal["lsgan", "hinge"]


def generator_loss(fake: Tensor, form: Form = "lsgan") -> Tensor:
    """Eq. 8 for one direction. LSGAN: mean (D(fake) - 1)^2; hinge: mean of -D(fake)."""
    return (fake - 1).square().mean() if form == "lsgan" else -fake.mean()


def discriminator_loss(real: Tensor, fake: Tensor, form: Form = "lsgan") -> Tensor:
    """Eq. 9 and 10. LSGAN: half of mean (D(real) - 1)^2 + mean D(fake)^2, 0.25 at chance.

    Hinge: half of mean max(0, 1 - D(real)) + mean max(0, 1 + D(fake)), 1 at chance.
    """
    if form == "lsgan":
        return ((real - 1).square().mean() + fake.square().mean()) / 2
    return (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2


@dataclass(frozen=True)
class Adversarial:
    """Both directions; the generators' term is their mean, so lambdas read as in the code."""

    weight: float = 1.0
    form: Form = "lsgan"
    roles: tuple[tuple[str, str, str], ...] = (  # (discriminator, real image, generated image)
        ("discriminator_clean", "clean", "derained"),
        ("discriminator_rainy", "rainy", "rained"),
    )

    def __post_init__(self):
        check(self, weight=at_least(0))

    def looks(self) -> list[Look]:
        return [Look(d, image, "logits") for d, *images in self.roles for image in images]

    def __call__(self, step: Views) -> dict[str, Tensor]:
        logits = [(step.logits(d, real), step.logits(d, fake)) for d, real, fake in self.roles]
        generators = [generator_loss(fake, self.form) for _, fake in logits]
        discriminators = sum(discriminator_loss(real, fake, self.form) for real, fake in logits)
        return {
            "generators": sum(generators) / len(generators),
            "discriminators": discriminators,
        }
