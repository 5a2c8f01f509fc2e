"""Inter-CCL, eq. 4-6: contrast in the discriminators' encoder space.

On D_n: the derained n~ and the rederained n* are near the clean n and near each other, far from
the rainy r. Mirrored on D_r. The text says that this steers the generators and sharpens the
discriminators, so both descend it (`trains`); the published code freezes the discriminator.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cclgan_lite.losses.contrastive import Form, distance, info_nce, ratio, weighted_sum
from cclgan_lite.losses.term import Look, Views
from cclgan_lite.networks.projection import sample_places
from cclgan_lite.validation import above, at_least, check


def inter_ccl(
    generated: Tensor,
    reconstructed: Tensor,
    real_positive: Tensor,
    negative: Tensor,
    *,
    real_weight: float = 1.0,
    fake_weight: float = 0.2,
    form: Form = "ratio",
    temperature: float = 0.07,
    eps: float = 1e-7,
) -> Tensor:
    """Eq. 4 or 5 on projected patches [B, P, C] at the same places of all four images.

    Ratio: (real_weight (d(generated, real_positive) + d(reconstructed, real_positive))
    + fake_weight d(generated, reconstructed)) / (d(generated, negative)
    + d(reconstructed, negative) + eps). InfoNCE: the weighted mean, over the same three
    query-positive pairs, of each query's cross-entropy against the negative.
    """
    pairs = [
        (real_weight, generated, real_positive),
        (real_weight, reconstructed, real_positive),
        (fake_weight, generated, reconstructed),
    ]
    if form == "infonce":
        losses = [(w, info_nce(q, p, [(1.0, negative)], temperature)) for w, q, p in pairs if w]
        return weighted_sum(losses) / sum(w for w, _ in losses)
    near = weighted_sum((w, distance(q, p)) for w, q, p in pairs)
    return ratio(near, distance(generated, negative) + distance(reconstructed, negative), eps)


@dataclass(frozen=True)
class InterCCL:
    """Eq. 6, the sum of 4 and 5. `real_weight=0` or `fake_weight=0` gives Table 4."""

    weight: float = 0.005
    form: Form = "ratio"
    real_weight: float = 1.0
    fake_weight: float = 0.2
    temperature: float = 0.07
    eps: float = 1e-7
    patches: int = 256
    trains: tuple[str, ...] = ("generators", "discriminators")
    roles: tuple[tuple[str, str, str, str, str], ...] = (
        # (discriminator, generated, reconstructed, real positive, negative)
        ("discriminator_clean", "derained", "rederained", "clean", "rainy"),
        ("discriminator_rainy", "rained", "rerained", "rainy", "clean"),
    )

    def __post_init__(self):
        check(
            self,
            **dict.fromkeys(("weight", "real_weight", "fake_weight"), at_least(0)),
            **dict.fromkeys(("temperature", "eps"), above(0)),
            patches=at_least(1),
        )
        if not self.real_weight + self.fake_weight:
            raise ValueError("real_weight and fake_weight are both 0: set weight to 0 for that")

    def looks(self) -> list[Look]:
        return [Look(d, image) for d, *images in self.roles for image in images]

    def __call__(self, step: Views) -> dict[str, Tensor]:
        total = 0.0
        for discriminator, *images in self.roles:
            features = [step.features(discriminator, image) for image in images]
            places = sample_places(features[0], self.patches)
            mlp = step.networks[f"{discriminator}_mlp"]
            projected = [mlp(f, places) for f in features]
            losses = [
                inter_ccl(
                    *(p[tap] for p in projected),
                    real_weight=self.real_weight,
                    fake_weight=self.fake_weight,
                    form=self.form,
                    temperature=self.temperature,
                    eps=self.eps,
                )
                for tap in places
            ]
            total = total + sum(losses) / len(losses)
        return dict.fromkeys(self.trains, total)
