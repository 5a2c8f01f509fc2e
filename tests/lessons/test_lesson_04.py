"""Lesson 04: what it builds equals the package, and its checks name mistakes."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.text import Annotation
from torch import nn

from cclgan_lite.course import hiding
from cclgan_lite.course.checks.lesson_04 import (
    check_cycle_floor,
    check_image_pool,
    check_perfect_cycle,
)
from cclgan_lite.course.small_run import SmallGenerator
from cclgan_lite.losses import PixelL1
from cclgan_lite.losses.pixel import cycle
from cclgan_lite.methods.cyclegan import CycleGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training.step import Step, training_step
from lessons.lesson import answer, built

CHECKS = {
    "cycle_floor": check_cycle_floor,
    "ImagePool": check_image_pool,
    "perfect_cycle": check_perfect_cycle,
}
METHOD = CycleGAN(
    generator=GeneratorConfig(filters=4, blocks=1),
    discriminator=DiscriminatorConfig(filters=4, layers=2),
    identity=PixelL1(0.0, ()),
)


def scene(seed: int = 0):
    """The method's networks, shaken, and unpaired pictures."""
    torch.manual_seed(seed)
    nets = nn.ModuleDict(METHOD.networks())
    with torch.no_grad():
        for p in nets.parameters():
            p.add_(0.03 * torch.randn_like(p))
    images = {name: torch.rand(2, 3, 32, 32) * 2 - 1 for name in ("rainy", "clean")}
    optimizers = {
        player: torch.optim.SGD([p for n in names if n in nets for p in nets[n].parameters()], 0.1)
        for player, (names, _) in METHOD.players().items()
    }
    return nets, images, optimizers


def test_cycle_loss_is_the_packages():
    nets, images, _ = scene()
    step = Step(nets, METHOD.wiring, [], images)
    names = ("rerained", "rainy", "rederained", "clean")
    mine = built("04")["cycle_loss"](*map(step.image, names))
    theirs = cycle(10.0)(step)["generators"]
    torch.testing.assert_close(mine, theirs)
    weights = [*nets["derainer"].parameters(), *nets["rainer"].parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(mine, weights, retain_graph=True, materialize_grads=True),
        torch.autograd.grad(theirs, weights, materialize_grads=True),
    )


def test_step_is_the_trainers():
    """The same losses, gradients and networks after one step of the lesson and of the package."""
    nets, images, optimizers = scene()
    mine = built("04")["cyclegan_step"](
        nets,
        images["rainy"],
        images["clean"],
        {"generators": optimizers["generators"], "judges": optimizers["discriminators"]},
    )
    theirs, images, optimizers = scene()
    looks = [look for term in METHOD.terms().values() for look in term.looks()]
    losses = training_step(Step(theirs, METHOD.wiring, looks, images), METHOD.terms(), optimizers)
    expected = {
        "adversarial": "adversarial/generators",
        "cycle": "cycle/generators",
        "judges": "adversarial/discriminators",
    }
    for name, key in expected.items():
        assert mine[name] == pytest.approx(losses[key].item(), rel=1e-5)
    for (name, a), b in zip(nets.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=name, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(a, b, msg=name)


def test_step_trains_judges_on_what_the_pool_returns():
    nets, images, optimizers = scene()
    seen = {}

    def pool(judge, fakes):
        assert not fakes.requires_grad
        seen[judge] = fakes
        return torch.zeros_like(fakes)

    optimizers = {"generators": optimizers["generators"], "judges": optimizers["discriminators"]}
    nets.requires_grad_(True)
    with torch.no_grad():
        expected = sum(
            (nets[j](images[d]) - 1).square().mean() / 2
            + nets[j](torch.zeros(2, 3, 32, 32)).square().mean() / 2
            for j, d in (("discriminator_clean", "clean"), ("discriminator_rainy", "rainy"))
        )
        derained = nets["derainer"](images["rainy"])
    losses = built("04")["cyclegan_step"](
        nets, images["rainy"], images["clean"], optimizers, pool=pool
    )
    assert losses["judges"] == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(seen["discriminator_clean"], derained)


def test_small_generator_starts_as_the_identity_and_sees_25_pixels():
    generator = SmallGenerator(filters=4)
    image = torch.rand(1, 3, 40, 40)
    assert torch.equal(generator(image), image)
    nn.init.ones_(generator.last.weight)
    image.requires_grad_()
    (grad,) = torch.autograd.grad(generator(image)[0, :, 20, 20].sum(), image)
    rows = grad[0].abs().sum((0, 2)).nonzero()
    assert rows.min() >= 20 - 12 and rows.max() <= 20 + 12
    assert rows.max() - rows.min() + 1 == 25


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("cycle_floor", "median(dim=0).values", "mean(dim=0)", "median"),
        ("cycle_floor", ".abs().mean()", ".abs().mean((1, 2, 3)).sum()", "sum over the showers"),
        ("cycle_floor", ".abs()", ".square()", "squares"),
        ("cycle_floor", "showers.median(dim=0).values", "showers.median()", "every pixel"),
        ("cycle_floor", "median(dim=0).values", "max(dim=0).values", "x = 0"),
        ("ImagePool", "batch.detach()", "batch", "gradient"),
        ("ImagePool", "                self.images[place] = image\n", "", "never replaced"),
        ("ImagePool", "torch.rand(()) < 0.5", "False", "old pictures never"),
        ("ImagePool", "torch.rand(()) < 0.5", "True", "new pictures never"),
        ("ImagePool", "torch.rand(()) < 0.5", "torch.rand(()) < 0.9", "of the time"),
        (
            "ImagePool",
            "                self.images.append(image)\n",
            "                self.images.append(image)\n                image = self.images[0]\n",
            "returned as it is",
        ),
        (
            "perfect_cycle",
            "(lambda x: -x, lambda x: -x)",
            "(lambda x: -x, lambda x: x)",
            "does not come",
        ),
        (
            "perfect_cycle",
            "lambda x: -x, lambda x: -x",
            "lambda x: -x, lambda x: x.flip(0)",
            "off",
        ),
    ],
)
def test_wrong_answers_get_a_hint(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("04", name, (old, new)))


def test_recipe_weighs_as_cyclegan():
    terms = replace(METHOD, identity=CycleGAN().identity).terms()
    weights = {name: term.weight for name, term in terms.items()}
    assert weights == {"adversarial": 1, "identity": 5, "cycle": 10}


def test_drawing_of_both_ways_compares_their_ends_alone():
    figure = hiding.two_cycles()
    (axis,) = figure.axes
    said = [text.get_text() for text in axis.texts]
    for ends in ("d(r^*, r)", "d(n^*, n)"):
        assert sum(ends in text for text in said) == 1
    assert [text for text in said if "judge" in text] == [
        "a judge asks: clean?",
        "a judge asks: rainy?",
    ]
    arrows = [text for text in axis.texts if isinstance(text, Annotation)]
    compared = [arrow for arrow in arrows if arrow.arrow_patch.get_linestyle() == ":"]
    assert len(compared) == 2
    for line in compared:  # from the first box of a row to its last
        assert (line.xyann[0], line.xy[0]) == (0.1, 0.9) and line.xyann[1] == line.xy[1]
    plt.close(figure)
