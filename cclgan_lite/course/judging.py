"""Games of lesson 03 and others: points on a ring, a judge alone, crops, how a judge ranks."""

from __future__ import annotations

import math
from collections.abc import Iterable

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.losses.adversarial import discriminator_loss, generator_loss

GAMES = 8  # played side by side, with different initial weights
_angle = torch.arange(8) * math.pi / 4
CENTRES = 2 * torch.stack([_angle.cos(), _angle.sin()], 1)
RADIUS, LEAST = 0.3, 0.02  # of a heap; share of the points that covers it


class Networks(nn.Module):
    """As many independent networks as games, [games, batch, a] -> [games, batch, b]."""

    def __init__(self, *sizes: int):
        super().__init__()
        self.weights = nn.ParameterList(
            torch.randn(GAMES, a, b) * (2 / a) ** 0.5
            for a, b in zip(sizes, sizes[1:], strict=False)
        )
        self.biases = nn.ParameterList(torch.zeros(GAMES, 1, b) for b in sizes[1:])

    def forward(self, x: Tensor) -> Tensor:
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (F.leaky_relu(x, 0.2) if i else x) @ weight + bias
        return x


def ring(batch: int) -> Tensor:
    """Real points, [games, batch, 2]: eight heaps of standard deviation 0.1 on a circle."""
    heap = torch.randint(8, (GAMES, batch))
    return CENTRES[heap] + 0.1 * torch.randn(GAMES, batch, 2)


def covered(points: Tensor) -> Tensor:
    """[games, batch, 2] -> number of heaps that hold 2 % of the points, [games]."""
    distance = torch.cdist(points, CENTRES.expand(GAMES, 8, 2))
    return ((distance < RADIUS).float().mean(1) >= LEAST).sum(1)


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step of an optimiser down a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def adam(network: nn.Module, rate: float) -> torch.optim.Adam:
    """Adam as GANs have it: with the short memory of the gradient, beta1 of 0.5."""
    return torch.optim.Adam(network.parameters(), rate, betas=(0.5, 0.999))


def ring_games(speed: float, steps: int, shots: int = 8, seed: int = 0) -> Tensor:
    """Points on the way through all games (hinge), [shots + 1, games, 1000, 2].

    `speed` is the learning rate of the judges over that of the generators.
    """
    torch.manual_seed(seed)
    generator, judge = Networks(2, 64, 64, 2), Networks(2, 64, 64, 1)
    moves, moves_judge = adam(generator, 1e-3), adam(judge, speed * 1e-3)
    seen = []
    for step in range(steps + 1):
        if step % (steps // shots) == 0:
            with torch.no_grad():
                seen.append(generator(torch.randn(GAMES, 1000, 2)))
        fake = generator(torch.randn(GAMES, 128, 2))
        # Means over all games; times GAMES, each game has its own mean.
        judged = discriminator_loss(judge(ring(128)), judge(fake.detach()), "hinge")
        descend(GAMES * judged, moves_judge)
        descend(GAMES * generator_loss(judge(fake), "hinge"), moves)
    return torch.stack(seen)


def draw_points(axis: plt.Axes, points: Tensor, title: str) -> None:
    """Points [batch, 2] of one game over the heaps."""
    axis.plot(*CENTRES.T, "k+", ms=9)
    axis.plot(*points.T, ".", ms=2, alpha=0.5)
    axis.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[], yticks=[], aspect="equal", title=title)


def crops(images: Tensor, rng: torch.Generator | None, size: int = 96, batch: int = 4) -> Tensor:
    """The same random window of `batch` random images, [batch, 3, size, size].

    Without `rng` from torch's own random numbers.
    """
    chosen = torch.randint(len(images), (batch,), generator=rng)
    top, left = torch.randint(images.shape[-1] - size + 1, (2,), generator=rng).tolist()
    return images[chosen][..., top : top + size, left : left + size]


@torch.no_grad()
def ranked(judge: nn.Module, high: Tensor, low: Tensor) -> float:
    """Share of couples in which the image of `high` has the higher mean logit; chance is 0.5."""
    a, b = (judge(x).mean((1, 2, 3)) for x in (high, low))
    return (a[:, None] > b[None]).float().mean().item()


@torch.no_grad()
def psnr(images: Tensor, truths: Tensor) -> float:
    """Mean over images in dB; values from -1 to 1, so the peak is 2."""
    squares = (images.clamp(-1, 1) - truths).square().mean((1, 2, 3))
    return (10 * torch.log10(4 / squares)).mean().item()


def judge_alone(
    judge: nn.Module,
    scenes: tuple[Tensor, Tensor],
    held: tuple[Tensor, Tensor],
    checks: Iterable[int],
    seed: int = 0,
    shuffle: bool = False,
) -> list[float]:
    """Teach a judge to tell the first of `scenes` from the second; `ranked` of `held` on the way.

    `checks` are the steps at which it is asked, the last of which ends the training. With
    `shuffle` the labels are random.
    """
    rng = torch.Generator().manual_seed(seed)
    moves, checks, answers = adam(judge, 1e-3), list(checks), []
    for step in range(checks[-1] + 1):
        if step in checks:
            answers.append(ranked(judge, *held))
        x = torch.cat([crops(part, rng) for part in scenes])
        if shuffle:
            x = x[torch.randperm(8, generator=rng)]
        descend(discriminator_loss(judge(x[:4]), judge(x[4:])), moves)
    return answers
