"""Checks of lesson 12: haze, the best that a grey layer can do, the contrast of two layers."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from cclgan_lite.course.exercises import check, expect, overflows
from cclgan_lite.losses.layer_contrast import supervised_contrast


@check("hazy")
def check_hazy(answer):
    """Koschmieder's law with a visibility."""
    rng = np.random.default_rng(0)
    clean, depth = rng.random((4, 5, 3)), rng.uniform(5, 300, (4, 5))
    for visibility, air in ((400.0, 0.8), (150.0, 1.0)):
        beta = np.log(50) / visibility
        t = np.exp(-beta * depth)[..., None]

        def law(t, clean=clean, air=air):
            return clean * t + air * (1 - t)

        expect(
            answer(clean, depth, visibility, air),
            law(t),
            {
                "at distance V a part of 1/50 is left, not of 1/e: beta is log(50) / V": law(
                    np.exp(-depth / visibility)[..., None]
                ),
                "0.02 is 1/50, so beta is log(50) / V, not 50 / V": law(
                    np.exp(-50 * depth / visibility)[..., None]
                ),
                "t and 1 - t are swapped: what is near keeps its light": law(1 - t),
                "t grows with distance: the exponent is negative": lambda got: (
                    np.asarray(got).max() > 2
                ),
                "the airlight comes with 1 - t: where all light arrives there is no haze": [
                    clean * t + air,
                    clean + air * (1 - t),
                ],
                "the airlight is missing": [clean * t, clean * t + (1 - t)],
            },
            "on random numbers",
            tolerance=1e-6,
        )


@check("best_grey")
def check_best_grey(answer):
    """What is left after the best layer that is the same in all three channels."""
    torch.manual_seed(0)
    degraded, clean = torch.rand(2, 2, 3, 4, 5) * 2 - 1
    gap = degraded - clean
    layer = gap.mean(1, keepdim=True)
    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    expect(
        answer(degraded, clean),
        degraded - layer,
        {
            "that is the layer: subtract it from the degraded picture": [
                layer,
                layer.expand_as(clean),
                layer.squeeze(1),
            ],
            "the layer is added: it was put on, so it has to come off": degraded + layer,
            "that is a layer for each channel, which reaches the truth itself": clean,
            "the mean runs over the pixels: the layer may differ from pixel to pixel": [
                degraded - gap.mean((2, 3), keepdim=True),
                degraded - gap.mean((1, 2, 3), keepdim=True),
                degraded - gap.mean(),
            ],
            "the mean runs over the pictures of the batch": degraded - gap.mean(0, keepdim=True),
            "the squares of all channels count alike: the plain mean, not luma": (
                degraded - (luma * gap).sum(1, keepdim=True)
            ),
            "the median makes absolute errors small; squared ones are least at the mean": (
                degraded - gap.median(1, keepdim=True).values
            ),
            "one channel decides alone: take the mean of the three differences": [
                degraded - gap[:, c : c + 1] for c in range(3)
            ]
            + [degraded - gap.amax(1, keepdim=True), degraded - gap.amin(1, keepdim=True)],
        },
        "on random pictures",
        tolerance=1e-6,
    )


@check("layer_contrast")
def check_layer_contrast(answer):
    """The supervised contrast of Khosla and others, their L_out."""
    torch.manual_seed(0)
    vectors = torch.randn(2, 7, 6, requires_grad=True)
    labels = torch.tensor([True] * 3 + [False] * 4)
    itself = torch.eye(7, dtype=torch.bool)
    alike = (labels[:, None] == labels) & ~itself

    def contrast(temperature, unit=True, among=~itself, right=alike, inside=False):
        z = F.normalize(vectors, dim=-1) if unit else vectors
        logits = z @ z.mT / temperature
        total = logits.masked_fill(~among, -torch.inf).logsumexp(-1, keepdim=True)
        log_share = logits - total
        if inside:  # the logarithm of the mean
            mean = log_share.exp().masked_fill(~right, 0).sum(-1) / right.sum(-1)
            return -mean.log().mean()
        return -(log_share.masked_fill(~right, 0).sum(-1) / right.sum(-1)).mean()

    want = supervised_contrast(vectors, labels, 0.5)
    expect(
        answer(vectors, labels, 0.5),
        want,
        {
            "a vector is its own most similar one: leave it out of the denominator": contrast(
                0.5, among=torch.ones(7, 7, dtype=torch.bool)
            ),
            "a vector counts among its own positives: leave it out of P(i)": [
                contrast(0.5, right=alike | itself),
                contrast(0.5, right=alike | itself, among=torch.ones(7, 7, dtype=torch.bool)),
            ],
            "the denominator holds the negatives alone: it runs over all others": contrast(
                0.5, among=labels[:, None] != labels
            ),
            "the layers are swapped: positives have the label of i": contrast(
                0.5, right=labels[:, None] != labels
            ),
            "not all vectors are normalised: cosine similarity needs length one": contrast(
                0.5, unit=False
            ),
            "the temperature is missing": contrast(1.0),
            "the temperature multiplies: divide the similarities by it": contrast(2.0),
            "the logarithm stands inside: first the logarithm, then the mean over P(i)": contrast(
                0.5, inside=True
            ),
            "that is the sum over the positives: divide by their number": (
                -(
                    (
                        lambda s: (
                            s - s.masked_fill(itself, -torch.inf).logsumexp(-1, keepdim=True)
                        ).masked_fill(~alike, 0)
                    )(F.normalize(vectors, dim=-1) @ F.normalize(vectors, dim=-1).mT / 0.5)
                )
                .sum(-1)
                .mean()
            ),
            "the sign is wrong: a loss is minus the logarithm": -want,
            "it is not a number: log 0, or 0 times infinity, at the vector itself": overflows,
        },
        "on random vectors",
        wrt={"the vectors": vectors},
    )
    expect(
        answer(vectors, labels, 0.005),
        supervised_contrast(vectors, labels, 0.005),
        {"at temperature 0.005 the exponential overflows: use log-sum-exp": overflows},
        "right at temperature 0.5 but not at 0.005: does it use its argument, and nothing but it?",
        tolerance=1e-2,
    )
