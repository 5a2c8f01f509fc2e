"""What problem set 5 asks of an answer, on inputs that students have not seen."""

import copy

import numpy as np
import torch
from grader.ask import draws
from torch import nn


def _players(seed, double=False):
    torch.manual_seed(seed)
    nets = {
        "derainer": nn.Conv2d(3, 3, 3, padding=1),
        "discriminator": nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 3)),
    }
    nets["average"] = copy.deepcopy(nets["derainer"])
    with torch.no_grad():
        for p in nets["average"].parameters():
            p += 0.1
    if double:
        nets = {name: net.double() for name, net in nets.items()}
    optimizers = {
        name: torch.optim.SGD(nets[name].parameters(), 0.2)
        for name in ("derainer", "discriminator")
    }
    return nets, optimizers


def train_step(answer):
    def after(steps, dirty=False, double=False, weights=(1.0, 3.0), name=None):
        """Parameters (and losses) after some steps."""
        nets, optimizers = _players(121, double)
        shape = (2, 3, 9, 9)
        if dirty:  # old gradients lie about
            for net in nets.values():
                for p in net.parameters():
                    p.grad = torch.ones_like(p)
        told = []
        for step in range(steps):
            rainy, clean = draws(122 + step, shape, shape, double=double)
            told.append(answer(nets, optimizers, rainy, clean, weights, 0.9))
        chosen = nets if name is None else {name: nets[name]}
        state = [p.detach() for net in chosen.values() for p in net.parameters()]
        return told if name == "losses" else state

    def told():
        nets, optimizers = _players(121)
        found = answer(nets, optimizers, *draws(122, (2, 3, 9, 9), (2, 3, 9, 9)), (0.5, 2.0), 0.9)
        return {key: found[key] for key in ("derainer", "discriminator")}

    return {
        "losses": told,
        "derainer": lambda: after(1, name="derainer"),
        "discriminator": lambda: after(1, name="discriminator"),
        "average": lambda: after(1, name="average"),
        "old gradients": lambda: after(3, dirty=True),
    }


def seed_interval(answer):
    def runs(seed, seeds=5, pictures=8):
        rng = np.random.default_rng(seed)
        scene, luck = rng.normal(0, 3, pictures), rng.normal(0, 0.3, (seeds, 1))
        return [28 + scene + luck + rng.normal(m, 0.2, (seeds, pictures)) for m in (0.3, 0)]

    return {
        "value": lambda: [float(x) for x in answer(*runs(131))],
        "few seeds": lambda: [float(x) for x in answer(*runs(132, seeds=3))],
        "one way only": lambda: [float(x) for x in answer(*reversed(runs(131)))],
    }


def holm(answer):
    def adjusted(*p):
        return [float(x) for x in answer(np.array(p))]

    def kept():
        p = np.array([0.04, 0.01, 0.03])
        found = answer(p)
        return [p.tolist(), [float(x) for x in found]]

    return {
        "value": lambda: adjusted(0.02, 0.001, 0.011, 0.3),
        "order": lambda: adjusted(0.04, 0.03, 0.9, 0.001, 0.02),
        "at most one": lambda: adjusted(0.4, 0.8, 0.6),
        "untouched": kept,
    }
