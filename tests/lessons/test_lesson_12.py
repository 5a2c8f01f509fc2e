"""Lesson 12: its answers are the package's, its tools do as they say, its checks name mistakes."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
import torch
from PIL import Image

from cclgan_lite.course import beyond
from cclgan_lite.course.beyond import (
    alike,
    by_seed,
    degraded_pairs,
    judged,
    nlcl,
    real_haze,
    two_layers,
    unpaired_folders,
)
from cclgan_lite.course.checks.lesson_12 import (
    check_best_grey,
    check_hazy,
    check_layer_contrast,
)
from cclgan_lite.course.judging import psnr
from cclgan_lite.course.scenes import scene_pairs
from cclgan_lite.course.siblings import short_run
from cclgan_lite.data.degradations.base import degraded
from cclgan_lite.data.degradations.haze import Haze
from cclgan_lite.networks import high_pass
from lessons.lesson import answer, built

CHECKS = {
    "hazy": check_hazy,
    "best_grey": check_best_grey,
    "layer_contrast": check_layer_contrast,
}


def test_haze_is_the_package_s():
    rng = np.random.default_rng(0)
    clean, depth = rng.random((4, 5, 3)).astype(np.float32), rng.uniform(5, 300, (4, 5))
    want = degraded(Haze(250.0, 0.8), clean, depth, rng)
    np.testing.assert_allclose(answer("12", "hazy")(clean, depth, 250.0, 0.8), want, atol=1e-6)
    one = answer("12", "hazy")(np.full((1, 1, 3), 0.2), np.array([[50.0]]), 100.0, 0.9)[0, 0, 0]
    t = exp(-log(50) * 50 / 100)  # a half of the visibility: the root of 1/50
    assert t == pytest.approx(0.1414, abs=1e-4)
    assert one == pytest.approx(0.2 * t + 0.9 * (1 - t))


def test_no_grey_layer_is_better():
    spoilt, clean = degraded_pairs("underwater", 2, 32)
    best = answer("12", "best_grey")(spoilt, clean)
    error = (best - clean).square().mean()
    for nudge in (0.01, -0.01):
        assert error < (best + nudge - clean).square().mean()
    layer = spoilt - best
    torch.testing.assert_close(layer, layer[:, :1].expand_as(layer))


def test_ceilings_are_the_package_s_psnr():
    lesson = built("12")
    spoilt, clean = degraded_pairs("haze", 3, 32)
    gap = spoilt - clean
    layers = {"grey": gap.mean(1, keepdim=True), "nothing": torch.zeros(())}
    for name, layer in layers.items():
        mine = lesson["ceiling"](spoilt, clean, lesson[name])
        assert mine == pytest.approx(psnr(spoilt - layer, clean), abs=1e-4)
    squares = lesson["smooth"](torch.ones(1, 3, 16, 16) * 0.3)
    torch.testing.assert_close(squares, torch.full((1, 3, 16, 16), 0.3))
    torch.testing.assert_close(
        spoilt - lesson["grey"](gap), answer("12", "best_grey")(spoilt, clean)
    )


def test_layer_contrast_by_slow_loops():
    torch.manual_seed(0)
    vectors, labels = torch.randn(2, 6, 4), torch.tensor([1, 1, 0, 0, 0, 1])
    total = 0.0
    for z in vectors:
        z = [v / v.norm() for v in z]
        for i in range(6):
            below = sum(exp(float(z[i] @ z[a]) / 0.2) for a in range(6) if a != i)
            right = [p for p in range(6) if p != i and labels[p] == labels[i]]
            shares = [log(exp(float(z[i] @ z[p]) / 0.2) / below) for p in right]
            total -= sum(shares) / len(right)
    mine = answer("12", "layer_contrast")(vectors, labels, 0.2)
    assert mine.item() == pytest.approx(total / 12, rel=1e-5)


def test_scenes_are_those_of_the_course_in_any_degradation():
    rainy, clean = degraded_pairs("rain", 2, 64, 5)
    hazy, same = degraded_pairs("haze", 2, 64, 5)
    assert torch.equal(clean, same) and not torch.equal(rainy, hazy)
    assert torch.equal(clean, scene_pairs(2, 64, 5)[1])
    folders = unpaired_folders("haze", 2, 64, 5)
    assert torch.equal(folders["rainy"], hazy)
    assert not torch.equal(folders["clean"], clean)  # other scenes
    with pytest.raises(ValueError, match="no kind 'fog'"):
        degraded_pairs("fog", 1)


def test_a_judge_that_learned_nothing_ranks_at_random():
    assert 0 <= judged("noise", True, 1, 3) <= 1
    assert judged("noise", True, 30, 6) > 0.9  # noise is what a high-pass shows


def test_a_judge_is_drawn_by_its_seed(monkeypatch):
    monkeypatch.setattr(beyond, "ranked", lambda judge, *_: judge(torch.ones(1, 3, 32, 32)).sum())
    one, again, other = (judged("rain", False, 1, 2, seed).item() for seed in (0, 0, 1))
    assert one == again != other


def test_one_number_for_each_seed():
    assert by_seed([0.714, -0.7]) == "≈ 0.71, ≈ -0.70"
    assert by_seed(np.array([0.25]), 1, "+") == "≈ +0.2"


def test_alike_is_a_correlation_of_fine_structure():
    a, b = torch.rand(3, 3, 12, 14), torch.rand(3, 3, 12, 14)
    pairs = zip(high_pass(a), high_pass(b), strict=True)
    want = np.mean([np.corrcoef(x.flatten(), y.flatten())[0, 1] for x, y in pairs])
    assert alike(a, b) == pytest.approx(want, abs=1e-5)
    assert alike(a, 2 * a + 3) == pytest.approx(1, abs=1e-5)  # light and contrast do not count


def test_nlcl_without_a_loss_lacks_it_alone():
    whole, less = nlcl(), nlcl("layers")
    assert set(whole.terms()) - set(less.terms()) == {"layers"}
    assert {"background_mlp", "rain_mlp"} == set(whole.networks()) - set(less.networks())
    folders = {name: torch.rand(2, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    run = short_run(less, folders, 1, crop=48)
    background, rain = two_layers(run, folders["rainy"])
    assert background.shape == rain.shape == folders["rainy"].shape
    assert not torch.equal(background, rain)


def test_real_haze_is_cut_to_a_common_middle(tmp_path, monkeypatch):
    monkeypatch.setenv("CCLGAN_DATA", str(tmp_path))
    assert real_haze() is None
    for kind, level in (("hazy", 200), ("clean", 100)):
        (tmp_path / "ihaze_small" / kind).mkdir(parents=True)
        for name, size in (("1", (40, 33)), ("2", (50, 30))):
            picture = Image.new("RGB", size, (level, 0, 0))
            picture.save(tmp_path / "ihaze_small" / kind / f"{name}_indoor.png")
    hazy, clean = real_haze()
    assert hazy.shape == clean.shape == (2, 3, 28, 40)
    assert hazy[0, 0, 0, 0].item() == pytest.approx(200 / 127.5 - 1)


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("hazy", "np.log(50) / visibility", "1 / visibility", "log(50) / V"),
        ("hazy", "np.log(50) / visibility", "50 / visibility", "not 50 / V"),
        ("hazy", "clean * t + airlight * (1 - t)", "clean * (1 - t) + airlight * t", "swapped"),
        ("hazy", "np.exp(-beta", "np.exp(beta", "negative"),
        ("hazy", "airlight * (1 - t)", "airlight", "comes with 1 - t"),
        ("hazy", "clean * t +", "clean +", "comes with 1 - t"),
        ("hazy", " + airlight * (1 - t)", "", "airlight is missing"),
        ("hazy", "airlight * (1 - t)", "(1 - t)", "airlight is missing"),
        ("best_grey", "return degraded - layer", "return layer", "that is the layer"),
        ("best_grey", "degraded - layer", "degraded + layer", "is added"),
        ("best_grey", ".mean(1, keepdim=True)", "", "each channel"),
        ("best_grey", "mean(1,", "mean((2, 3),", "over the pixels"),
        ("best_grey", "mean(1,", "mean(0,", "over the pictures"),
        ("best_grey", ".mean(1, keepdim=True)", ".median(1, keepdim=True).values", "median"),
        ("best_grey", ".mean(1, keepdim=True)", ".amin(1, keepdim=True)", "one channel"),
        (
            "best_grey",
            "(degraded - clean).mean(1, keepdim=True)",
            "((degraded - clean) * torch.tensor([0.299, 0.587, 0.114])[:, None, None])"
            ".sum(1, keepdim=True)",
            "not luma",
        ),
        ("layer_contrast", ".masked_fill(itself, -torch.inf)", "", "most similar"),
        ("layer_contrast", "labels) & ~itself", "labels)", "at the vector itself"),
        (
            "layer_contrast",
            "logits.logsumexp",
            "logits.masked_fill(labels[:, None] == labels, -torch.inf).logsumexp",
            "negatives alone",
        ),
        ("layer_contrast", "== labels) & ~itself", "!= labels)", "swapped"),
        ("layer_contrast", "F.normalize(vectors, dim=-1)", "vectors", "length one"),
        ("layer_contrast", " / temperature", "", "temperature is missing"),
        ("layer_contrast", "/ temperature", "* temperature", "multiplies"),
        ("layer_contrast", " / alike.sum(-1)", "", "divide by their number"),
        ("layer_contrast", "return -(", "return (", "sign is wrong"),
        (
            "layer_contrast",
            "log_share.masked_fill(~alike, 0).sum(-1)",
            "(log_share * alike).sum(-1)",
            "not a number",
        ),
        (
            "layer_contrast",
            "-(log_share.masked_fill(~alike, 0).sum(-1) / alike.sum(-1)).mean()",
            "-(log_share.exp().masked_fill(~alike, 0).sum(-1) / alike.sum(-1)).log().mean()",
            "logarithm stands inside",
        ),
        ("layer_contrast", "F.normalize(vectors", "F.normalize(vectors.detach()", "no gradient"),
    ],
)
def test_wrong_answers_get_a_hint(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("12", name, (old, new)))


def test_itself_among_the_positives_is_named():
    wrong = answer(
        "12",
        "layer_contrast",
        (".masked_fill(itself, -torch.inf)", ""),
        ("labels) & ~itself", "labels)"),
    )
    assert "own positives" in check_layer_contrast.verdict(wrong)


@pytest.mark.parametrize(
    "name, right",
    [
        (
            "hazy",
            lambda clean, depth, visibility, airlight: (
                airlight + (clean - airlight) * (0.02 ** (depth / visibility))[:, :, None]
            ),
        ),
        ("best_grey", lambda bad, good: bad - (bad.mean(1) - good.mean(1))[:, None]),
    ],
)
def test_other_right_answers_pass(name, right):
    assert CHECKS[name].verdict(right) == ""
