"""Lesson 06: what it builds equals the package, and its checks name mistakes."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cclgan_lite.course.checks.lesson_06 import (
    check_clip_input,
    check_intra_nce,
    check_intra_ratio,
    check_zero_shot,
)
from cclgan_lite.evaluation import clip_probe
from cclgan_lite.losses import IntraCCL
from cclgan_lite.losses import intra_ccl as package_loss
from cclgan_lite.networks.embedder import RandomEmbedder, build_embedder
from cclgan_lite.training.step import Step
from lessons.lesson import answer, built

CHECKS = {
    "zero_shot": check_zero_shot,
    "clip_input": check_clip_input,
    "intra_ratio": check_intra_ratio,
    "intra_nce": check_intra_nce,
}
FORMS = {"intra_ratio": {"form": "ratio"}, "intra_nce": {"form": "infonce"}}


@pytest.mark.parametrize("weights", [(1.0, 0.1), (1.0, 0.0), (0.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("name", FORMS)
def test_losses_are_the_packages(name, weights):
    torch.manual_seed(0)
    vectors = [torch.randn(5, 12, requires_grad=True) for _ in range(4)]
    real, fake = weights
    values = [
        built("06")[name](*vectors, real, fake),
        package_loss(*vectors, real_weight=real, fake_weight=fake, **FORMS[name]),
    ]
    torch.testing.assert_close(*values)
    grads = [torch.autograd.grad(v, vectors, allow_unused=True) for v in values]
    torch.testing.assert_close(grads[0][0], grads[1][0])
    assert grads[0][0].abs().max() > 0
    assert all(found[1:] == (None, None, None) for found in grads)


@pytest.mark.parametrize("temperature", [0.005, 0.07, 2.0])
def test_temperature_is_the_packages(temperature):
    torch.manual_seed(1)
    vectors = torch.randn(4, 5, 12).unbind()
    mine = built("06")["intra_nce"](*vectors, temperature=temperature)
    theirs = package_loss(*vectors, form="infonce", temperature=temperature)
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", FORMS)
def test_equation_3_is_the_packages_term(name):
    lesson, embedder = built("06"), RandomEmbedder()
    assert lesson["BRANCHES"] == IntraCCL().roles
    torch.manual_seed(2)
    names = ("rainy", "clean", "derained", "rained", "rerained", "rederained")
    images = {k: (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_() for k in names}
    mine = lesson["intra_ccl"](embedder, images, lesson[name])
    term = IntraCCL(**FORMS[name])
    theirs = term(Step({"embedder": embedder}, {}, term.looks(), images))["generators"]
    torch.testing.assert_close(mine, theirs)
    grads = [
        torch.autograd.grad(v, list(images.values()), materialize_grads=True)
        for v in (mine, theirs)
    ]
    torch.testing.assert_close(*grads)
    moved = {k for k, g in zip(names, grads[0], strict=True) if g.abs().max() > 0}
    assert moved == {"rerained", "rederained"}


@pytest.mark.parametrize("size", [(112, 112), (128, 96)])
def test_clip_input_is_the_embedders(size):
    embedder = build_embedder("tiny-rain-clip")
    embedder.mean, embedder.std = (  # OpenAI's are not as symmetrical as its own
        torch.tensor(v).view(3, 1, 1) for v in ([0.48, 0.46, 0.41], [0.27, 0.26, 0.28])
    )
    torch.manual_seed(3)
    image = (torch.rand(1, 3, *size) * 2 - 1).requires_grad_()
    mine = answer("06", "clip_input")(image, 112, embedder.mean.flatten(), embedder.std.flatten())
    theirs = embedder.preprocess(image)
    torch.testing.assert_close(mine, theirs)
    weight = torch.randn_like(mine)
    torch.testing.assert_close(
        *(torch.autograd.grad((weight * x).sum(), image)[0] for x in (mine, theirs))
    )


def test_rain_axis_is_the_packages():
    torch.manual_seed(4)
    texts = {t: F.normalize(torch.randn(8), dim=0) for p in clip_probe.PROMPTS.values() for t in p}

    def encode(wordings):
        return torch.stack([texts[t] for t in wordings])

    mine = built("06")["rain_axis"](*map(encode, clip_probe.PROMPTS.values()))
    torch.testing.assert_close(mine, clip_probe.rain_axis(lambda wordings: wordings, encode))


@pytest.mark.parametrize("name", ["intra_ratio", "intra_nce"])
def test_what_the_lesson_builds_passes_its_own_check(name):
    assert CHECKS[name].verdict(built("06")[name]) == ""


SMALL = """    image = (image + 1) / 2
"""


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("zero_shot", "    pictures = F.normalize(pictures, dim=1)\n", "", "pictures are not"),
        ("zero_shot", "F.normalize(pictures, dim=1)", "F.normalize(pictures, dim=0)", "axis"),
        ("zero_shot", "up - down", "down - up", "sign"),
        ("zero_shot", "rainy.mean(0)", "rainy[0]", "off by"),
        ("zero_shot", "(up - down)", "up", "only the rainy end"),
        ("zero_shot", "(up - down)", "F.normalize(up - down, dim=0)", "no length of its own"),
        ("clip_input", SMALL, "", "taken for [0, 1]"),
        (
            "clip_input",
            "(image - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)",
            "image",
            "mean and std are missing",
        ),
        ("clip_input", "/ std", "* std", "multiplied"),
        ("clip_input", ",\n                          antialias=True", "", "antialias"),
        ("clip_input", "bicubic", "bilinear", "bilinear"),
        ("clip_input", SMALL, SMALL + "    image = image.clamp(0, 1)\n", "clamp"),
        ("clip_input", SMALL, SMALL + "    image = (image * 255).round() / 255\n", "PIL"),
        ("clip_input", SMALL, SMALL + "    image = image.detach()\n", "graph is cut"),
        ("intra_ratio", "other.detach()", "other", "not detached"),
        ("intra_ratio", "(anchor - other", "(anchor.detach() - other", "the anchor"),
        ("intra_ratio", "d(positive)", "d(fake_negative)", "off by"),
        ("intra_ratio", " + fake_weight * d(fake_negative)", "", "missing"),
        ("intra_ratio", " + fake_weight * d", " + d", "weights are forgotten"),
        ("intra_ratio", "fake_weight * d(fake_negative)", "0.1 * d(fake_negative)", "others"),
        (
            "intra_ratio",
            "(anchor - other.detach()).abs().mean(1)",
            "1 - F.cosine_similarity(anchor, other.detach())",
            "cosine distance",
        ),
        ("intra_ratio", ".abs()", ".square()", "squared"),
        (
            "intra_ratio",
            "(near / (far + eps)).mean()",
            "near.mean() / (far.mean() + eps)",
            "ratio of means",
        ),
        ("intra_ratio", "(far + eps)", "far", "eps"),
        ("intra_nce", "other.detach()", "other", "not detached"),
        (
            "intra_nce",
            "F.cosine_similarity(anchor, other.detach())",
            "(anchor * other.detach()).sum(1)",
            "length one",
        ),
        ("intra_nce", " / temperature", "", "temperature is missing"),
        ("intra_nce", " / temperature", " * temperature", "multiplies"),
        ("intra_nce", " + math.log(weight)", "", "weights are forgotten"),
        (
            "intra_nce",
            "s / temperature + math.log(weight)",
            "weight * s / temperature",
            "before the exponential",
        ),
        ("intra_nce", "logits.logsumexp(1)", "logits[:, 1:].logsumexp(1)", "own term"),
        (
            "intra_nce",
            "(logits.logsumexp(1) - logits[:, 0]).mean()",
            "(logits.exp().sum(1).log() - logits[:, 0]).mean()",
            "overflow",
        ),
    ],
)
def test_wrong_answers_get_a_hint(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("06", name, (old, new)))


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    "a, b, word",
    [
        ("positive", "fake_negative", "fake negative and the positive are swapped"),
        ("real_weight", "fake_weight", "weights are swapped"),
    ],
)
def test_swapped_roles_are_named(name, a, b, word):
    """The solution with two of its arguments in exchanged places."""
    right = answer("06", name)
    order = ["anchor", "positive", "real_negative", "fake_negative"]

    def wrong(*args, real_weight=1.0, fake_weight=0.1, **rest):
        values = dict(zip(order, args, strict=False))
        if len(args) > 4:
            real_weight, fake_weight = args[4:]
        values |= {"real_weight": real_weight, "fake_weight": fake_weight}
        values[a], values[b] = values[b], values[a]
        return right(**values, **rest)

    assert word in CHECKS[name].verdict(wrong)


def test_missing_norm_of_the_texts_is_named():
    wrong = answer(
        "06",
        "zero_shot",
        ("F.normalize(rainy.mean(0), dim=0)", "rainy.mean(0)"),
        ("F.normalize(clear.mean(0), dim=0)", "clear.mean(0)"),
    )
    assert "mean texts are not normalised" in check_zero_shot.verdict(wrong)
