"""Checks of lesson 06: zero-shot scores, CLIP's input, and both forms of intra-CCL."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cclgan_lite.course.exercises import Wrong, check, expect, overflows
from cclgan_lite.losses import distance, intra_ccl

NAMES = ("the anchor", "the positive", "the real negative", "the fake negative")
RANDOM = "off by more than rounding on random embeddings"
FORGOTTEN = "the weights are forgotten: the fake negative counts 0.1 by default"
WEIGHTS = "the weights are swapped: 1 for the real negative, 0.1 for the fake one"
SUM = "that is the sum over the pictures: take the mean"
FIXED = "right with the default weights but not with others: are real_weight and fake_weight used?"


@check("zero_shot")
def check_zero_shot(answer):
    """Cosine with the mean rainy text minus cosine with the mean clear text."""
    torch.manual_seed(0)
    pictures = 3 * torch.randn(5, 8)
    rainy, clear = F.normalize(torch.randn(3, 8), dim=1), F.normalize(torch.randn(2, 8), dim=1)
    unit = F.normalize(pictures, dim=1)
    up, down = (F.normalize(texts.mean(0), dim=0) for texts in (rainy, clear))
    expect(
        answer(pictures, rainy, clear),
        unit @ (up - down),
        {
            "the sign is wrong: rainy pictures must get the higher score": unit @ (down - up),
            "the pictures are not normalised: a cosine needs embeddings of length one": (
                pictures @ (up - down)
            ),
            "the pictures are normalised along the wrong axis: each row must have length one": (
                F.normalize(pictures, dim=0) @ (up - down)
            ),
            "the mean texts are not normalised: the mean of unit vectors is shorter than one, by "
            "how much they differ, so that both ends would weigh differently": (
                unit @ (rainy.mean(0) - clear.mean(0))
            ),
            "the difference of the ends needs no length of its own: the score is a difference of "
            "two cosines": unit @ F.normalize(up - down, dim=0),
            "only the first wording is used: take the mean of all": unit @ (rainy[0] - clear[0]),
            "only the rainy end is used: subtract the cosine with the clear one": unit @ up,
        },
        RANDOM,
    )


@check("clip_input")
def check_clip_input(answer):
    """Resized, [-1, 1] to [0, 1], normalised, and differentiable."""
    torch.manual_seed(0)
    # Hard edges between -1 and 1: resizing overshoots, and without antialiasing misses pixels.
    blocks = torch.randint(2, (2, 3, 4, 6)) * 2.0 - 1
    image = F.interpolate(blocks, scale_factor=5).requires_grad_()
    mean, std = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.3, 0.2, 0.25])
    m, s = mean.view(-1, 1, 1), std.view(-1, 1, 1)

    def resized(mode="bicubic", antialias=True):
        return (F.interpolate(image, (8, 8), mode=mode, antialias=antialias) + 1) / 2

    small = resized()
    bits = (small * 255).round() / 255
    missing = "mean and std are missing: the tower was trained on normalised pictures, and this "
    got, want = answer(image, 8, mean, std), (small - m) / s
    expect(
        got,
        want,
        {
            missing + "hands it [-1, 1]": 2 * small - 1,
            missing + "hands it [0, 1]": small,
            "[-1, 1] is taken for [0, 1]: shift and scale before mean and std": (
                (2 * small - 1 - m) / s
            ),
            "multiplied by std: divide by it": (small - m) * s,
            "mean and std are swapped": (small - s) / m,
            "antialias is missing: without it most pixels of a larger picture are never read": (
                (resized(antialias=False) - m) / s
            ),
            "bilinear: CLIP resizes with bicubic": (resized("bilinear") - m) / s,
            "clamp cuts off what resizing overshoots, and the gradient of those pixels with it": (
                (small.clamp(0, 1) - m) / s
            ),
            "rounded to 8 bits, as through PIL: rounding has no gradient": [
                (bits - m) / s,
                (bits.clamp(0, 1) - m) / s,
            ],
        },
        "off by more than rounding on random pictures",
    )
    if not got.requires_grad:
        raise Wrong("no gradient: the graph is cut (detach, numpy, PIL or no_grad)")


def _vectors() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn(4, 6, requires_grad=True) for name in NAMES}


@check("intra_ratio")
def check_intra_ratio(answer):
    """The ratio form of eq. 1 and 2."""
    vectors = _vectors()
    a, p, r, f = four = [*vectors.values()]

    def measured(d):
        return [d(a, x) for x in (p, r, f)]

    def ratio(above, below):
        return (above / below).mean()

    plus, real, fake = measured(distance)
    cosine = measured(lambda a, x: 1 - F.cosine_similarity(a, x))
    square = measured(lambda a, x: (a - x).square().mean(1))
    want = intra_ccl(*four)
    expect(
        answer(*four),
        want,
        {
            "the fake negative and the positive are swapped: the numerator holds the positive": (
                ratio(fake, real + 0.1 * plus)
            ),
            "the real negative and the positive are swapped: the numerator holds the positive": (
                ratio(real, plus + 0.1 * fake)
            ),
            WEIGHTS: ratio(plus, fake + 0.1 * real),
            FORGOTTEN: ratio(plus, real + fake),
            "the fake negative is missing": ratio(plus, real),
            "the real negative is missing": ratio(plus, 0.1 * fake),
            "that is the cosine distance: d is the mean absolute difference": (
                ratio(cosine[0], cosine[1] + 0.1 * cosine[2])
            ),
            "that is the squared difference: d is the mean absolute difference": (
                ratio(square[0], square[1] + 0.1 * square[2])
            ),
            "a ratio of means: each picture has its own ratio, and the mean comes last": (
                plus.mean() / (real + 0.1 * fake).mean()
            ),
            "one number is expected: take the mean over the pictures": plus / (real + 0.1 * fake),
            SUM: 4 * want,
            "upside down: the positive's distance is on top": ratio(real + 0.1 * fake, plus),
        },
        RANDOM,
    )
    for real, fake in ((0.0, 1.0), (2.0, 0.5)):
        want = intra_ccl(*four, real_weight=real, fake_weight=fake)
        expect(answer(*four, real, fake), want, otherwise=FIXED)
    expect(answer(*four), intra_ccl(*four), wrt=vectors)
    if overflows(answer(a, p, a, a)):
        raise Wrong("an anchor that equals its negatives divides by zero: add eps below")


@check("intra_nce")
def check_intra_nce(answer):
    """The InfoNCE form, each negative with its weight."""
    vectors = _vectors()
    a, p, r, f = four = [*vectors.values()]
    tau = 0.5

    def truth(tau, **weights):
        return intra_ccl(*four, form="infonce", temperature=tau, **weights)

    def loss(similarities, scale=1 / tau, w=(1.0, 0.1), own=1.0):
        plus, real, fake = (scale * x for x in similarities)
        total = own * plus.exp() + w[0] * real.exp() + w[1] * fake.exp()
        return (total.log() - plus).mean()

    cosine = [F.cosine_similarity(a, x) for x in (p, r, f)]
    want = truth(tau)
    expect(
        answer(*four, temperature=tau),
        want,
        {
            "inner products: cosine similarity needs vectors of length one (L2 norm)": (
                loss([(a * x).sum(1) for x in (p, r, f)])
            ),
            "the temperature is missing": loss(cosine, 1.0),
            "the temperature multiplies: divide the similarities by it": loss(cosine, tau),
            FORGOTTEN: loss(cosine, w=(1.0, 1.0)),
            WEIGHTS: loss(cosine, w=(0.1, 1.0)),
            "the weight multiplies the similarity: it belongs before the exponential, as log w "
            "added to the logit": loss([*cosine[:2], 0.1 * cosine[2]], w=(1.0, 1.0)),
            "the fake negative and the positive are swapped": loss(cosine[::-1]),
            "the denominator lacks the positive's own term": loss(cosine, own=0.0),
            "the sign is wrong: a loss is minus the log of the probability": -want,
            SUM: 4 * want,
            "that is the mean absolute difference: this form uses the cosine": (
                loss([-distance(a, x) for x in (p, r, f)])
            ),
        },
        RANDOM,
    )
    weighted = truth(tau, real_weight=2.0, fake_weight=0.5)
    expect(answer(*four, 2.0, 0.5, temperature=tau), weighted, otherwise=FIXED)
    expect(answer(*four, temperature=tau), want, wrt=vectors)
    cold = (
        "at temperature 0.005 the exponential overflows: use log-sum-exp, log w added to the logit"
    )
    expect(
        answer(*four, temperature=0.005),
        truth(0.005),
        {cold: overflows},
        "right at temperature 0.5 but not at 0.005: does it use its argument, and nothing but it?",
        tolerance=1e-2,
    )
