"""Location contrast whose negatives are made to be hard (NEGCUT; CDD-GAN)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cclgan_lite.losses.contrastive import nce
from cclgan_lite.losses.lcl import TEXT_ROLES
from cclgan_lite.losses.term import Look, Views
from cclgan_lite.networks.projection import sample_places
from cclgan_lite.validation import above, at_least, below, check


@dataclass(frozen=True)
class HardNegatives:
    """`nce` of a place of the output against the same place of the input, and against vectors
    that `<encoder>_negatives` makes of the input; mean over roles and taps.

    Generators descend it. The negatives climb it, and spread: beside -nce they descend
    -diversity mean |n_i - n_j|, over pairs of negatives of two draws of noise.
    """

    weight: float = 1.0
    temperature: float = 0.07
    patches: int = 256  # places per tap
    diversity: float = 1.0
    decay: float = 0.9  # of the MLPs through which the negatives' networks see features
    roles: tuple[tuple[str, str, str, str], ...] = TEXT_ROLES

    def __post_init__(self):
        check(self, weight=at_least(0), temperature=above(0), patches=at_least(1))
        check(self, diversity=at_least(0), decay=below(0, 1))

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        losses, spreads = [], []
        for key_encoder, source, query_encoder, output in self.roles:
            features = step.features(key_encoder, source)
            places = sample_places(features, self.patches)
            mlp, network = (step.networks[f"{key_encoder}_{n}"] for n in ("mlp", "negatives"))
            if network.training:
                network.follow(mlp, self.decay)
            negatives = network(features)
            with torch.no_grad():
                keys = mlp(features, places)
            queries = step.networks[f"{query_encoder}_mlp"](
                step.features(query_encoder, output), places
            )
            for tap, n in negatives.items():
                losses.append(nce(queries[tap], keys[tap], n, self.temperature))
                one, two = n.tensor_split(2, dim=1)
                spreads.append((one - two[:, : one.shape[1]]).abs().mean())
        loss, spread = sum(losses) / len(losses), sum(spreads) / len(spreads)
        return {"generators": loss, "negatives": -loss - self.diversity * spread}
