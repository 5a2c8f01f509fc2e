"""Lesson 02: what it builds is the package's generator; its checks name the mistakes."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import pytest
import torch

from cclgan_lite.course.checks import lesson_02 as checks
from cclgan_lite.course.fields import receptive_square
from cclgan_lite.networks import GeneratorConfig, ResNetGenerator
from cclgan_lite.networks.layers import init_weights
from lessons.lesson import answer, built, notebook


@pytest.mark.parametrize("adds_rain", [False, True])
@pytest.mark.parametrize("head", ["tanh", "residual", "rain_layer"])
def test_the_generator_is_the_packages(head, adds_rain):
    config = GeneratorConfig(filters=4, blocks=2, head=head)
    theirs = ResNetGenerator(config, adds_rain)
    init_weights(theirs, std=0.1)  # a residual head that starts at zero would hide everything
    ours = built("02")["Generator"](4, 2, head, adds_rain)
    ours.load_state_dict(theirs.state_dict())
    image = torch.rand(2, 3, 24, 20).double() * 2 - 1  # float64: sums in any order
    taps = ("stem", "down1", "down2", "block1", "block2")
    results = []
    for network in (ours.double(), theirs.double()):
        image = image.detach().clone().requires_grad_()
        output, features = network(image, taps)
        encoded = network.encode(image, taps[:4])
        loss = output.square().sum() + sum(f.square().mean() for f in features.values())
        loss.backward()
        gradients = {name: p.grad for name, p in network.named_parameters()}
        results.append((output, features, encoded, image.grad, gradients))
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("head, std", [("tanh", 0.02), ("residual", 0.0), ("rain_layer", 0.002)])
def test_it_starts_where_the_packages_starts(head, std):
    ours = built("02")["Generator"](32, 1, head)
    theirs = ResNetGenerator(GeneratorConfig(32, 1, head))
    for network in (ours, theirs):
        assert network.last.weight.std().item() == pytest.approx(std, rel=0.1)
        assert network.blocks[0].conv1.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert not any(p.any() for name, p in network.named_parameters() if "bias" in name)


def test_encode_stops_at_the_deepest_tap():
    generator = built("02")["Generator"](4, 3)
    calls = []
    for block in generator.blocks:
        block.register_forward_hook(lambda *_: calls.append(1))
    generator.encode(torch.zeros(1, 3, 16, 16), ("down1", "block1"))
    assert len(calls) == 1


def test_the_receptive_fields_in_the_text_follow_the_recursion():
    receptive_field = answer("02", "receptive_field")
    (text,) = [c.source for c in notebook("02").cells if "By this rule `stem` sees" in c.source]
    (sentence,) = re.findall(r"By this rule .*?157", text, re.DOTALL)
    layers = {"stem": 1, "down2": 3, "block1": 5, "block9": 21}
    encoder = [(7, 1), (3, 2), (3, 2)] + 18 * [(3, 1)]
    assert re.findall(r"`(\w+)` (?:sees )?(\d+)", sentence) == [
        (name, str(receptive_field(encoder[:count])[0])) for name, count in layers.items()
    ]


def test_the_widget_draws_the_papers_field():
    figure = receptive_square(torch.zeros(3, 256, 256), downsamplings=2, blocks=9, kernel=3)
    assert figure.axes[0].get_title() == "157 pixels"
    assert figure.axes[0].patches[0].get_width() == 157
    plt.close(figure)


EXERCISES = {
    "by_hand": [
        (".square().mean((2, 3), keepdim=True)", ".var((2, 3), keepdim=True)", "unbiased"),
        ("(2, 3)", "(0, 2, 3)", "batch norm"),
        ("(2, 3)", "(1, 2, 3)", "layer norm"),
        (".sqrt()", "", "square root"),
        (" / (variance + eps).sqrt()", "", "standard deviation"),
        ("(variance + eps).sqrt()", "variance.sqrt()", "0 / 0"),
        ("(variance + eps).sqrt()", "(variance.sqrt() + eps)", "faint"),
    ],
    "transposed": [
        ("kernel.flip(2, 3)", "kernel", "not flipped"),
        ("kernel.flip(2, 3)", "kernel.flip(3)", "one axis"),
        ("kernel.flip(2, 3)", "kernel.transpose(2, 3)", "as a matrix"),
        ("(2, 2, 2, 2)", "(1, 1, 1, 1)", "cut off"),
        ("2 * height - 1, 2 * width - 1", "2 * height, 2 * width", "should be a tensor"),
    ],
    "count_parameters": [
        (" + b", "", "biases"),
        ("blocks * 2 *", "blocks *", "two convolutions"),
        ("blocks * 2 *", "2 *", "not `blocks` times"),
        ("conv(7, 3, f)", "conv(3, 3, f)", "7x7"),
        ("conv(7, f, channels)", "conv(7, f, 3)", "ignored"),
        ("blocks *", "9 *", "only"),
    ],
    "receptive_field": [
        (
            "field += (kernel - 1) * jump\n        jump *= stride",
            "jump *= stride\n        field += (kernel - 1) * jump",
            "too early",
        ),
        ("jump *= stride", "jump = stride", "strides multiply"),
        ("jump *= stride", "pass", "ignored"),
        ("field, jump = 1, 1", "field, jump = 0, 1", "starts at 1"),
        ("return field, jump", "return field", "both"),
    ],
}


@pytest.mark.parametrize(
    "name, old, new, word", [(name, *case) for name, cases in EXERCISES.items() for case in cases]
)
def test_a_wrong_answer_is_told_its_mistake(name, old, new, word):
    verdict = getattr(checks, f"check_{name}").verdict(answer("02", name, (old, new)))
    assert word in verdict
