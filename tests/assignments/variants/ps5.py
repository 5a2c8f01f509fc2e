"""Other hands at problem set 5: right answers written differently, and wrong ones."""

import numpy as np
import torch
from scipy import stats

from cclgan_lite.losses import discriminator_loss, generator_loss


def sums(nets, rainy, clean, weights, cut=True):
    derainer, judge = nets["derainer"], nets["discriminator"]
    derained = derainer(rainy)
    made = weights[0] * generator_loss(judge(derained))
    made = made + weights[1] * torch.nn.functional.l1_loss(derainer(clean), clean)
    fake = derained.detach() if cut else derained
    return made, discriminator_loss(judge(clean), judge(fake))


def follow(nets, decay):
    with torch.no_grad():
        for mean, new in zip(nets["average"].parameters(), nets["derainer"].parameters()):
            mean.lerp_(new, 1 - decay)


def step_grad(nets, optimizers, rainy, clean, weights, decay):
    """torch.autograd.grad, gradients put in place by hand."""
    values = dict(zip(("derainer", "discriminator"), sums(nets, rainy, clean, weights)))
    found = {
        name: torch.autograd.grad(value, list(nets[name].parameters()), retain_graph=True)
        for name, value in values.items()
    }
    for name, grads in found.items():
        for p, g in zip(nets[name].parameters(), grads):
            p.grad = g
        optimizers[name].step()
    follow(nets, decay)
    return {name: value.item() for name, value in values.items()}


def step_order(nets, optimizers, rainy, clean, weights, decay):
    """The derainer's gradient first; what it left in the discriminator is cleared."""
    made, judged = sums(nets, rainy, clean, weights)
    optimizers["derainer"].zero_grad(set_to_none=True)
    made.backward(retain_graph=True)
    optimizers["discriminator"].zero_grad()
    judged.backward()
    optimizers["discriminator"].step()
    optimizers["derainer"].step()
    follow(nets, decay)
    return {"derainer": made.item(), "discriminator": judged.item()}


def step_frozen(nets, optimizers, rainy, clean, weights, decay):
    """The discriminator is frozen while the derainer's gradient is taken."""
    for optimizer in optimizers.values():
        optimizer.zero_grad()
    nets["discriminator"].requires_grad_(False)
    made, _ = sums(nets, rainy, clean, weights)
    made.backward()
    nets["discriminator"].requires_grad_(True)
    _, judged = sums(nets, rainy, clean, weights)
    judged.backward()
    for optimizer in optimizers.values():
        optimizer.step()
    for mean, new in zip(nets["average"].parameters(), nets["derainer"].parameters()):
        mean.data = decay * mean.data + (1 - decay) * new.data
    return {"derainer": made.item(), "discriminator": judged.item()}


def step_one_sum(nets, optimizers, rainy, clean, weights, decay):
    """Both losses in one backward, nothing cut."""
    made, judged = sums(nets, rainy, clean, weights, cut=False)
    for optimizer in optimizers.values():
        optimizer.zero_grad()
    (made + judged).backward()
    for optimizer in optimizers.values():
        optimizer.step()
    follow(nets, decay)
    return {"derainer": made.item(), "discriminator": judged.item()}


def step_average_first(nets, optimizers, rainy, clean, weights, decay):
    follow(nets, decay)
    return step_grad(nets, optimizers, rainy, clean, weights, 1.0)


def interval_scipy(one, two):
    gaps = one.mean(1) - two.mean(1)
    low, high = stats.ttest_1samp(gaps, 0).confidence_interval(0.95)
    return gaps.mean(), low, high


def interval_related(one, two):
    test = stats.ttest_rel(one.mean(axis=1), two.mean(axis=1)).confidence_interval()
    return (test.low + test.high) / 2, test.low, test.high


def interval_hand(one, two):
    gaps = [float(a.mean() - b.mean()) for a, b in zip(one, two)]
    mean = sum(gaps) / len(gaps)
    spread = sum((g - mean) ** 2 for g in gaps) / (len(gaps) - 1) / len(gaps)
    half = stats.t(len(gaps) - 1).isf(0.025) * spread**0.5
    return mean, mean - half, mean + half


def interval_sorted(one, two):
    """Pairs the best with the best."""
    return interval_scipy(np.sort(one, 0), np.sort(two, 0))


def holm_loop(p):
    adjusted, worst = [0.0] * len(p), 0.0
    for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = worst
    return adjusted


def holm_factors(p):
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return steps[np.argsort(order)]


def holm_direct(p):
    """The largest (number not smaller) x p among those not larger."""
    return np.array([min(1, max((p >= q).sum() * q for q in p if q <= one)) for one in p])


def holm_back(p):
    """Hochberg: accumulates from the largest downwards."""
    order = np.argsort(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    steps = np.minimum.accumulate(steps[::-1])[::-1].clip(max=1)
    return steps[np.argsort(order)]


RIGHT = {
    "train_step": [step_grad, step_order, step_frozen],
    "seed_interval": [interval_scipy, interval_related, interval_hand],
    "holm": [holm_loop, holm_factors, holm_direct],
}
WRONG = {
    "train_step": [
        (step_one_sum, "does not move as it should"),
        (step_average_first, "when is the average taken"),
    ],
    "seed_interval": [(interval_sorted, "values differ")],
    "holm": [(holm_back, "the values differ")],
}
