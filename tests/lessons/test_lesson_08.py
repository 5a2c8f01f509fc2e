"""Lesson 08: its step equals the package's, and its checks name mistakes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from cclgan_lite.course.checks.lesson_08 import (
    check_remembering,
    check_shares,
    check_totals,
    check_update,
)
from cclgan_lite.methods import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training.step import Step, training_step
from lessons.lesson import answer, built

CHECKS = {
    "Remembering": check_remembering,
    "totals": check_totals,
    "update": check_update,
    "shares": check_shares,
}
METHOD = CCLGAN(
    generator=GeneratorConfig(filters=4, blocks=1),
    discriminator=DiscriminatorConfig(filters=4, layers=2),
    projection=8,
)


@pytest.fixture
def nets():
    return nn.ModuleDict(METHOD.networks())


@pytest.fixture
def pair():
    return [torch.rand(1, 3, 32, 32) * 2 - 1 for _ in range(2)]


def adams(nets):
    return {
        player: torch.optim.Adam([p for name in names for p in nets[name].parameters()], 1e-3)
        for player, (names, _) in METHOD.players().items()
    }


def package_step(nets, pair):
    looks = [look for term in METHOD.terms().values() for look in term.looks()]
    images = dict(zip(("rainy", "clean"), pair, strict=True))
    torch.manual_seed(3)
    return Step(nets, METHOD.wiring, looks, images)


@pytest.mark.parametrize("view", ["Asking", "Remembers"])
def test_losses_and_gradients_are_the_packages(nets, pair, view):
    lesson = built("08")
    torch.manual_seed(3)
    mine = lesson["ask"](lesson[view](nets, *pair))
    step = package_step(nets, pair)
    theirs = {name: term(step) for name, term in METHOD.terms().items()}
    assert mine.keys() == theirs.keys()
    weights = [p for p in nets.parameters() if p.requires_grad]
    for name, by_audience in theirs.items():
        assert mine[name].keys() == by_audience.keys()
        for audience, value in by_audience.items():
            torch.testing.assert_close(mine[name][audience], value, rtol=1e-4, atol=1e-6)
            flat = [
                torch.cat(
                    [
                        g.flatten()
                        for g in torch.autograd.grad(
                            v, weights, retain_graph=True, materialize_grads=True
                        )
                    ]
                )
                for v in (mine[name][audience], value)
            ]
            assert (flat[0] - flat[1]).norm() < 1e-3 * flat[1].norm(), (name, audience)


def test_weights_are_the_packages():
    assert built("08")["WEIGHTS"] == {n: t.weight for n, t in METHOD.terms().items()}


def test_update_is_the_packages(nets, pair):
    lesson = built("08")
    mine = copy.deepcopy(nets)
    for p in [*mine.parameters(), *nets.parameters()]:
        p.grad = torch.ones_like(p) if p.requires_grad else None  # of some step before
    torch.manual_seed(3)
    lesson["train_step"](lesson["ask"](lesson["Remembers"](mine, *pair)), adams(mine))
    training_step(package_step(nets, pair), METHOD.terms(), adams(nets))
    for (name, p), q in zip(nets.named_parameters(), mine.parameters(), strict=True):
        if not name.startswith("embedder"):
            # A bias in front of a norm has a gradient of zero, up to rounding.
            assert (p.grad - q.grad).norm() <= 1e-3 * p.grad.norm() + 3e-5, name
            # Adam's first step is the gradient's sign: rounding decides where it is about zero.
            assert p.grad.norm() < 3e-5 or ((p - q).abs() > 1e-4).float().mean() < 0.02, name


def test_remembers_makes_four_generator_passes(nets, pair):
    lesson, passes = built("08"), []
    for name in ("derainer", "rainer"):
        nets[name].register_forward_hook(lambda *_, name=name: passes.append(name))
    lesson["ask"](lesson["Remembers"](nets, *pair))
    assert sorted(passes) == ["derainer", "derainer", "rainer", "rainer"]


def test_what_the_lesson_builds_passes_its_checks():
    lesson = built("08")
    assert check_totals.verdict(lesson["weighted"]) == ""
    assert check_remembering.verdict(lesson["Remembers"]) == ""


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("totals", "weights[name] * value", "value", "weights are forgotten"),
        ("totals", "sums.get(audience, 0.0) + part", "part", "replaces"),
        (
            "totals",
            "sums[audience] = sums.get(audience, 0.0) + part",
            "sums.setdefault(audience, part)",
            "dropped",
        ),
        ("totals", "weights[name] * value", "weights[name] * value.item()", "no gradient"),
        ("totals", "return sums", "return dict.fromkeys(sums, sum(sums.values()))", "mixed"),
        ("totals", "return sums", "return {k: v / 3 for k, v in sums.items()}", "mean"),
        ("Remembering", "if (net, image) not in self.seen:", "if True:", "twice"),
        ("Remembering", "[net, image]", "[image]", "network and the picture"),
        ("Remembering", "(net, image) not", "net not", "network and the picture"),
        ("Remembering", "self.seen = {}", "self.seen = type(self).kept", "step before"),
        (
            "Remembering",
            "super().passed(net, image)",
            "torch.no_grad()(super().passed)(net, image)",
            "gradient is lost",
        ),
        (
            "update",
            "weighted(losses, weights)",
            "weighted(losses, dict.fromkeys(weights, 1.0))",
            "weights are forgotten",
        ),
        ("update", "        optimizer.zero_grad()", "        pass", "zero_grad is missing"),
        ("update", "inputs=own, ", "", "leak"),
        (
            "update",
            "retain_graph=True)\n    for optimizer in optimizers.values():\n    ",
            "retain_graph=True)\n    ",
            "someone moved",
        ),
        ("update", ", retain_graph=True", "", "retain_graph"),
        ("shares", "weights[name] * g.norm()", "g.norm()", "weights are forgotten"),
        ("shares", "g.norm()", "g.norm() ** 2", "squares"),
        ("shares", "(norm / total).item()", "norm.item()", "divide by their sum"),
        ("shares", "g.norm()", "g.abs().sum()", "absolute values"),
        ("shares", "g.norm()", "g.sum()", "cancel"),
        (
            "shares",
            "sum(norms.values())",
            "sum(weights[n] * g for n, g in gradients.items()).norm()",
            "sum of the norms",
        ),
    ],
)
def test_wrong_answers_get_a_hint(name, old, new, word):
    replacements = [(old, new)]
    if "(net, image) not" in old and new.startswith("net"):
        replacements.append(("[net, image]", "[net]"))
    if old == "[net, image]":
        replacements.append(("(net, image) not", "image not"))
    if "kept" in new:
        replacements.append(("    def __init__", "    kept = {}\n\n    def __init__"))
    assert word in CHECKS[name].verdict(answer("08", name, *replacements))
