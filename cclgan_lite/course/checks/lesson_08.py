"""Checks of lesson 08: the sums of eq. 11, a view that remembers, the update, the shares."""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn

from cclgan_lite.course.exercises import NotDone, Wrong, check, expect, near, slopes

PLAYERS = ("generators", "discriminators")
BY_NAME = "weights belong to losses by name, not by their place in the dictionary"
MEAN = "that is a mean: eq. 11 is a sum"


@check("totals")
def check_totals(answer):
    """Weighted sums per audience, differentiable."""
    x = torch.tensor(2.0, requires_grad=True)
    losses = {
        "game": {"generators": 3 * x, "discriminators": 5 * x},
        "contrast": {"generators": x * x},
        "shared": {"generators": 7 * x, "discriminators": 7 * x},
    }
    got = answer(losses, {"shared": 0.5, "game": 3.0, "contrast": 2.0})
    if [v.item() for v in losses["game"].values()] != [6, 10]:
        raise Wrong(
            "the losses that came in were changed: += works in place on a tensor, so "
            "begin each sum with a number"
        )

    def each(*values):
        return dict(zip(PLAYERS, values, strict=True))

    expect(
        got,
        each(33.0, 37.0),
        {
            "the keys are the audiences: {'generators': ..., 'discriminators': ...}": (
                lambda got: not isinstance(got, dict) or set(got) != set(PLAYERS)
            ),
            "the weights are forgotten": each(24.0, 24.0),
            "the first loss is added without its weight": each(21.0, 17.0),
            BY_NAME: each(43.0, 33.0),
            "each loss replaces the one before: add them up": each(7.0, 7.0),
            "each loss after the first is dropped: add them up": each(18.0, 30.0),
            MEAN: [each(33 / 3, 37 / 2), each(33 / 3, 37 / 3)],
            "inter-CCL and its like have two audiences: both get their part": each(33.0, 30.0),
            "the audiences are mixed: each gets only what is addressed to it": each(70.0, 70.0),
        },
    )
    if not all(isinstance(v, torch.Tensor) and v.requires_grad for v in got.values()):
        raise Wrong("no gradient: the sums are to be descended, so keep them as tensors")


class _Counted(nn.Module):
    """y = scale x, and a feature; counts its passes by the value of its input."""

    taps = ("tap",)

    def __init__(self, scale: float):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.passes: Counter = Counter()

    def forward(self, image, taps=()):
        self.passes[round(image.sum().item(), 3)] += 1
        out = self.scale * image
        return (out, {"tap": out + 1}) if taps else out


@check("Remembering")
def check_remembering(answer):
    """Same answers and gradients, each pass once, nothing kept from step to step."""
    names = ("derainer", "rainer", "discriminator_clean", "discriminator_rainy")
    nets = {name: _Counted(scale) for name, scale in zip(names, (2.0, 3.0, 5.0, 7.0), strict=True)}
    one, two = torch.ones(1), 10 * torch.ones(1)
    view = answer(nets, one, two)
    if view.passed("derainer", "rainy") is None:
        raise NotDone
    questions = [
        (view.image, ("derained",), 2.0),
        (view.features, ("rainer", "derained"), 7.0),
        (view.image, ("rerained",), 6.0),
        (view.image, ("rederained",), 60.0),
        (view.logits, ("discriminator_clean", "derained"), 10.0),
        (view.image, ("rained",), 30.0),
        (view.logits, ("discriminator_clean", "clean"), 50.0),
        (view.logits, ("discriminator_rainy", "clean"), 70.0),
        (view.features, ("discriminator_clean", "derained"), 11.0),
        (view.features, ("derainer", "rainy"), 3.0),
        (view.features, ("rainer", "clean"), 31.0),
    ]
    answers = [ask(*what) for ask, what, _ in questions]
    answers = [got["tap"] if isinstance(got, dict) else got for got in answers]
    key = "it answers with another pass: the key must name the network and the picture"
    for got, (_, what, want) in zip(answers, questions, strict=True):
        expect(got, want, otherwise=f"asked for {' and '.join(what)}, {key}")
    kept = "keep outputs as they are, without detach or no_grad"
    for place, what, want in ((2, "an image", 3.0), (1, "a feature", 3.0), (4, "a logit", 5.0)):
        slope = slopes(answers[place], [nets["derainer"].scale])[0]
        expect(slope, want, otherwise=f"the gradient is lost on its way through {what}: {kept}")
    if max(max(net.passes.values()) for net in nets.values()) > 1:
        raise Wrong(
            "some pass is still made twice: look it up before you make it, and keep what you made"
        )
    expect(
        answer(nets, 4 * one, two).image("derained"),
        8.0,
        otherwise="it remembers the step before: the dictionary must belong to the instance, not "
        "to the class",
    )


_WEIGHTS = {"game": 1.0, "contrast": 2.0, "shared": 0.5}


def _game(order: tuple[str, ...] = PLAYERS):
    """Two small players, three losses, optimisers, with old gradients lying about."""
    torch.manual_seed(0)
    nets = {"generators": nn.Linear(3, 3), "discriminators": nn.Linear(3, 1)}
    noise, real = torch.randn(2, 8, 3)
    maker, judge = nets.values()
    fake = maker(noise)
    answers = judge(fake).tanh()
    losses = {
        "game": {
            "generators": (answers - 1).square().mean(),
            "discriminators": answers.square().mean() + (judge(real).tanh() - 1).square().mean(),
        },
        "contrast": {"generators": (fake - real).abs().mean()},
        "shared": dict.fromkeys(nets, (judge(fake) - judge(noise)).square().mean()),
    }
    optimizers = {k: torch.optim.SGD(nets[k].parameters(), 0.1) for k in order}
    for p in (p for net in nets.values() for p in net.parameters()):
        p.grad = torch.full_like(p, 0.3)
    return nets, losses, optimizers


def _flat(tensors) -> torch.Tensor:
    return torch.cat([t.detach().flatten() for t in tensors])


def _sums(losses: dict, weights: dict) -> dict:
    return {
        who: sum(weights[name] * by[who] for name, by in losses.items() if who in by)
        for who in PLAYERS
    }


def _expected(weights: dict = _WEIGHTS, leak: bool = False, old: float = 0.0) -> dict:
    """Parameters after the update, computed from gradients taken apart."""
    nets, losses, _ = _game()
    sums, after = _sums(losses, weights), {}
    for who, net in nets.items():
        value, own = sum(sums.values()) if leak else sums[who], list(net.parameters())
        grads = torch.autograd.grad(value, own, retain_graph=True)
        after[who] = _flat(own) - 0.1 * (_flat(grads) + old)
    return after


@check("update")
def check_update(answer):
    """The parameters after one step of gradient descent, for both orders of the optimisers."""
    for order in (PLAYERS, PLAYERS[::-1]):
        nets, losses, optimizers = _game(order)
        before = {who: _flat(net.parameters()) for who, net in nets.items()}
        try:
            got = answer(losses, _WEIGHTS, optimizers)
        except RuntimeError as error:
            if "inplace" in str(error):
                raise Wrong(
                    "someone moved before all gradients were taken: first every backward, "
                    "then every step"
                ) from error
            if "second time" in str(error):
                raise Wrong(
                    "the graph is gone after the first backward: the players share it, so "
                    "retain_graph=True"
                ) from error
            raise
        after, want = {who: _flat(net.parameters()) for who, net in nets.items()}, _expected()
        for who in after:
            if torch.equal(after[who], before[who]) and not near(after, want):
                raise Wrong(
                    f"the {who} did not move: zero_grad comes before backward, and every "
                    "optimizer takes a step"
                )
        wrong = " and the ".join(who for who in want if not near(after[who], want[who]))
        expect(
            after,
            want,
            {
                "the weights are forgotten": _expected(dict.fromkeys(_WEIGHTS, 1.0)),
                "old gradients take part in the step: zero_grad is missing": _expected(old=0.3),
                "gradients leak: each player also follows the other's losses. Confine backward to "
                "its own parameters with inputs=": _expected(leak=True),
                "gradients leak, and zero_grad is missing": _expected(leak=True, old=0.3),
                f"the {wrong} got another gradient than their own sum's: it leaks, or was cleared "
                "or taken at the wrong moment": lambda got: True,
            },
        )
    if isinstance(got, dict) and any(torch.is_tensor(v) and v.requires_grad for v in got.values()):
        raise Wrong("return plain numbers (.item()): these tensors keep the whole graph alive")
    sums = {who: value.item() for who, value in _sums(losses, _WEIGHTS).items()}
    expect(got, sums, otherwise="it should return the sums, {'generators': float, ...}")


@check("shares")
def check_shares(answer):
    """Norms of weighted gradients, as parts of their sum."""
    gradients = {
        "a": torch.tensor([3.0, -4.0]),
        "b": torch.tensor([0.0, 1.0]),
        "c": torch.tensor([8.0, 6.0]),
    }
    weights = {"c": 0.2, "a": 1.0, "b": 5.0}  # norms 5, 1 and 10 become 5, 5 and 2
    got = answer(gradients, weights)
    if not isinstance(got, dict) or set(got) != set(gradients):
        raise Wrong("return {loss: share} with the names that came in")
    length = sum(weights[k] * g for k, g in gradients.items()).norm().item()

    def parts(*values):
        return tuple(v / sum(values) for v in values)

    expect(
        tuple(float(got[k]) for k in gradients),
        parts(5.0, 5.0, 2.0),
        {
            "the weights are forgotten: 0.005 of a long gradient is a short one": (
                parts(5.0, 1.0, 10.0)
            ),
            "these are the norms: divide by their sum": (5.0, 5.0, 2.0),
            "these are the norms without weights: multiply, and divide by the sum": (
                5.0,
                1.0,
                10.0,
            ),
            "these are squares: the norm is their root": [
                parts(25.0, 5.0, 20.0),
                parts(25.0, 25.0, 4.0),
            ],
            "the weights are forgotten, and squares are not norms": parts(25.0, 1.0, 100.0),
            "that is the sum of absolute values: the norm is the root of the sum of squares": (
                parts(7.0, 5.0, 2.8)
            ),
            "that is the sum of the entries, which cancel: take the norm": parts(-1.0, 5.0, 2.8),
            "each is divided by itself: divide by the sum over the losses": (1.0, 1.0, 1.0),
            BY_NAME: parts(1.0, 1.0, 50.0),
            "divided by the norm of the sum: parts that fight cancel there, and the shares exceed "
            "1 together. Divide by the sum of the norms": (5 / length, 5 / length, 2 / length),
        },
        "for weighted norms of 5, 5 and 2",
    )
