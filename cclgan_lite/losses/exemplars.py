"""Contrast between unpaired exemplars: what is derained is like clean, unlike rainy pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cclgan_lite.losses.contrastive import nce
from cclgan_lite.losses.term import Look, Views
from cclgan_lite.networks.projection import sample_places
from cclgan_lite.validation import above, at_least, check


@dataclass(frozen=True)
class ExemplarContrast:
    """Mean of `nce` over roles and taps: each place of a generated image, as its positive the same
    place of a real image of its domain, as negatives all places of one of the other domain.

    Each domain is encoded by the generator that reads it, with its `<encoder>_mlp`; what is real
    is a constant.
    """

    weight: float = 2.0
    temperature: float = 0.07
    patches: int = 256  # places per tap
    roles: tuple[tuple[str, str, str, str, str], ...] = (
        # (encoder, generated, alike, encoder of the other domain, unlike)
        ("rainer", "derained", "clean", "derainer", "rainy"),
        ("derainer", "rained", "rainy", "rainer", "clean"),
    )

    def __post_init__(self):
        check(self, weight=at_least(0), temperature=above(0), patches=at_least(1))

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        losses = []
        for encoder, generated, alike, other, unlike in self.roles:
            features = [
                step.features(e, image)
                for e, image in ((encoder, generated), (encoder, alike), (other, unlike))
            ]
            places = sample_places(features[0], self.patches)
            mlp, other_mlp = (step.networks[f"{e}_mlp"] for e in (encoder, other))
            queries = mlp(features[0], places)
            with torch.no_grad():
                positives, negatives = mlp(features[1], places), other_mlp(features[2], places)
            losses += [
                nce(queries[tap], positives[tap], negatives[tap], self.temperature)
                for tap in places
            ]
        return {"generators": sum(losses) / len(losses)}
