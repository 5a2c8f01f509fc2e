"""Checks of lesson 07: equation 4, its first value, and the instruments that question it."""

from __future__ import annotations

import torch
from torch import nn

from cclgan_lite.course.exercises import Wrong, check, near, slopes
from cclgan_lite.losses.contrastive import distance
from cclgan_lite.losses.inter_ccl import inter_ccl


@check("start_value")
def check_start_value(answer):
    """Eq. 4 of generators that return their input."""
    mistakes = [
        (1.0, "the fake pair is missing: 0.2 d(n~, n*) is 0.2 d(r, n)"),
        (0.2, "the real positive is missing: d(n~, n) is d(r, n), not zero"),
        (2.2, "n* is n, so that d(n*, n) is zero"),
        (1.1, "n* is n, so that d(n*, n) is zero; and n~ is r, so that d(n~, r) is"),
        (0.6, "the denominator is d(r, n) once: n~ is r, so that d(n~, r) is zero"),
        (2.4, "that is eq. 6, the sum of both sides; eq. 4 is one of them"),
        (2.0, "the fake pair has weight 0.2, not 1"),
    ]
    for value, hint in mistakes:
        if near(answer, value):
            raise Wrong(hint)
    if not near(answer, 1.2, 1e-3):
        raise Wrong("put n~ = r and n* = n into eq. 4; one distance is left, and it cancels")


@check("inter_ccl")
def check_inter_ccl(answer):
    """One ratio per picture, weights 1, 1 and 0.2, nothing detached."""
    torch.manual_seed(0)
    scale = torch.tensor([1.0, 3.0, 0.5])[:, None, None]
    g, s, n, r = four = [torch.randn(3, 4, 5) * (1 + i * scale) for i in range(4)]
    for x in four:
        x.requires_grad_()
    got, want = answer(*four), inter_ccl(*four)
    if not near(got, want):
        d = distance
        close, pair, far = d(g, n) + d(s, n), d(g, s), d(g, r) + d(s, r)
        whole = close + 0.2 * pair

        def square(a, b):
            return (a - b).square().flatten(1).mean(1)

        mistakes = [
            (
                whole.mean() / far.mean(),
                "that divides mean by mean: one ratio per picture, then the mean over pictures",
            ),
            (whole / far, "the mean over the pictures is missing"),
            ((whole / far).sum(), "that is the sum over the pictures: take the mean"),
            ((close / far).mean(), "the fake pair, 0.2 d(n~, n*), is missing"),
            (((close + pair) / far).mean(), "the fake pair has weight 0.2, not 1"),
            ((d(g, n) + 0.2 * pair).div(far).mean(), "d(n*, n) is missing in the numerator"),
            ((d(s, n) + 0.2 * pair).div(far).mean(), "d(n~, n) is missing in the numerator"),
            ((whole / d(g, r)).mean(), "d(n*, r) is missing in the denominator"),
            ((whole / d(s, r)).mean(), "d(n~, r) is missing in the denominator"),
            (
                ((far + 0.2 * pair) / close).mean(),
                "real positive and negative are swapped: near the clean, far from the rainy one",
            ),
            ((far / whole).mean(), "the ratio is upside down: positives above, negatives below"),
            ((whole - far).mean(), "that is a difference: divide by the distances to r"),
            (
                (
                    (square(g, n) + square(s, n) + 0.2 * square(g, s))
                    / (square(g, r) + square(s, r))
                ).mean(),
                "d is the mean absolute difference, not the squared one",
            ),
        ]
        for value, hint in mistakes:
            if near(got, value):
                raise Wrong(hint)
        raise Wrong(f"expected {want.item():.4f} on random vectors, got {got}")
    grads, whole_grads = slopes(got, four), slopes(want, four)
    names = ("generated", "reconstructed", "real", "negative")
    for name, grad, wanted in zip(names, grads, whole_grads, strict=True):
        if not near(grad, wanted):
            lost = "no gradient" if grad is None else "only a part of the gradient"
            raise Wrong(
                f"{lost} reaches `{name}`: nothing is detached here, because the judge "
                "learns through all four pictures"
            )
    if not torch.isfinite(torch.as_tensor(answer(r, r, n, r))):
        raise Wrong("where both queries equal the negative it divides by zero: add eps")


class _Half(nn.Module):
    """Two parameters of which only one takes part in the loss."""

    def __init__(self):
        super().__init__()
        self.idle, self.used = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))


@check("who_moves")
def check_who_moves(answer):
    """One step from a clean slate; any parameter that changed counts."""
    torch.manual_seed(0)
    trained, forgotten, stale = nn.Linear(3, 1), nn.Linear(3, 1), nn.Linear(3, 1)
    half, frozen, x = _Half(), nn.Linear(3, 1).requires_grad_(False), torch.randn(4, 3)
    flat = nn.Linear(3, 1)
    networks = {
        "trained": trained,
        "forgotten": forgotten,
        "stale": stale,
        "half": half,
        "frozen": frozen,
        "flat": flat,
    }
    optimizer = torch.optim.SGD(
        [p for net in (trained, stale, half, flat) for p in net.parameters()], 0.1
    )
    for p in stale.parameters():  # left over from an earlier loss
        p.grad = torch.ones_like(p)

    def loss():
        total = trained(x) + forgotten(x) + frozen(x) + half.used.sum() + 0 * flat(x)
        return total.square().mean()

    got = answer(networks, optimizer, loss)
    want = {name: name in ("trained", "half") for name in networks}
    if not isinstance(got, dict) or set(got) != set(want):
        raise Wrong("return a dictionary with one entry per network")
    if not any(got.values()):
        raise Wrong(
            "nobody moves: either no step was taken, or the parameters from before were "
            "not copied (clone) and changed along with their networks"
        )
    if got["forgotten"] or got["flat"]:
        raise Wrong(
            "a gradient is not a move: one network has a gradient and no optimiser, "
            "another an optimiser and a gradient of zero; compare the parameters"
        )
    if got["stale"]:
        raise Wrong("an old gradient took part in the step: call zero_grad before backward")
    if not got["half"]:
        raise Wrong("a network has moved when any of its parameters has: not all of them need to")
    if {name: bool(value) for name, value in got.items()} != want:
        raise Wrong(f"expected {want}, got {got}")


@check("rain_to_content")
def check_rain_to_content(answer):
    """Same scene for rain, different scenes for content."""
    torch.manual_seed(0)
    clean = torch.randn(4, 6, 5)
    rainy = clean + 0.3 * torch.randn(4, 6, 5)
    b = len(clean)

    def mean(f, pairs):
        return torch.stack([f(i, j) for i, j in pairs]).mean()

    def dry(i, j):
        return (clean[i] - clean[j]).abs().mean()

    different = [(i, j) for i in range(b) for j in range(b) if i != j]
    every = [(i, j) for i in range(b) for j in range(b)]
    rain, content = (rainy - clean).abs().mean(), mean(dry, different)
    got = torch.as_tensor(answer(rainy, clean))
    if near(got, rain / content):
        return

    def mixed(i, j):
        return (rainy[i] - clean[j]).abs().mean()

    mistakes = [
        (
            rain / mean(dry, every),
            "content includes each scene's distance to itself, zero: only different scenes count",
        ),
        (content / rain, "the ratio is upside down: rain above, content below"),
        (
            rain / mean(mixed, different),
            "content is measured from rainy to clean scenes and so contains rain: take clean ones",
        ),
        (
            mean(mixed, different) / content,
            "rain is measured between different scenes: compare the same scene with and without",
        ),
        (
            mean(mixed, every) / content,
            "rain is measured between different scenes too: compare the same scene with and without",
        ),
        (rain, "the content in the denominator is missing"),
        ((rainy - clean).mean() / content, "the absolute value is missing in the rain"),
        (
            (rainy - clean).square().mean()
            / mean(lambda i, j: (clean[i] - clean[j]).square().mean(), different),
            "d is the mean absolute difference, not the squared one",
        ),
        (
            rain / (clean - clean.roll(1, 0)).abs().mean(),
            "only neighbours are compared: content is the mean over all pairs of different scenes",
        ),
    ]
    for value, hint in mistakes:
        if near(got, value):
            raise Wrong(hint)
    if got.numel() != 1:
        raise Wrong(f"one number is expected, not {tuple(got.shape)}")
    raise Wrong(f"expected {float(rain / content):.4f} on random vectors, got {float(got):.4f}")
