"""Lesson 07: what it builds equals the package, and its checks name mistakes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn

from cclgan_lite.course import judge_space
from cclgan_lite.course.checks.lesson_07 import (
    check_inter_ccl,
    check_rain_to_content,
    check_start_value,
    check_who_moves,
)
from cclgan_lite.losses import InterCCL, inter_ccl
from cclgan_lite.networks import DiscriminatorConfig, PatchDiscriminator, PatchProjection
from cclgan_lite.training.step import Step
from lessons.lesson import answer, built

CHECKS = {
    "start_value": check_start_value,
    "inter_ccl": check_inter_ccl,
    "who_moves": check_who_moves,
    "rain_to_content": check_rain_to_content,
}
FORMS = {"ratio": "inter_ccl", "infonce": "inter_nce"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("weights", [{}, {"real_weight": 0.0}, {"fake_weight": 0.7}])
def test_equation_4_is_the_packages(form, weights):
    mine = built("07")[FORMS[form]]
    four = [torch.randn(3, 6, 8, requires_grad=True) for _ in range(4)]
    values = [mine(*four, **weights), inter_ccl(*four, form=form, **weights)]
    torch.testing.assert_close(*values)
    grads = [torch.autograd.grad(v, four, materialize_grads=True) for v in values]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("form", FORMS)
def test_equation_6_is_the_packages_term(form):
    lesson, term = built("07"), InterCCL(form=form, patches=16)
    assert tuple((judge, *names) for judge, names in lesson["SIDES"].items()) == term.roles
    nets = nn.ModuleDict()
    for judge in lesson["SIDES"]:
        nets[judge] = PatchDiscriminator(DiscriminatorConfig(filters=4))
        nets[f"{judge}_mlp"] = PatchProjection(nets[judge].tap_channels(), 8)
    with torch.no_grad():
        for p in nets.parameters():
            p.add_(0.05 * torch.randn_like(p))
    names = ("rainy", "clean", "derained", "rained", "rerained", "rederained")
    images = {name: (torch.rand(2, 3, 40, 40) * 2 - 1).requires_grad_() for name in names}
    torch.manual_seed(3)
    mine = lesson["inter_both"](nets, images, 16, lesson[FORMS[form]])
    torch.manual_seed(3)
    theirs = term(Step(nets, {}, term.looks(), images))["generators"]
    torch.testing.assert_close(mine, theirs)
    moved = [*nets.parameters(), *images.values()]
    grads = [torch.autograd.grad(v, moved, materialize_grads=True) for v in (mine, theirs)]
    torch.testing.assert_close(*grads)
    assert all(g.abs().max() > 0 for g in grads[0][-6:])  # every picture takes part


def test_rain_to_content_of_a_space_is_the_mean_over_its_taps():
    rainy, clean = torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    made = judge_space.space()
    with torch.no_grad():
        wet, dry = made.vectors(rainy), made.vectors(clean)
    by_hand = [answer("07", "rain_to_content")(wet[tap], dry[tap]) for tap in made.judge.taps]
    assert made.rain_to_content(rainy, clean) == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_maps_stand_below_the_rain_that_they_are_to_follow():
    rainy, derained = torch.zeros(3, 16, 16), torch.full((3, 16, 16), -0.4)
    figure = judge_space.maps_figure(rainy, derained, {n: torch.ones(4, 4) for n in "abc"})
    *shown, bar = figure.axes
    assert [axis.get_title() for axis in shown][3:] == ["a", "b", "c"]
    pixels = [axis.images[0].get_array() for axis in shown]
    assert np.allclose(pixels[0], 0.5) and np.allclose(pixels[1], 0.3)
    assert np.allclose(pixels[2], 0.2)  # the light that was removed, of a range of 1
    assert all(axis.images[0].get_clim() == (0, 2) for axis in shown[3:]) and bar.get_ylabel()
    plt.close(figure)


def test_what_follows_light_is_counted_in_couples_of_wet_and_dry_cells():
    light = torch.zeros(3, 40, 40)
    light[:, :4] = torch.linspace(0.5, 1, 40)  # a wet row of ten cells, the others dry
    wet = torch.zeros(10, 10)
    wet[0] = 1
    assert judge_space.follows(wet, light) == 1
    assert judge_space.follows(-wet, -light) == 0  # the amount of light counts, not its sign
    assert judge_space.follows(torch.ones(10, 10), light) == 0.5
    wet[0, :5] = 0  # of half the wet cells the map knows nothing
    assert judge_space.follows(wet, light) == pytest.approx(0.75)


def test_our_inter_ccl_passes_its_own_check():
    assert check_inter_ccl.verdict(built("07")["inter_ccl"]) == ""


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("start_value", "1.2", "1.0", "fake pair is missing"),
        ("start_value", "1.2", "2.2", "n* is n"),
        ("start_value", "1.2", "0.6", "denominator"),
        ("start_value", "1.2", "2.4", "eq. 6"),
        ("inter_ccl", "return (near / (far + 1e-7)).mean()", "return near.mean() / far.mean()",
         "mean by mean"),
        ("inter_ccl", "0.2 * ", "", "not 1"),
        ("inter_ccl", "near = near + 0.2 * d(generated, reconstructed)", "pass", "fake pair"),
        ("inter_ccl", " + d(reconstructed, negative)", "", "in the denominator"),
        ("inter_ccl", "(near / (far + 1e-7))", "((far + 1e-7) / near)", "upside down"),
        ("inter_ccl", " + 1e-7", "", "eps"),
        ("inter_ccl", "def d(a, b):", "def d(a, b):\n        b = b.detach()", "is detached"),
        ("inter_ccl", ".abs()", ".square()", "squared"),
        ("inter_ccl", "(generated, reconstructed, real, negative):",
         "(generated, reconstructed, negative, real):", "swapped"),
        ("who_moves", ".clone()", "", "clone"),
        ("who_moves", "    optimizer.step()\n", "", "no step"),
        ("who_moves", "    optimizer.zero_grad()\n", "", "zero_grad"),
        ("who_moves", "any(not", "all(not", "any of its parameters"),
        ("who_moves", "not torch.equal(p, q)", "p.grad is not None", "not a move"),
        ("rain_to_content", "range(1, len", "range(0, len", "to itself"),
        ("rain_to_content", "(clean - clean.roll", "(rainy - clean.roll", "contains rain"),
        ("rain_to_content", "(rainy - clean).abs()", "(rainy - clean)", "absolute value"),
        ("rain_to_content", "range(1, len(clean))", "range(1, 2)", "neighbours"),
        ("rain_to_content", "rain / torch.stack(content).mean()",
         "torch.stack(content).mean() / rain", "upside down"),
        ("rain_to_content", ".abs()", ".square()", "squared"),
    ],
)  # fmt: skip
def test_wrong_answers_get_a_hint(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("07", name, (old, new)))
