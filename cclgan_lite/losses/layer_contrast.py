"""NLCL's layer contrast: places of the background are alike, places of the rain are alike, and
the two are not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cclgan_lite.losses.term import Look, Views
from cclgan_lite.networks.projection import self_similar_places
from cclgan_lite.validation import above, at_least, check, each


def supervised_contrast(vectors: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """-mean_i mean_{p in P(i)} log [ e^(z_i z_p / tau) / sum_{a != i} e^(z_i z_a / tau) ].

    vectors z: [B, N, C], compared by cosine similarity; labels [N]: P(i) are the others with the
    label of i (Khosla et al., "Supervised contrastive learning", 2020, their L_out).
    """
    vectors = F.normalize(vectors, dim=-1)
    itself = torch.eye(len(labels), dtype=torch.bool, device=vectors.device)
    logits = (vectors @ vectors.mT / temperature).masked_fill(itself, -torch.inf)
    log_share = logits - logits.logsumexp(-1, keepdim=True)
    alike = (labels[:, None] == labels) & ~itself
    return -(log_share.masked_fill(~alike, 0).sum(-1) / alike.sum(-1)).mean()


@dataclass(frozen=True)
class LayerContrast:
    """Mean of `supervised_contrast` over the discriminator's taps; generators alone descend it.

    Both layers are seen by the discriminator of backgrounds, at self-similar places of their own,
    each through an MLP of its own.
    """

    weight: float = 1.0
    temperature: float = 0.07
    patches: tuple[int, int] = (8, 128)  # places per tap of background and rain
    discriminator: str = "discriminator_clean"
    layers: tuple[tuple[str, str], ...] = (  # (image, MLP)
        ("derained", "background_mlp"),
        ("rain", "rain_mlp"),
    )

    def __post_init__(self):
        check(self, weight=at_least(0), temperature=above(0), patches=each(at_least(2)))

    def looks(self) -> list[Look]:
        return [Look(self.discriminator, image) for image, _ in self.layers]

    def __call__(self, step: Views) -> dict[str, Tensor]:
        projected = []
        for (image, mlp), patches in zip(self.layers, self.patches, strict=True):
            features = step.features(self.discriminator, image)
            places = self_similar_places(step.image(image), features, patches)
            projected.append(step.networks[mlp](features, places))
        background, rain = projected
        losses = []
        for tap, b in background.items():
            vectors = torch.cat([b, rain[tap]], 1)
            labels = torch.arange(vectors.shape[1], device=b.device) < b.shape[1]
            losses.append(supervised_contrast(vectors, labels, self.temperature))
        return {"generators": sum(losses) / len(losses)}
