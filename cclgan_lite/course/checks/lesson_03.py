"""Lesson 03: PatchGAN and the adversarial game."""

import torch
import torch.nn.functional as F
from torch import nn

from cclgan_lite.course.exercises import Wrong, check, near, slopes
from cclgan_lite.losses.adversarial import discriminator_loss, generator_loss


@check("hinge")
def check_hinge(answer):
    rng = torch.Generator().manual_seed(0)
    real, fake = (2 * torch.randn(2, 1, 2, 3, generator=rng) for _ in range(2))  # of patches
    real.requires_grad_(), fake.requires_grad_()
    got = answer(real, fake)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong("return both losses: (judge, generator)")
    judge, generator = got
    if any(torch.as_tensor(loss).numel() != 1 for loss in got):
        raise Wrong("take the mean over all logits: each loss is one number")
    want = discriminator_loss(real, fake, "hinge")
    if near(judge, -fake.mean()) and near(generator, want):
        raise Wrong("the losses are returned in the wrong order")
    if near(judge, (F.relu(1 - real.mean()) + F.relu(1 + fake.mean())) / 2):
        raise Wrong("cut off each logit, then take the mean")
    if near(judge, 2 * want):
        raise Wrong("the judge's loss is the sum of two means; the half is missing")
    if near(judge, ((1 - real).mean() + (1 + fake).mean()) / 2):
        raise Wrong("nothing is cut off: beyond the margin the loss is max(0, ...), so F.relu")
    if near(judge, discriminator_loss(fake, real, "hinge")):
        raise Wrong("real and fake are swapped: a real image costs max(0, 1 - logit)")
    if near(judge, (F.relu(-real).mean() + F.relu(fake).mean()) / 2):
        raise Wrong("the margin of 1 is missing")
    if not near(judge, want):
        raise Wrong(
            "the judge's loss is not half of mean max(0, 1 - real) + mean max(0, 1 + fake)"
        )
    if near(generator, fake.mean()):
        raise Wrong(
            "the sign of the generator's loss: it wants high logits, so their mean counts negative"
        )
    if near(generator, F.relu(1 - fake).mean()):
        raise Wrong("the generator's loss has no margin: it is minus the mean logit")
    if not near(generator, -fake.mean()):
        raise Wrong("the generator's loss is minus the mean logit of its images")
    if not all(
        near(g, w)
        for g, w in zip(
            slopes(judge, [real, fake]), torch.autograd.grad(want, [real, fake]), strict=True
        )
    ):
        raise Wrong("the judge's loss has lost its gradient: nothing is detached here")
    more = torch.cat([fake, 2 * fake])
    try:
        judge = answer(real, more)[0]
    except RuntimeError:  # sizes that cannot be added
        judge = None
    if not near(judge, discriminator_loss(real, more, "hinge")):
        raise Wrong("take two means, then add them: the two batches may differ in size")


@check("chance_levels")
def check_chance_levels(answer):
    if not isinstance(answer, dict) or set(answer) != {"lsgan", "hinge"}:
        raise Wrong('give a dictionary with the keys "lsgan" and "hinge"')
    try:
        answer = {name: round(float(value), 6) for name, value in answer.items()}
    except (TypeError, ValueError, RuntimeError):
        raise Wrong("give a number for each form") from None
    for name, doubled in (("lsgan", 0.5), ("hinge", 2.0)):
        if answer[name] == doubled:
            raise Wrong(
                f"{name}: the half in front of both terms is missing (or this is the "
                "logit, not the loss)"
            )
    if answer["lsgan"] == 1 or answer["hinge"] == 0.25:
        raise Wrong("are the two swapped?")
    if answer["hinge"] in (0, 0.5):
        raise Wrong(
            "hinge: the margin is missing; a logit of 0 costs 1 for real and 1 for "
            "generated images"
        )
    for name, level in (("lsgan", 0.25), ("hinge", 1.0)):
        if answer[name] != level:
            raise Wrong(
                f"{name}: put one logit c for all images into the judge's loss and find "
                "its smallest value"
            )


@check("best_judge")
def check_best_judge(answer):
    p, q = torch.tensor([0.5, 0.1, 0.4, 0.0, 0.3]), torch.tensor([0.1, 0.3, 0.4, 0.2, 0.0])
    got, want = answer(p, q), p / (p + q)
    if near(got, q / (p + q)):
        raise Wrong("that is the share of generated samples: p and q are swapped")
    if near(got, p / q):
        raise Wrong(
            "the ratio p / q is not bounded: set the derivative to zero, the sum p + q goes below"
        )
    if near(got, (p > q).float()) or near(got, (p - q).sign()):
        raise Wrong("a verdict is hinge's answer; LSGAN's best judge is a share between 0 and 1")
    if near(got, (p - q) / (p + q)):
        raise Wrong("LSGAN's targets are 1 and 0 here, not 1 and -1")
    if not near(got, want):
        raise Wrong("lsgan: set the derivative of p (D - 1)^2 + q D^2 to zero")
    hinge = answer(p, q, "hinge")
    if near(hinge, want):
        raise Wrong("`form` is ignored: hinge has another best judge")
    if near(hinge, (q - p).sign()):
        raise Wrong("hinge: the sign is swapped; where real samples are denser it is +1")
    if near(hinge, (p > q).float()):
        raise Wrong("hinge: its verdicts are +1 and -1, not 1 and 0")
    if not near(hinge, (p - q).sign()):
        if near(hinge[p != q], (p - q).sign()[p != q]):
            raise Wrong(
                "hinge: right but where p = q. There every D costs the same: take 0, sign(p - q)"
            )
        raise Wrong(
            "hinge: the loss is linear in D with slope q - p, so D* sits at an end of [-1, 1]"
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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator, judge = _Counted(2, 3), _Counted(3, 1)
        source, real = torch.randn(8, 2), torch.randn(8, 3)
    fake = generator.linear(source)
    want_judge = discriminator_loss(judge.linear(real), judge.linear(fake.detach()))
    want_generator = generator_loss(judge.linear(fake))
    want = torch.autograd.grad(want_generator, generator.linear.weight)[0]
    want_slope = torch.autograd.grad(want_judge, judge.linear.weight)[0]
    got = answer(generator, judge, source, real)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong("return both losses: (judge, generator)")
    loss_judge, loss_generator = got
    if near(loss_judge, want_generator) and near(loss_generator, want_judge):
        raise Wrong("the losses are returned in the wrong order")

    def gradient(loss, of):
        return slopes(loss, [of.linear.weight])[0]

    if gradient(loss_generator, generator) is None:
        raise Wrong("the generator's loss does not reach the generator: its image is detached")
    if gradient(loss_judge, generator) is not None:
        raise Wrong(
            "the judge's loss reaches the generator: detach the image that the judge learns from"
        )
    if not near(loss_judge, want_judge):
        raise Wrong("the judge's loss is not discriminator_loss(judge(real), judge(fake))")
    if not near(gradient(loss_judge, judge), want_slope):
        raise Wrong(
            "a part of the judge's loss does not reach the judge: detach the image, not the logits"
        )
    if not near(loss_generator, want_generator) or not near(
        gradient(loss_generator, generator), want
    ):
        raise Wrong("the generator's loss is not generator_loss(judge(fake))")
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
    got, strides = answer(3), [1, 1, 2, 2, 2]
    if got == _strip(strides[::-1]):
        raise Wrong("the wrong direction: start at the logit, where the layers of stride 1 are")
    if got == _strip(strides, kernel=3):
        raise Wrong("the kernels are 4x4, not 3x3")
    if got == _strip(strides, per_value=1):
        raise Wrong("R values have R - 1 gaps: (R - 1) s + k")
    if got == 8:
        raise Wrong("that is the stride only: the kernel is missing")
    if got == _strip(strides[1:]):
        raise Wrong("two layers of stride 1 follow the strided ones, not one")
    if got == _strip(strides[2:]):
        raise Wrong("the two layers of stride 1 are missing")
    if got != 70:
        raise Wrong(f"three layers of stride 2 make the 70x70 PatchGAN; patch_size(3) is {got!r}")
    for layers in (0, 1, 2, 5):
        got, want = answer(layers), _strip([1, 1] + layers * [2])
        if got != want:
            raise Wrong(f"patch_size({layers}) is {got!r}, it should be {want}: use `layers`")
