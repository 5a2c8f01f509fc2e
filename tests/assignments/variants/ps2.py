"""Other hands at problem set 2: right answers written differently, and wrong ones."""

import torch
import torch.nn.functional as F

from cclgan_lite.losses import discriminator_loss, generator_loss


def scales_package(discriminators, real, fake):
    judged, made = [], []
    for i, judge in enumerate(discriminators):
        a, b = F.avg_pool2d(real, 2**i), F.avg_pool2d(fake, 2**i)
        judged.append(discriminator_loss(judge(a), judge(b.detach())))
        made.append(generator_loss(judge(b)))
    return torch.stack(judged).mean(), torch.stack(made).mean()


def scales_mse(discriminators, real, fake):
    d = g = 0
    for i, judge in enumerate(discriminators):
        maps = [judge(F.avg_pool2d(x, 2**i, 2**i)) for x in (real, fake.detach(), fake)]
        targets = [torch.ones_like(maps[0]), torch.zeros_like(maps[1]), torch.ones_like(maps[2])]
        losses = [F.mse_loss(m, t) for m, t in zip(maps, targets)]
        d, g = d + (losses[0] + losses[1]) / 2, g + losses[2]
    return d / len(discriminators), g / len(discriminators)


def scales_repeated(discriminators, real, fake):
    n, total_d, total_g = len(discriminators), [], []
    blocked = fake.clone().detach()
    for judge in discriminators:
        total_d.append(0.5 * ((1 - judge(real)) ** 2).mean() + 0.5 * (judge(blocked) ** 2).mean())
        total_g.append(((1 - judge(fake)) ** 2).mean())
        real, fake, blocked = (F.avg_pool2d(x, 2) for x in (real, fake, blocked))
    return sum(total_d) / n, sum(total_g) / n


def scales_pooled(discriminators, real, fake):
    """All logits in one heap: large maps decide."""

    def all_of(image):
        maps = [judge(F.avg_pool2d(image, 2**i)) for i, judge in enumerate(discriminators)]
        return torch.cat([m.flatten() for m in maps])

    return (discriminator_loss(all_of(real), all_of(fake.detach())), generator_loss(all_of(fake)))


def scales_frozen(discriminators, real, fake):
    """The discriminator's loss without any gradient."""
    judged, made = scales_package(discriminators, real, fake)
    return judged.detach(), made


def r1_norm(discriminator, real, weight):
    x = real.detach().requires_grad_(True)
    g = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)[0]
    return 0.5 * weight * g.reshape(len(g), -1).norm(dim=1).pow(2).mean()


def r1_each(discriminator, real, weight):
    total = 0
    for picture in real:
        x = picture.detach()[None].requires_grad_()
        (g,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
        total = total + (g**2).sum()
    return weight * total / (2 * len(real))


def r1_func(discriminator, real, weight):
    def whole(x):
        return discriminator(x[None]).sum()

    g = torch.func.vmap(torch.func.grad(whole))(real.detach())
    return weight / 2 * (g * g).flatten(1).sum(1).mean()


def r1_values(discriminator, real, weight):
    x = real.detach().clone().requires_grad_()
    discriminator(x).sum().backward()
    return weight / 2 * x.grad.square().flatten(1).sum(1).mean()


def accuracy_count(real, fake):
    def points(logits, side):
        return ((logits - 0.5) * side > 0).sum() + 0.5 * (logits == 0.5).sum()

    return float(points(real, 1)) / real.numel() / 2 + float(points(fake, -1)) / fake.numel() / 2


def accuracy_sign(real, fake):
    return 0.5 + ((real - 0.5).sign().mean() - (fake - 0.5).sign().mean()) / 4


def accuracy_heaviside(real, fake):
    half = torch.tensor(0.5)
    return (
        torch.heaviside(real - 0.5, half).mean() + torch.heaviside(0.5 - fake, half).mean()
    ) / 2


def accuracy_sorted(real, fake):
    """Sorts in place what it was given."""
    real.copy_(real.flatten().sort().values.view_as(real))
    return accuracy_sign(real, fake)


RIGHT = {
    "multiscale_losses": [scales_package, scales_mse, scales_repeated],
    "r1_penalty": [r1_norm, r1_each, r1_func],
    "patch_accuracy": [accuracy_count, accuracy_sign, accuracy_heaviside],
}
WRONG = {
    "multiscale_losses": [(scales_pooled, "values differ"), (scales_frozen, "gradient is not")],
    "r1_penalty": [(r1_values, "the discriminator cannot learn from it")],
    "patch_accuracy": [(accuracy_sorted, "work on a copy")],
}
