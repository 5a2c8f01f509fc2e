"""Checks of lesson 07: equation 4, its first value, and the instruments that question it."""

from __future__ import annotations

import torch
from torch import nn

from cclgan_lite.course.exercises import Wrong, check, expect, overflows
from cclgan_lite.losses.contrastive import distance
from cclgan_lite.losses.inter_ccl import inter_ccl

SQUARED = "d is the mean absolute difference, not the squared one"


@check("start_value")
def check_start_value(answer):
    """Eq. 4 of generators that return their input."""
    expect(
        answer,
        1.2,
        {
            "the fake pair is missing: 0.2 d(n~, n*) is 0.2 d(r, n)": 1.0,
            "the real positive is missing: d(n~, n) is d(r, n), not zero": 0.2,
            "n* is n, so that d(n*, n) is zero": 2.2,
            "n* is n, so that d(n*, n) is zero; and n~ is r, so that d(n~, r) is": 1.1,
            "the denominator is d(r, n) once: n~ is r, so that d(n~, r) is zero": 0.6,
            "that is eq. 6, the sum of both sides; eq. 4 is one of them": 2.4,
            "the fake pair has weight 0.2, not 1": 2.0,
            "put n~ = r and n* = n into eq. 4; one distance is left, and it cancels": (
                lambda got: True
            ),
        },
        tolerance=1e-3,
    )


@check("inter_ccl")
def check_inter_ccl(answer):
    """One ratio per picture, weights 1, 1 and 0.2, nothing detached."""
    torch.manual_seed(0)
    scale = torch.tensor([1.0, 3.0, 0.5])[:, None, None]
    four = [(torch.randn(3, 4, 5) * (1 + i * scale)).requires_grad_() for i in range(4)]
    g, s, n, r = four
    d = distance
    close, pair, far = d(g, n) + d(s, n), d(g, s), d(g, r) + d(s, r)
    whole = close + 0.2 * pair

    def square(a, b):
        return (a - b).square().flatten(1).mean(1)

    squares = square(g, n) + square(s, n) + 0.2 * square(g, s)
    expect(
        answer(*four),
        inter_ccl(*four),
        {
            "that divides mean by mean: one ratio per picture, then the mean over pictures": (
                whole.mean() / far.mean()
            ),
            "the mean over the pictures is missing": whole / far,
            "that is the sum over the pictures: take the mean": (whole / far).sum(),
            "the fake pair, 0.2 d(n~, n*), is missing": (close / far).mean(),
            "the fake pair has weight 0.2, not 1": ((close + pair) / far).mean(),
            "d(n*, n) is missing in the numerator": ((whole - d(s, n)) / far).mean(),
            "d(n~, n) is missing in the numerator": ((whole - d(g, n)) / far).mean(),
            "d(n*, r) is missing in the denominator": (whole / d(g, r)).mean(),
            "d(n~, r) is missing in the denominator": (whole / d(s, r)).mean(),
            "real positive and negative are swapped: near the clean, far from the rainy one": (
                ((far + 0.2 * pair) / close).mean()
            ),
            "the ratio is upside down: positives above, negatives below": (far / whole).mean(),
            "that is a difference: divide by the distances to r": (whole - far).mean(),
            SQUARED: (squares / (square(g, r) + square(s, r))).mean(),
        },
        "on random vectors",
        wrt=dict(zip(("generated", "reconstructed", "real", "negative"), four, strict=True)),
    )
    if overflows(answer(r, r, n, r)):
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
    names = ("trained", "forgotten", "stale", "frozen", "flat")
    networks = {name: nn.Linear(3, 1) for name in names} | {"half": _Half()}
    trained, forgotten, stale, frozen, flat, half = networks.values()
    frozen.requires_grad_(False)
    x = torch.randn(4, 3)
    optimizer = torch.optim.SGD(
        [p for net in (trained, stale, half, flat) for p in net.parameters()], 0.1
    )
    for p in stale.parameters():  # left over from an earlier loss
        p.grad = torch.ones_like(p)

    def loss():
        total = trained(x) + forgotten(x) + frozen(x) + half.used.sum() + 0 * flat(x)
        return total.square().mean()

    got = answer(networks, optimizer, loss)
    if not isinstance(got, dict) or set(got) != set(networks):
        raise Wrong("return a dictionary with one entry per network")
    expect(
        got,
        {name: name in ("trained", "half") for name in networks},
        {
            "nobody moves: either no step was taken, or the parameters from before were not "
            "copied (clone) and changed along with their networks": lambda got: (
                not any(got.values())
            ),
            "a gradient is not a move: one network has a gradient and no optimiser, another an "
            "optimiser and a gradient of zero; compare the parameters": (
                lambda got: got["forgotten"] or got["flat"]
            ),
            "an old gradient took part in the step: call zero_grad before backward": (
                lambda got: got["stale"]
            ),
            "a network has moved when any of its parameters has: not all of them need to": (
                lambda got: not got["half"]
            ),
        },
    )


@check("rain_to_content")
def check_rain_to_content(answer):
    """Same scene for rain, different scenes for content."""
    torch.manual_seed(0)
    clean = torch.randn(4, 6, 5)
    rainy = clean + 0.3 * torch.randn(4, 6, 5)

    def mean(one, other, first=1, norm=torch.abs):
        """Over all pairs of different scenes, or from `first=0` on of all scenes."""
        return torch.stack([norm(one - other.roll(k, 0)).mean() for k in range(first, 4)]).mean()

    rain, content = (rainy - clean).abs().mean(), mean(clean, clean)
    same = "rain is measured between different scenes: compare the same scene with and without"
    expect(
        answer(rainy, clean),
        rain / content,
        {
            "content includes each scene's distance to itself: only different scenes count": (
                rain / mean(clean, clean, 0)
            ),
            "the ratio is upside down: rain above, content below": content / rain,
            "content is measured from rainy scenes and so contains rain: take clean ones": (
                rain / mean(rainy, clean)
            ),
            same: [mean(rainy, clean) / content, mean(rainy, clean, 0) / content],
            "the content in the denominator is missing": rain,
            "the absolute value is missing in the rain": (rainy - clean).mean() / content,
            SQUARED: (rainy - clean).square().mean() / mean(clean, clean, norm=torch.square),
            "only neighbours are compared: take the mean over all pairs of different scenes": (
                rain / (clean - clean.roll(1, 0)).abs().mean()
            ),
        },
        "on random vectors",
    )
