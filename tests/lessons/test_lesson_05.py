"""Lesson 05: what it builds equals the package, and its checks name mistakes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cclgan_lite import networks
from cclgan_lite.course.checks.lesson_05 import (
    check_hardest_share,
    check_info_nce,
    check_patch_nce,
)
from cclgan_lite.losses import LCL, patch_nce
from cclgan_lite.losses import lcl as lcl_module
from cclgan_lite.networks import GeneratorConfig, ResNetGenerator
from cclgan_lite.training.step import Step
from lessons.lesson import answer, built

CHECKS = {
    "info_nce": check_info_nce,
    "patch_nce": check_patch_nce,
    "hardest_share": check_hardest_share,
}
TAPS = ("down1", "block1")


def test_patch_nce_is_the_packages():
    mine, theirs = built("05")["patch_nce"], patch_nce
    for temperature in (0.005, 0.07, 2.0):
        a = torch.randn(3, 10, 8, requires_grad=True)
        keys = torch.randn(3, 10, 8, requires_grad=True)
        values = [f(a, keys, temperature) for f in (mine, theirs)]
        torch.testing.assert_close(*values)
        grads = [torch.autograd.grad(v, [a, keys], allow_unused=True) for v in values]
        assert grads[0][1] is None and grads[1][1] is None
        torch.testing.assert_close(grads[0][0], grads[1][0])


def test_projection_is_the_packages():
    lesson = built("05")
    features = {"a": torch.randn(2, 6, 4, 5), "b": torch.randn(2, 3, 2, 3)}
    torch.manual_seed(1)
    places = lesson["sample_places"](features, 7)
    torch.manual_seed(1)
    expected = networks.sample_places(features, 7)
    assert all(torch.equal(places[tap], expected[tap]) for tap in features)
    torch.testing.assert_close(
        lesson["gather_patches"](features["a"], places["a"]),
        networks.gather_patches(features["a"], places["a"]),
    )
    torch.manual_seed(2)
    mine = lesson["PatchProjection"]({"a": 6, "b": 3}, 16)
    torch.manual_seed(2)
    theirs = networks.PatchProjection({"a": 6, "b": 3}, 16)
    for (name, p), (other, q) in zip(
        mine.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == other and torch.equal(p, q)
    outputs = [net(features, places) for net in (mine, theirs)]
    torch.testing.assert_close(*outputs)
    weight = {tap: torch.randn_like(x) for tap, x in outputs[0].items()}
    grads = [
        torch.autograd.grad(sum((weight[t] * x[t]).sum() for t in x), list(net.parameters()))
        for net, x in zip((mine, theirs), outputs, strict=True)
    ]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("roles", ["TEXT_ROLES", "CODE_ROLES"])
def test_lcl_is_the_packages_term(roles):
    lesson = built("05")
    chosen = getattr(lcl_module, roles)
    assert lesson["TEXT_ROLES"] == lcl_module.TEXT_ROLES == LCL().roles
    nets = nn.ModuleDict()
    for name in ("derainer", "rainer"):
        nets[name] = ResNetGenerator(GeneratorConfig(filters=4, blocks=1, taps=TAPS))
        nets[f"{name}_mlp"] = networks.PatchProjection(nets[name].tap_channels(), 8)
    with torch.no_grad():
        for p in nets.parameters():
            p.add_(0.05 * torch.randn_like(p))
    names = ("rainy", "clean", "derained", "rained", "rerained", "rederained")
    images = {name: torch.rand(2, 3, 32, 32) * 2 - 1 for name in names}
    torch.manual_seed(3)
    mine = lesson["lcl"](nets, images, TAPS, 0.2, 16, roles=chosen)
    torch.manual_seed(3)
    theirs = LCL(temperature=0.2, patches=16, roles=chosen)(Step(nets, {}, [], images))
    torch.testing.assert_close(mine, theirs["generators"])
    weights = list(nets.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(mine, weights, materialize_grads=True),
        torch.autograd.grad(theirs["generators"], weights, materialize_grads=True),
    )


def test_our_patch_nce_passes_its_own_check():
    assert check_patch_nce.verdict(built("05")["patch_nce"]) == ""


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("info_nce", "    keys = F.normalize(keys, dim=-1)\n", "", "L2 norm"),
        ("info_nce", " / temperature", "", "temperature is missing"),
        ("info_nce", " / temperature", " * temperature", "multiplies"),
        ("info_nce", "[positive[None], negatives]", "[negatives, positive[None]]", "comes"),
        ("info_nce", "torch.cat([positive[None], negatives])", "negatives", "positive is missing"),
        (
            "info_nce",
            "return F.cross_entropy(logits, right)",
            "e = logits.exp()\n    return -(e[:, 0] / e.sum(1)).log().mean()",
            "overflow",
        ),
        (
            "info_nce",
            "return F.cross_entropy(logits, right)",
            "return (logits[:, 1:].logsumexp(1) - logits[:, 0]).mean()",
            "own term",
        ),
        (
            "info_nce",
            "F.cross_entropy(logits, right)",
            "F.cross_entropy(logits, right, reduction='sum')",
            "sum over the queries",
        ),
        ("patch_nce", ".detach()", "", "not detached"),
        ("patch_nce", "F.normalize(queries, dim=-1)", "queries", "L2 norm"),
        ("patch_nce", "F.normalize(queries", "F.normalize(queries.detach()", "the queries"),
        ("patch_nce", " / temperature", "", "temperature is missing"),
        ("patch_nce", "logits.flatten(0, 1)", "logits.mT.flatten(0, 1)", "swapped"),
        (
            "patch_nce",
            "torch.arange(logits.shape[1])",
            "(torch.arange(logits.shape[1]) - 1).remainder(logits.shape[1])",
            "shifted",
        ),
        (
            "patch_nce",
            "return F.cross_entropy(logits.flatten(0, 1), right)",
            "e = logits.exp()\n    d = e.diagonal(dim1=1, dim2=2)\n"
            "    return -(d / e.sum(-1)).log().mean()",
            "overflow",
        ),
        ("hardest_share", "similarities[:, 1:]", "similarities", "positive"),
        (
            "hardest_share",
            "    shares = (negatives / temperature).softmax(-1)",
            "    shares = (similarities / temperature).softmax(-1)[:, 1:]",
            "does not push",
        ),
        ("hardest_share", " / temperature", "", "temperature is missing"),
        ("hardest_share", "softmax(-1)", "softmax(0)", "over the queries"),
        ("hardest_share", ".max(-1)", ".min(-1)", "easiest"),
        (
            "hardest_share",
            "(negatives / temperature).softmax(-1)",
            "(negatives / temperature).exp()\n    shares = shares / shares.sum(-1, keepdim=True)",
            "overflow",
        ),
    ],
)
def test_wrong_answers_get_a_hint(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("05", name, (old, new)))


def test_missing_norm_is_named():
    wrong = answer(
        "05",
        "info_nce",
        ("    query = F.normalize(query, dim=-1)\n", ""),
        ("    keys = F.normalize(keys, dim=-1)\n", ""),
    )
    assert "L2 norm" in check_info_nce.verdict(wrong)
    wrong = answer(
        "05",
        "patch_nce",
        ("F.normalize(queries, dim=-1)", "queries"),
        ("F.normalize(keys.detach(), dim=-1)", "keys.detach()"),
    )
    assert "L2 norm" in check_patch_nce.verdict(wrong)
