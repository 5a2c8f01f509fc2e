"""Lesson 03: PatchGAN and the adversarial game."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from cclgan_lite.course.exercises import Wrong, both, check, expect, near, slopes
from cclgan_lite.losses.adversarial import discriminator_loss, generator_loss

LOSSES = "losses: (judge, generator)"


@check("hinge")
def check_hinge(answer):
    """Both losses on random logits; then on batches of different size."""
    rng = torch.Generator().manual_seed(0)
    real, fake = (2 * torch.randn(2, 1, 2, 3, generator=rng) for _ in range(2))  # of patches
    real.requires_grad_(), fake.requires_grad_()
    judge, generator = got = both(answer(real, fake), LOSSES)
    if any(torch.as_tensor(loss).numel() != 1 for loss in got):
        raise Wrong("take the mean over all logits: each loss is one number")
    want = discriminator_loss(real, fake, "hinge")
    if near(judge, -fake.mean()) and near(generator, want):
        raise Wrong("the losses are returned in the wrong order")
    expect(
        judge,
        want,
        {
            "cut off each logit, then take the mean": discriminator_loss(
                real.mean(), fake.mean(), "hinge"
            ),
            "the judge's loss is the sum of two means; the half is missing": 2 * want,
            "nothing is cut off: beyond the margin the loss is max(0, ...), so F.relu": (
                ((1 - real).mean() + (1 + fake).mean()) / 2
            ),
            "real and fake are swapped: a real image costs max(0, 1 - logit)": (
                discriminator_loss(fake, real, "hinge")
            ),
            "the margin of 1 is missing": (F.relu(-real).mean() + F.relu(fake).mean()) / 2,
        },
        "the judge's loss is half of mean max(0, 1 - real) + mean max(0, 1 + fake)",
    )
    expect(
        generator,
        -fake.mean(),
        {
            "the sign of the generator's loss: it wants high logits, so their mean counts "
            "negative": fake.mean(),
            "the generator's loss has no margin: it is minus the mean logit": (
                F.relu(1 - fake).mean()
            ),
        },
        "the generator's loss is minus the mean logit of its images",
    )
    expect(judge, want, wrt={"the real logits": real, "the fake logits": fake})
    more, apart = torch.cat([fake, 2 * fake]), "take two means: the batches may differ in size"
    try:
        judge = answer(real, more)[0]
    except RuntimeError:  # sizes that cannot be added
        raise Wrong(apart) from None
    expect(judge, discriminator_loss(real, more, "hinge"), otherwise=apart)


@check("chance_levels")
def check_chance_levels(answer):
    """Two numbers by name."""
    if not isinstance(answer, dict) or set(answer) != {"lsgan", "hinge"}:
        raise Wrong('give a dictionary with the keys "lsgan" and "hinge"')
    try:
        answer = {name: round(float(value), 6) for name, value in answer.items()}
    except (TypeError, ValueError, RuntimeError):
        raise Wrong("give a number for each form") from None
    if answer["lsgan"] == 1 or answer["hinge"] == 0.25:
        raise Wrong("are the two swapped?")
    margin = "the margin is missing; a logit of 0 costs 1 for real and 1 for generated images"
    for name, level in (("lsgan", 0.25), ("hinge", 1.0)):
        half = "the half in front of both terms is missing (or this is the logit, not the loss)"
        expect(
            answer[name],
            level,
            {f"{name}: {half}": 2 * level} | ({margin: [0, 0.5]} if name == "hinge" else {}),
            f"{name}: put one logit c for all images into the judge's loss, find its least",
        )


@check("best_judge")
def check_best_judge(answer):
    """Five samples; in one the densities are equal, in two one of them is zero."""
    p, q = torch.tensor([0.5, 0.1, 0.4, 0.0, 0.3]), torch.tensor([0.1, 0.3, 0.4, 0.2, 0.0])
    share, verdict = p / (p + q), (p - q).sign()
    expect(
        answer(p, q),
        share,
        {
            "that is the share of generated samples: p and q are swapped": 1 - share,
            "p / q is not bounded: set the derivative to zero, the sum p + q goes below": (p / q),
            "a verdict is hinge's answer; LSGAN's best judge is a share between 0 and 1": [
                (p > q).float(),
                verdict,
            ],
            "LSGAN's targets are 1 and 0 here, not 1 and -1": (p - q) / (p + q),
        },
        "lsgan: set the derivative of p (D - 1)^2 + q D^2 to zero",
    )
    expect(
        answer(p, q, "hinge"),
        verdict,
        {
            "`form` is ignored: hinge has another best judge": share,
            "hinge: the sign is swapped; where real samples are denser it is +1": -verdict,
            "hinge: its verdicts are +1 and -1, not 1 and 0": (p > q).float(),
            "hinge: right but where p = q. There every D costs the same: take 0, sign(p - q)": (
                lambda got: near(got[p != q], verdict[p != q])
            ),
        },
        "hinge: the loss is linear in D with slope q - p, so D* sits at an end of [-1, 1]",
    )


class _Counted(nn.Module):
    """A linear map that counts its calls."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linear, self.calls = nn.Linear(inputs, outputs), 0

    def forward(self, x):
        self.calls += 1
        return self.linear(x)


@check("two_losses")
def check_two_losses(answer):
    """Who gets which gradient, and from how many passes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator, judge = _Counted(2, 3), _Counted(3, 1)
        source, real = torch.randn(8, 2), torch.randn(8, 3)
    fake = generator.linear(source)
    judged = discriminator_loss(judge.linear(real), judge.linear(fake.detach()))
    fooled = generator_loss(judge.linear(fake))
    loss_judge, loss_generator = both(answer(generator, judge, source, real), LOSSES)
    if near(loss_judge, fooled) and near(loss_generator, judged):
        raise Wrong("the losses are returned in the wrong order")

    def gradient(loss, of):
        return slopes(loss, [of.linear.weight])[0]

    if gradient(loss_generator, generator) is None:
        raise Wrong("the generator's loss does not reach the generator: its image is detached")
    if gradient(loss_judge, generator) is not None:
        raise Wrong("the judge's loss reaches the generator: detach the image the judge sees")
    says = "the judge's loss is discriminator_loss(judge(real), judge(fake))"
    expect(loss_judge, judged, otherwise=says)
    says = "a part of the judge's loss does not reach the judge: detach the image, not the logits"
    expect(gradient(loss_judge, judge), gradient(judged, judge), otherwise=says)
    expect(
        (loss_generator, gradient(loss_generator, generator)),
        (fooled, gradient(fooled, generator)),
        otherwise="the generator's loss is generator_loss(judge(fake))",
    )
    if generator.calls > 1:
        raise Wrong("the generator runs more than once: one pass serves both losses")


def _strip(strides, kernel=4, per_value=0):
    """How many values a strip of one needs, through layers of these strides, last layer first."""
    size = 1
    for stride in strides:
        size = (size - 1 + per_value) * stride + kernel
    return size


@check("patch_size")
def check_patch_size(answer):
    """The paper's three strided layers, then other numbers of them."""
    strides = [1, 1, 2, 2, 2]
    expect(
        answer(3),
        70,
        {
            "the wrong direction: start at the logit, where the layers of stride 1 are": (
                _strip(strides[::-1])
            ),
            "the kernels are 4x4, not 3x3": _strip(strides, kernel=3),
            "R values have R - 1 gaps: (R - 1) s + k": _strip(strides, per_value=1),
            "that is the stride only: the kernel is missing": 8,
            "two layers of stride 1 follow the strided ones, not one": _strip(strides[1:]),
            "the two layers of stride 1 are missing": _strip(strides[2:]),
        },
        "three layers of stride 2 make the 70x70 PatchGAN; patch_size(3)",
    )
    for layers in (0, 1, 2, 5):
        want = _strip([1, 1] + layers * [2])
        expect(answer(layers), want, otherwise=f"patch_size({layers}): use `layers`")
