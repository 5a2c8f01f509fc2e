"""Lesson 03: what it builds is the package's judge and losses; its checks name the mistakes."""

from __future__ import annotations

import pytest
import torch

from cclgan_lite.course.checks import lesson_03 as checks
from cclgan_lite.losses import adversarial
from cclgan_lite.networks import DiscriminatorConfig, PatchDiscriminator
from cclgan_lite.networks.layers import init_weights
from lessons.lesson import answer, built


@pytest.mark.parametrize("fine_only", [False, True])
@pytest.mark.parametrize("norm", ["instance", "spectral", "none"])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_judge_is_the_packages(layers, norm, fine_only):
    config = DiscriminatorConfig(4, layers, norm, fine_only, ("conv2", "conv3"))
    theirs = PatchDiscriminator(config)
    if norm != "spectral":
        init_weights(theirs, std=0.2)
    ours = built("03")["PatchJudge"](4, layers, norm, fine_only)
    ours.load_state_dict(theirs.state_dict())
    image = torch.rand(2, 3, 48, 64).double() * 2 - 1  # float64: sums in any order
    results = []
    for network in (ours.double(), theirs.double()):
        image = image.detach().clone().requires_grad_()
        logits, features = network(image, ("conv2", "conv3"))
        loss = logits.square().sum() + sum(f.square().sum() for f in features.values())
        loss.backward()
        gradients = {name: p.grad for name, p in network.named_parameters()}
        results.append((logits, features, image.grad, gradients))
    torch.testing.assert_close(*results)


def test_it_starts_where_the_packages_starts():
    for network in (built("03")["PatchJudge"](16), PatchDiscriminator(DiscriminatorConfig(16))):
        weights = network.convs["conv3"].weight
        assert weights.std().item() == pytest.approx(0.02, rel=0.05)
        assert not network.convs["conv3"].bias.any()


def test_the_high_pass_is_the_packages():
    image = torch.rand(1, 3, 20, 24)
    theirs = PatchDiscriminator.forward.__globals__["high_pass"](image)
    torch.testing.assert_close(built("03")["high_pass"](image), theirs)


@pytest.mark.parametrize("form", ["lsgan", "hinge"])
def test_the_losses_are_the_packages(form):
    results = []
    for source in (built("03"), vars(adversarial)):
        torch.manual_seed(0)
        real, fake = (2 * torch.randn(2, 1, 6, 6)).requires_grad_(), torch.randn(2, 1, 6, 6)
        fake.requires_grad_()
        judge = source["discriminator_loss"](real, fake, form)
        generator = source["generator_loss"](fake, form)
        results.append(
            (
                judge,
                generator,
                *torch.autograd.grad(judge, (real, fake)),
                *torch.autograd.grad(generator, fake),
            )
        )
    torch.testing.assert_close(*results)


EXERCISES = {
    "hinge": [
        (") / 2", ")", "half"),
        (
            "F.relu(1 - real).mean() + F.relu(1 + fake).mean()",
            "(1 - real).mean() + (1 + fake).mean()",
            "cut off",
        ),
        (
            "F.relu(1 - real).mean() + F.relu(1 + fake).mean()",
            "F.relu(1 - fake).mean() + F.relu(1 + real).mean()",
            "swapped",
        ),
        ("-fake.mean()", "fake.mean()", "sign"),
        ("-fake.mean()", "F.relu(1 - fake).mean()", "no margin"),
        ("return judge, -fake.mean()", "return judge", "both losses"),
        (".mean()", "", "mean over all logits"),
    ],
    "chance_levels": [
        ("0.25", "0.5", "half"),
        ("1.0", "2.0", "half"),
        ("1.0", "0.5", "margin"),
        ('"lsgan": 0.25, "hinge": 1.0', '"lsgan": 1.0, "hinge": 0.25', "swapped"),
        ("0.25", "0.125", "one logit c"),
        ("0.25", "None", "a number"),
    ],
    "best_judge": [
        ("p / (p + q)", "q / (p + q)", "swapped"),
        ("p / (p + q)", "p / q", "not bounded"),
        ("p / (p + q)", "(p - q).sign()", "verdict"),
        ("p / (p + q)", "(p - q) / (p + q)", "targets"),
        ("(p - q).sign()", "(q - p).sign()", "sign"),
        ("(p - q).sign()", "(p > q).float()", "not 1 and 0"),
        (' if form == "lsgan" else (p - q).sign()', "", "ignored"),
    ],
    "two_losses": [
        ("judge(fake.detach())", "judge(fake)", "reaches the generator"),
        (
            "generator_loss(judge(fake))",
            "generator_loss(judge(fake.detach()))",
            "does not reach the generator",
        ),
        ("judge(fake.detach())", "judge(generator(source).detach())", "more than once"),
        (
            "discriminator_loss(judge(real), judge(fake.detach()))",
            "discriminator_loss(judge(real).detach(), judge(fake).detach())",
            "not the logits",
        ),
        ("return loss_judge, loss_generator", "return loss_generator, loss_judge", "order"),
        (
            "judge(real), judge(fake.detach())",
            "judge(fake.detach()), judge(real)",
            "discriminator_loss",
        ),
    ],
    "patch_size": [
        ("[1, 1] + layers * [2]", "layers * [2] + [1, 1]", "direction"),
        ("(size - 1) * stride + 4", "size * stride + 4", "gaps"),
        ("(size - 1) * stride + 4", "(size - 1) * stride + 3", "4x4"),
        ("[1, 1] +", "[1] +", "not one"),
        ("layers * [2]", "3 * [2]", "use `layers`"),
    ],
}


@pytest.mark.parametrize(
    "name, old, new, word", [(name, *case) for name, cases in EXERCISES.items() for case in cases]
)
def test_a_wrong_answer_is_told_its_mistake(name, old, new, word):
    verdict = getattr(checks, f"check_{name}").verdict(answer("03", name, (old, new)))
    assert word in verdict
