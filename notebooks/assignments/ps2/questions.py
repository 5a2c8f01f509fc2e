"""What problem set 2 asks of an answer, on inputs that students have not seen."""

import torch
from grader.ask import draws, slopes, untouched
from torch import nn


class _Judge(nn.Module):
    """A discriminator whose weights follow from a seed."""

    def __init__(self, seed, channels=3):
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(2, channels, 3, 3, generator=rng) / 3)
        self.last = nn.Parameter(torch.randn(1, 2, 2, 2, generator=rng) / 2)

    def forward(self, x):
        return torch.nn.functional.conv2d(
            torch.tanh(torch.nn.functional.conv2d(x, self.weight)), self.last
        )


def _stage(double=False):
    judges = [_Judge(seed) for seed in (31, 32, 33)]
    real, fake = draws(30, (2, 3, 24, 32), (2, 3, 24, 32), grad=True, double=double)
    if double:
        judges = [judge.double() for judge in judges]
    return judges, real, fake


def multiscale_losses(answer):
    def who():
        judges, real, fake = _stage()
        judged, made = answer(judges, real, fake)
        return [slopes(judged, [fake, judges[0].weight]), slopes(made, [fake])]

    return {
        "value": lambda: list(answer(*_stage())),
        "gradient": who,
        "dtype": lambda: list(answer(*_stage(double=True))),
        "other numbers": lambda: list(answer(_stage()[0][:2], *draws(34, *[(3, 3, 16, 17)] * 2))),
    }


def r1_penalty(answer):
    def parameters(weight=10.0):
        judge, (real,) = _Judge(41), draws(40, (3, 3, 9, 11))
        return slopes(answer(judge, real, weight), [judge.weight, judge.last])

    def linear():
        """A linear discriminator has the same slope everywhere; its size is all that counts."""
        judge = nn.Linear(4, 1, bias=False)
        nn.init.constant_(judge.weight, 1e4)
        return answer(judge, draws(42, (5, 4))[0], 2.0)

    return {
        "value": lambda: answer(_Judge(41), draws(40, (3, 3, 9, 11))[0], 10.0),
        "gradient": parameters,
        "numerics": linear,
        "untouched": lambda: untouched(answer, _Judge(41), draws(40, (3, 3, 9, 11))[0], 10.0),
    }


def patch_accuracy(answer):
    def logits(seed, kind=torch.float32):
        real, fake = draws(seed, (3, 1, 5, 6), (2, 1, 4, 4))
        real, fake = (real * 0.8 + 0.7).to(kind), (fake * 0.8 + 0.1).to(kind)
        real[0, 0, 0, :3] = 0.5
        fake[1, 0, :2] = 0.5
        return real, fake

    return {
        "value": lambda: float(answer(*logits(51))),
        "blind": lambda: float(
            answer(torch.full((2, 1, 3, 3), 0.5), torch.full((9, 1, 7, 2), 0.5))
        ),
        "untouched": lambda: untouched(lambda a, b: float(answer(a, b)), *logits(52)),
    }
