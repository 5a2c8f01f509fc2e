"""Lesson 03: PatchGAN and the adversarial game."""

import torch
import torch.nn.functional as F
from torch import nn

from cclgan_lite.course.exercises import Wrong, check
from cclgan_lite.losses.adversarial import discriminator_loss, generator_loss


def _near(a, b) -> bool:
    return torch.allclose(torch.as_tensor(a).float(), torch.as_tensor(b).float(), atol=1e-5)


@check("hinge")
def check_hinge(answer):
    real, fake = torch.tensor([3.0, 0.5, -1.0, 0.2]), torch.tensor([-2.0, 0.5, 0.25, -0.5])
    got = answer(real, fake)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong("return both losses: (judge, generator)")
    judge, generator = got
    if any(torch.as_tensor(loss).numel() != 1 for loss in got):
        raise Wrong("take the mean over all logits: each loss is one number")
    want = discriminator_loss(real, fake, "hinge")
    if _near(judge, 2 * want):
        raise Wrong("the judge's loss is the sum of two means; the half is missing")
    if _near(judge, ((1 - real).mean() + (1 + fake).mean()) / 2):
        raise Wrong("nothing is cut off: beyond the margin the loss is max(0, ...), so F.relu")
    if _near(judge, discriminator_loss(fake, real, "hinge")):
        raise Wrong("real and fake are swapped: a real image costs max(0, 1 - logit)")
    if _near(judge, (F.relu(-real).mean() + F.relu(fake).mean()) / 2):
        raise Wrong("the margin of 1 is missing")
    if not _near(judge, want):
        raise Wrong("the judge's loss is not half of mean max(0, 1 - real) + "
                    "mean max(0, 1 + fake)")
    if _near(generator, fake.mean()):
        raise Wrong("the sign of the generator's loss: it wants high logits, so their mean "
                    "counts negative")
    if _near(generator, F.relu(1 - fake).mean()):
        raise Wrong("the generator's loss has no margin: it is minus the mean logit")
    if not _near(generator, -fake.mean()):
        raise Wrong("the generator's loss is minus the mean logit of its images")


@check("chance_levels")
def check_chance_levels(answer):
    if not isinstance(answer, dict) or set(answer) != {"lsgan", "hinge"}:
        raise Wrong('give a dictionary with the keys "lsgan" and "hinge"')
    if any(not isinstance(value, int | float) for value in answer.values()):
        raise Wrong("give a number for each form")
    for name, doubled in (("lsgan", 0.5), ("hinge", 2.0)):
        if answer[name] == doubled:
            raise Wrong(f"{name}: the half in front of both terms is missing (or this is the "
                        "logit, not the loss)")
    if answer["lsgan"] == 1 or answer["hinge"] == 0.25:
        raise Wrong("are the two swapped?")
    if answer["hinge"] in (0, 0.5):
        raise Wrong("hinge: the margin is missing; a logit of 0 costs 1 for real and 1 for "
                    "generated images")
    for name, level in (("lsgan", 0.25), ("hinge", 1.0)):
        if answer[name] != level:
            raise Wrong(f"{name}: put one logit c for all images into the judge's loss and find "
                        "its smallest value")


@check("best_judge")
def check_best_judge(answer):
    p, q = torch.tensor([0.5, 0.1, 0.4, 0.0, 0.3]), torch.tensor([0.1, 0.3, 0.4, 0.2, 0.0])
    got, want = answer(p, q), p / (p + q)
    if _near(got, q / (p + q)):
        raise Wrong("that is the share of generated samples: p and q are swapped")
    if _near(got, p / q):
        raise Wrong("the ratio p / q is not bounded: set the derivative to zero, the sum p + q "
                    "goes below")
    if _near(got, (p > q).float()) or _near(got, (p - q).sign()):
        raise Wrong("a verdict is hinge's answer; LSGAN's best judge is a share between 0 and 1")
    if _near(got, (p - q) / (p + q)):
        raise Wrong("LSGAN's targets are 1 and 0 here, not 1 and -1")
    if not _near(got, want):
        raise Wrong("lsgan: set the derivative of p (D - 1)^2 + q D^2 to zero")
    hinge = answer(p, q, "hinge")
    if _near(hinge, want):
        raise Wrong("`form` is ignored: hinge has another best judge")
    if _near(hinge, (q - p).sign()):
        raise Wrong("hinge: the sign is swapped; where real samples are denser it is +1")
    if _near(hinge, (p > q).float()):
        raise Wrong("hinge: its verdicts are +1 and -1, not 1 and 0")
    if not _near(hinge, (p - q).sign()):
        raise Wrong("hinge: the loss is linear in D with slope q - p, so D* sits at an end of "
                    "[-1, 1]")


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
    got = answer(generator, judge, source, real)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong("return both losses: (judge, generator)")
    loss_judge, loss_generator = got
    if _near(loss_judge, want_generator) and _near(loss_generator, want_judge):
        raise Wrong("the losses are returned in the wrong order")

    def gradient(loss, of):
        if not (torch.is_tensor(loss) and loss.requires_grad):
            return None
        return torch.autograd.grad(loss, of.linear.weight, retain_graph=True,
                                   allow_unused=True)[0]

    if gradient(loss_generator, generator) is None:
        raise Wrong("the generator's loss does not reach the generator: its image is detached")
    if gradient(loss_judge, generator) is not None:
        raise Wrong("the judge's loss reaches the generator: detach the image that the judge "
                    "learns from")
    if gradient(loss_judge, judge) is None:
        raise Wrong("the judge's loss does not reach the judge: detach the image, not the logits")
    if not _near(loss_judge, want_judge):
        raise Wrong("the judge's loss is not discriminator_loss(judge(real), judge(fake))")
    if not _near(loss_generator, want_generator) or not _near(
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
