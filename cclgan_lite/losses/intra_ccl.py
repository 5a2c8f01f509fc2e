"""Intra-CCL, eq. 1-3: contrast in CLIP's image space.

Clean branch: n* is near n, far from the real rainy r and (a little) from the generated rainy r~.
Rain branch, by symmetry: r* is near r, far from n and (a little) from n~.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cclgan_lite.losses.contrastive import Form, distance, info_nce, ratio, weighted_sum
from cclgan_lite.losses.term import Look, Views
from cclgan_lite.validation import above, at_least, check


def intra_ccl(
    anchor: Tensor,
    positive: Tensor,
    real_negative: Tensor,
    fake_negative: Tensor,
    *,
    real_weight: float = 1.0,
    fake_weight: float = 0.1,
    form: Form = "ratio",
    temperature: float = 0.07,
    eps: float = 1e-7,
) -> Tensor:
    """Eq. 1 or 2 on embeddings [B, C]; the gradient flows through the anchor only.

    Ratio: d(anchor, positive) / (real_weight d(anchor, real_negative)
    + fake_weight d(anchor, fake_negative) + eps), with d the mean absolute difference.
    """
    positive = positive.detach()
    negatives = [(real_weight, real_negative.detach()), (fake_weight, fake_negative.detach())]
    if form == "infonce":
        return info_nce(anchor, positive, negatives, temperature)
    far = weighted_sum((w, distance(anchor, n)) for w, n in negatives)
    return ratio(distance(anchor, positive), far, eps)


@dataclass(frozen=True)
class IntraCCL:
    """Eq. 3: the mean of both branches. `real_weight=0` or `fake_weight=0` gives Table 3."""

    weight: float = 1.0
    form: Form = "ratio"
    real_weight: float = 1.0
    fake_weight: float = 0.1
    temperature: float = 0.07
    eps: float = 1e-7
    roles: tuple[tuple[str, str, str, str], ...] = (
        # (anchor, positive, real negative, fake negative)
        ("rerained", "rainy", "clean", "derained"),
        ("rederained", "clean", "rainy", "rained"),
    )

    def __post_init__(self):
        check(
            self,
            **dict.fromkeys(("weight", "real_weight", "fake_weight"), at_least(0)),
            **dict.fromkeys(("temperature", "eps"), above(0)),
        )
        if not self.real_weight + self.fake_weight:
            raise ValueError("real_weight and fake_weight are both 0: set weight to 0 for that")

    def looks(self) -> list[Look]:
        return [
            Look("embedder", image, gradient=i == 0)
            for images in self.roles
            for i, image in enumerate(images)
        ]

    def __call__(self, step: Views) -> dict[str, Tensor]:
        losses = []
        for images in self.roles:
            losses.append(
                intra_ccl(
                    *(step.features("embedder", image)["embedding"] for image in images),
                    real_weight=self.real_weight,
                    fake_weight=self.fake_weight,
                    form=self.form,
                    temperature=self.temperature,
                    eps=self.eps,
                )
            )
        return {"generators": sum(losses) / len(losses)}
