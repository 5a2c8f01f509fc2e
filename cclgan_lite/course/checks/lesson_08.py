"""Checks of lesson 08: the sums of eq. 11, a view that remembers, the update, the shares."""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn

from cclgan_lite.course.exercises import Wrong, check, near, slopes


@check("totals")
def check_totals(answer):
    """Weighted sums per audience, differentiable."""
    x = torch.tensor(2.0, requires_grad=True)
    losses = {
        "game": {"generators": 3 * x, "discriminators": 5 * x},
        "contrast": {"generators": x * x},
        "shared": {"generators": 7 * x, "discriminators": 7 * x},
    }
    weights = {"shared": 0.5, "game": 3.0, "contrast": 2.0}
    got = answer(losses, weights)
    if losses["game"]["generators"].item() != 6 or losses["game"]["discriminators"].item() != 10:
        raise Wrong(
            "the losses that came in were changed: += works in place on a tensor, so "
            "begin each sum with a number"
        )
    if not isinstance(got, dict) or set(got) != {"generators", "discriminators"}:
        raise Wrong("the keys are the audiences: {'generators': ..., 'discriminators': ...}")
    g, d = (torch.as_tensor(got[k]).item() for k in ("generators", "discriminators"))
    mistakes = [
        ((24.0, 24.0), "the weights are forgotten"),
        ((21.0, 17.0), "the first loss is added without its weight"),
        ((43.0, 33.0), "weights belong to losses by name, not by their place in the dictionary"),
        ((7.0, 7.0), "each loss replaces the one before: add them up"),
        ((18.0, 30.0), "each loss after the first is dropped: add them up"),
        ((33.0 / 3, 37.0 / 2), "that is a mean: eq. 11 is a sum"),
        ((33.0 / 3, 37.0 / 3), "that is a mean: eq. 11 is a sum"),
        ((33.0, 30.0), "inter-CCL and its like have two audiences: both get their part"),
        ((70.0, 70.0), "the audiences are mixed: each gets only what is addressed to it"),
    ]
    for values, hint in mistakes:
        if near(values, (g, d)):
            raise Wrong(hint)
    if not near((g, d), (33.0, 37.0)):
        raise Wrong(f"expected generators 33 and discriminators 37, got {g:g} and {d:g}")
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


def _nets() -> dict[str, nn.Module]:
    scales = {
        "derainer": 2.0,
        "rainer": 3.0,
        "discriminator_clean": 5.0,
        "discriminator_rainy": 7.0,
    }
    return {name: _Counted(scale) for name, scale in scales.items()}


@check("Remembering")
def check_remembering(answer):
    """Same answers and gradients, each pass once, nothing kept from step to step."""
    nets, one, two = _nets(), torch.ones(1), 10 * torch.ones(1)
    view = answer(nets, one, two)
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
    for (_, what, want), got in zip(questions, answers, strict=True):
        got = got["tap"] if isinstance(got, dict) else got
        if not near(got, torch.tensor([want])):
            raise Wrong(
                f"asked for {' and '.join(what)}, it answers with another pass: the key must "
                "name the network and the picture"
            )
    for got, what, want in (
        (answers[2], "an image", 3.0),
        (answers[1]["tap"], "a feature", 3.0),
        (answers[4], "a logit", 5.0),
    ):
        if not near(slopes(got, [nets["derainer"].scale])[0], want):
            raise Wrong(
                f"the gradient is lost on its way through {what}: keep outputs as they "
                "are, without detach or no_grad"
            )
    if max(max(net.passes.values()) for net in nets.values()) > 1:
        raise Wrong(
            "some pass is still made twice: look it up before you make it, and keep what you made"
        )
    if not near(answer(nets, 4 * one, two).image("derained"), torch.tensor([8.0])):
        raise Wrong(
            "it remembers the step before: the dictionary must belong to the instance, "
            "not to the class"
        )


def _game(order: tuple[str, ...]):
    """Two small players, three losses, optimisers, with old gradients lying about."""
    torch.manual_seed(0)
    nets = {"generators": nn.Linear(3, 3), "discriminators": nn.Linear(3, 1)}
    noise, real = torch.randn(2, 8, 3)
    maker, judge = nets["generators"], nets["discriminators"]
    fake = maker(noise)
    answers = judge(fake).tanh()
    losses = {
        "game": {
            "generators": (answers - 1).square().mean(),
            "discriminators": answers.square().mean() + (judge(real).tanh() - 1).square().mean(),
        },
        "contrast": {"generators": (fake - real).abs().mean()},
    }
    losses["shared"] = dict.fromkeys(nets, (judge(fake) - judge(noise)).square().mean())
    optimizers = {k: torch.optim.SGD(nets[k].parameters(), 0.1) for k in order}
    for p in (p for net in nets.values() for p in net.parameters()):
        p.grad = torch.full_like(p, 0.3)
    return nets, losses, optimizers


_WEIGHTS = {"game": 1.0, "contrast": 2.0, "shared": 0.5}


def _expected(weights: dict, leak: bool = False, old: float = 0.0) -> dict:
    """Parameters after the update, computed from gradients taken apart."""
    nets, losses, _ = _game(("generators", "discriminators"))
    sums: dict = {}
    for name, by_audience in losses.items():
        for who, value in by_audience.items():
            sums[who] = sums.get(who, 0.0) + weights[name] * value
    after = {}
    for who, net in nets.items():
        value = sum(sums.values()) if leak else sums[who]
        grads = torch.autograd.grad(value, list(net.parameters()), retain_graph=True)
        after[who] = torch.cat(
            [
                (p - 0.1 * (g + old)).detach().flatten()
                for p, g in zip(net.parameters(), grads, strict=True)
            ]
        )
    return after


@check("update")
def check_update(answer):
    """The parameters after one step of gradient descent, for both orders of the optimisers."""
    for order in (("generators", "discriminators"), ("discriminators", "generators")):
        nets, losses, optimizers = _game(order)
        before = {
            k: torch.cat([p.detach().flatten() for p in n.parameters()]) for k, n in nets.items()
        }
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
        after = {
            k: torch.cat([p.detach().flatten() for p in n.parameters()]) for k, n in nets.items()
        }
        want = _expected(_WEIGHTS)
        if all(near(after[k], want[k]) for k in want):
            continue
        for who in after:
            if torch.equal(after[who], before[who]):
                raise Wrong(
                    f"the {who} did not move: zero_grad comes before backward, and every "
                    "optimizer takes a step"
                )
        mistakes = [
            ({"weights": dict.fromkeys(_WEIGHTS, 1.0)}, "the weights are forgotten"),
            (
                {"weights": _WEIGHTS, "old": 0.3},
                "old gradients take part in the step: zero_grad is missing",
            ),
            (
                {"weights": _WEIGHTS, "leak": True},
                "gradients leak: each player also follows the other's losses. Confine backward to "
                "its own parameters with inputs=",
            ),
            (
                {"weights": _WEIGHTS, "leak": True, "old": 0.3},
                "gradients leak, and zero_grad is missing",
            ),
        ]
        for how, hint in mistakes:
            if all(near(after[k], v) for k, v in _expected(**how).items()):
                raise Wrong(hint)
        wrong = [k for k in want if not near(after[k], want[k])]
        raise Wrong(
            f"the {' and the '.join(wrong)} got another gradient than their own sum's: it leaks, "
            "or was cleared or taken at the wrong moment"
        )
    if not isinstance(got, dict) or set(got) != {"generators", "discriminators"}:
        raise Wrong("it should return the sums, {'generators': float, 'discriminators': float}")
    if any(torch.is_tensor(value) and value.requires_grad for value in got.values()):
        raise Wrong("return plain numbers (.item()): these tensors keep the whole graph alive")
    sums = {
        who: sum(_WEIGHTS[name] * by[who].item() for name, by in losses.items() if who in by)
        for who in got
    }
    if not all(near(got[who], sums[who]) for who in sums):
        raise Wrong(f"the sums it returns should be {sums}, they are {got}")


@check("shares")
def check_shares(answer):
    """Norms of weighted gradients, as parts of their sum."""
    gradients = {
        "a": torch.tensor([3.0, -4.0]),
        "b": torch.tensor([0.0, 1.0]),
        "c": torch.tensor([8.0, 6.0]),
    }
    weights = {"c": 0.2, "a": 1.0, "b": 5.0}
    got = answer(gradients, weights)
    if not isinstance(got, dict) or set(got) != set(gradients):
        raise Wrong("return {loss: share} with the names that came in")
    got = [float(got[k]) for k in gradients]
    raw, signed = [5.0, 1.0, 10.0], [-1.0, 5.0, 2.8]
    weighted = [5.0, 5.0, 2.0]
    first = [7.0, 5.0, 2.8]

    def parts(values):
        return [v / sum(values) for v in values]

    mistakes = [
        (parts(raw), "the weights are forgotten: 0.005 of a long gradient is a short one"),
        (weighted, "these are the norms: divide by their sum"),
        (raw, "these are the norms without weights: multiply, and divide by the sum"),
        (parts([25.0, 5.0, 20.0]), "these are squares: the norm is their root"),
        (parts([25.0, 25.0, 4.0]), "these are squares: the norm is their root"),
        (parts([v * v for v in raw]), "the weights are forgotten, and squares are not norms"),
        (
            parts(first),
            "that is the sum of absolute values: the norm is the root of the sum of squares",
        ),
        (parts(signed), "that is the sum of the entries, which cancel: take the norm"),
        ([1.0, 1.0, 1.0], "each is divided by itself: divide by the sum over the losses"),
        (
            parts([1.0, 1.0, 50.0]),
            "weights belong to losses by name, not by their place in the dictionary",
        ),
    ]
    length = sum((weights[k] * g for k, g in gradients.items()), torch.zeros(2)).norm().item()
    mistakes.append(
        (
            [v / length for v in weighted],
            "divided by the norm of the sum: parts that fight cancel there, and the "
            "shares exceed 1 together. Divide by the sum of the norms",
        )
    )
    for values, hint in mistakes:
        if near(values, got):
            raise Wrong(hint)
    if not near(got, parts(weighted)):
        want = ", ".join(f"{v:.3f}" for v in parts(weighted))
        raise Wrong(f"expected {want} for weighted norms of 5, 5 and 2, got {got}")
