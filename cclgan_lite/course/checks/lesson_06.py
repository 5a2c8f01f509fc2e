"""Checks of lesson 06: zero-shot scores, CLIP's input, and both forms of intra-CCL."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cclgan_lite.course.exercises import Wrong, check, near, slopes
from cclgan_lite.losses import distance, intra_ccl

NAMES = ("anchor", "positive", "real negative", "fake negative")


def _same(got, want: Tensor, mistakes: list[tuple[Tensor, str]], where: str) -> None:
    if near(got, want):
        return
    for value, hint in mistakes:
        if near(got, value):
            raise Wrong(hint)
    got = torch.as_tensor(got)
    if got.shape != want.shape:
        raise Wrong(f"the shape should be {tuple(want.shape)}, it is {tuple(got.shape)}")
    raise Wrong(f"{where}: off by up to {(got - want).abs().max():.3g}")


@check("zero_shot")
def check_zero_shot(answer):
    """Cosine with the mean rainy text minus cosine with the mean clear text."""
    torch.manual_seed(0)
    pictures = 3 * torch.randn(5, 8)
    rainy, clear = F.normalize(torch.randn(3, 8), dim=1), F.normalize(torch.randn(2, 8), dim=1)
    unit, up = F.normalize(pictures, dim=1), F.normalize(rainy.mean(0), dim=0)
    down = F.normalize(clear.mean(0), dim=0)
    want = unit @ (up - down)
    _same(
        answer(pictures, rainy, clear),
        want,
        [
            (-want, "the sign is wrong: rainy pictures must get the higher score"),
            (
                pictures @ (up - down),
                "the pictures are not normalised: a cosine needs embeddings of length one",
            ),
            (
                F.normalize(pictures, dim=0) @ (up - down),
                "the pictures are normalised along the wrong axis: each row must have length one",
            ),
            (
                unit @ (rainy.mean(0) - clear.mean(0)),
                "the mean texts are not normalised: the mean of unit vectors is shorter than one, by "
                "how much they differ, so that both ends would weigh differently",
            ),
            (
                unit @ F.normalize(up - down, dim=0),
                "the difference of the ends needs no length of its own: the score is a difference of "
                "two cosines",
            ),
            (unit @ (rainy[0] - clear[0]), "only the first wording is used: take the mean of all"),
            (unit @ up, "only the rainy end is used: subtract the cosine with the clear one"),
        ],
        "on random embeddings",
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
        return F.interpolate(image, (8, 8), mode=mode, antialias=antialias)

    small = resized()
    got = answer(image, 8, mean, std)
    _same(
        got,
        ((small + 1) / 2 - m) / s,
        [
            (
                small,
                "mean and std are missing: the tower was trained on normalised pictures, and "
                "this hands it [-1, 1]",
            ),
            (
                (small + 1) / 2,
                "mean and std are missing: this is [0, 1], the tower wants normalised pictures",
            ),
            ((small - m) / s, "[-1, 1] is taken for [0, 1]: shift and scale before mean and std"),
            (((small + 1) / 2 - m) * s, "multiplied by std: divide by it"),
            (((small + 1) / 2 - s) / m, "mean and std are swapped"),
            (
                ((resized(antialias=False) + 1) / 2 - m) / s,
                "antialias is missing: without it most pixels of a larger picture are never read",
            ),
            (((resized("bilinear") + 1) / 2 - m) / s, "bilinear: CLIP resizes with bicubic"),
            (
                (((small + 1) / 2).clamp(0, 1) - m) / s,
                "clamp cuts off what resizing overshoots, and the gradient of those pixels with it",
            ),
            (
                (((small + 1) / 2 * 255).round() / 255 - m) / s,
                "rounded to 8 bits, as through PIL: rounding has no gradient",
            ),
            (
                (((small + 1) / 2 * 255).round().clamp(0, 255) / 255 - m) / s,
                "rounded to 8 bits, as through PIL: rounding has no gradient",
            ),
        ],
        "on random pictures",
    )
    if not got.requires_grad:
        raise Wrong(
            "no gradient: the graph is cut (detach, numpy, PIL or no_grad), so that "
            "nothing could be learned through it"
        )


def _vectors() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(4, 6, requires_grad=True) for _ in NAMES]


def _anchor_only(loss: Tensor, want: Tensor, vectors: list[Tensor]) -> None:
    """The gradient flows through the anchor, all of it, and through nothing else."""
    found = slopes(loss, vectors)
    flows = [g is not None and bool(g.abs().max() > 0) for g in found]
    if not flows[0]:
        raise Wrong("no gradient reaches the anchor: it is the one that is to learn")
    for name, flow in zip(NAMES[1:], flows[1:], strict=True):
        if flow:
            raise Wrong(f"the {name} is not detached: a gradient reaches it, but it is a constant")
    if not near(found[0], slopes(want, vectors)[0]):
        raise Wrong(
            "a part of the anchor's gradient is lost: the other three are detached, and "
            "nothing that holds the anchor"
        )


@check("intra_ratio")
def check_intra_ratio(answer):
    """The ratio form of eq. 1 and 2."""
    vectors = _vectors()
    a, p, r, f = vectors
    plus, real, fake = (distance(a, x) for x in (p, r, f))
    cosine = [1 - F.cosine_similarity(a, x) for x in (p, r, f)]
    squares = [(a - x).square().mean(1) for x in (p, r, f)]
    want = intra_ccl(*vectors)
    got = answer(*vectors)
    _same(
        got,
        want,
        [
            (
                (fake / (real + 0.1 * plus)).mean(),
                "the fake negative and the positive are swapped: the numerator holds the positive",
            ),
            (
                (real / (plus + 0.1 * fake)).mean(),
                "the real negative and the positive are swapped: the numerator holds the positive",
            ),
            (
                (plus / (fake + 0.1 * real)).mean(),
                "the weights are swapped: 1 for the real negative, 0.1 for the fake one",
            ),
            (
                (plus / (real + fake)).mean(),
                "the weights are forgotten: the fake negative counts 0.1 by default",
            ),
            ((plus / real).mean(), "the fake negative is missing"),
            ((plus / (0.1 * fake)).mean(), "the real negative is missing"),
            (
                (cosine[0] / (cosine[1] + 0.1 * cosine[2])).mean(),
                "that is the cosine distance: d is the mean absolute difference",
            ),
            (
                (squares[0] / (squares[1] + 0.1 * squares[2])).mean(),
                "that is the squared difference: d is the mean absolute difference",
            ),
            (
                plus.mean() / (real.mean() + 0.1 * fake.mean()),
                "a ratio of means: each picture has its own ratio, and the mean comes last",
            ),
            (
                plus / (real + 0.1 * fake),
                "one number is expected: take the mean over the pictures",
            ),
            (4 * want, "that is the sum over the pictures: take the mean"),
            (
                ((real + 0.1 * fake) / plus).mean(),
                "upside down: the positive's distance is on top",
            ),
        ],
        "on random embeddings",
    )
    for weights in ((0.0, 1.0), (2.0, 0.5)):
        if not near(
            answer(*vectors, *weights),
            intra_ccl(*vectors, real_weight=weights[0], fake_weight=weights[1]),
        ):
            raise Wrong(
                "right with the default weights but not with others: are real_weight and "
                "fake_weight used?"
            )
    _anchor_only(got, want, vectors)
    if not torch.isfinite(answer(a, p, a, a)):
        raise Wrong(
            "an anchor that equals its negatives divides by zero: add eps to the denominator"
        )


@check("intra_nce")
def check_intra_nce(answer):
    """The InfoNCE form, each negative with its weight."""
    vectors = _vectors()
    a, p, r, f = vectors
    tau = 0.5

    def loss(similarities, scale=1 / tau, w=(1.0, 0.1)):
        plus, real, fake = (scale * x for x in similarities)
        total = plus.exp() + w[0] * real.exp() + w[1] * fake.exp()
        return (total.log() - plus).mean()

    cosine = [F.cosine_similarity(a, x) for x in (p, r, f)]
    plus, real, fake = (x / tau for x in cosine)
    want = intra_ccl(*vectors, form="infonce", temperature=tau)
    got = answer(*vectors, temperature=tau)
    _same(
        got,
        want,
        [
            (
                loss([(a * x).sum(1) for x in (p, r, f)]),
                "inner products: cosine similarity needs vectors of length one (L2 norm)",
            ),
            (loss(cosine, 1.0), "the temperature is missing"),
            (loss(cosine, tau), "the temperature multiplies: divide the similarities by it"),
            (
                loss(cosine, w=(1.0, 1.0)),
                "the weights are forgotten: the fake negative counts 0.1 by default",
            ),
            (
                loss(cosine, w=(0.1, 1.0)),
                "the weights are swapped: 1 for the real negative, 0.1 for the fake one",
            ),
            (
                loss([cosine[0], cosine[1], 0.1 * cosine[2]], w=(1.0, 1.0)),
                "the weight multiplies the similarity: it belongs before the exponential, as log w "
                "added to the logit",
            ),
            (
                loss([cosine[2], cosine[1], cosine[0]]),
                "the fake negative and the positive are swapped",
            ),
            (
                ((real.exp() + 0.1 * fake.exp()).log() - plus).mean(),
                "the denominator lacks the positive's own term",
            ),
            (-want, "the sign is wrong: a loss is minus the log of the probability"),
            (4 * want, "that is the sum over the pictures: take the mean"),
            (
                loss([-distance(a, x) for x in (p, r, f)]),
                "that is the mean absolute difference: this form uses the cosine",
            ),
        ],
        "on random embeddings",
    )
    if not near(
        answer(*vectors, 2.0, 0.5, temperature=tau),
        intra_ccl(*vectors, real_weight=2.0, fake_weight=0.5, form="infonce", temperature=tau),
    ):
        raise Wrong(
            "right with the default weights but not with others: are real_weight and "
            "fake_weight used?"
        )
    _anchor_only(got, want, vectors)
    cold = torch.as_tensor(answer(*vectors, temperature=0.005))
    if not torch.isfinite(cold):
        raise Wrong(
            "at temperature 0.005 the exponential overflows: use log-sum-exp, with log w "
            "added to the logit"
        )
    if not near(cold, intra_ccl(*vectors, form="infonce", temperature=0.005), 1e-2):
        raise Wrong(
            "right at temperature 0.5 but not at 0.005: does it use its argument, and "
            "nothing but it?"
        )
