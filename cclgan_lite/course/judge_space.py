"""Experiments of lesson 07: the space of a judge that descends inter-CCL, and what it pays for.

The generators stand still: a half-finished pair takes their place, made with the truth, which is
used for nothing else. r and n show different scenes. Only D_n and eq. 4 are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from cclgan_lite.course.figures import pictures
from cclgan_lite.course.scenes import scene_pairs
from cclgan_lite.course.schematic import schematic
from cclgan_lite.losses import inter_ccl
from cclgan_lite.networks import (
    DiscriminatorConfig,
    PatchDiscriminator,
    PatchProjection,
    sample_places,
)


def distance(a: Tensor, b: Tensor) -> Tensor:
    """d(a, b) per picture: [B, ...] twice -> [B]."""
    return (a - b).abs().flatten(1).mean(1)


def with_gradients(value: Tensor, networks: nn.Module) -> list[Tensor]:
    """The value and its gradient on every parameter."""
    own = list(networks.parameters())
    return [value, *torch.autograd.grad(value, own, allow_unused=True, materialize_grads=True)]


@dataclass
class Space:
    """A small judge and its MLPs; `curve` [steps, 2]: eq. 4 and the game's loss in training."""

    judge: PatchDiscriminator
    mlp: PatchProjection
    curve: np.ndarray

    def vectors(self, image: Tensor) -> dict[str, Tensor]:
        """At all places: {tap: [B, P, width]}."""
        features = self.judge.encode(image, self.judge.taps)
        places = {t: torch.arange(f[0, 0].numel()) for t, f in features.items()}
        return self.mlp(features, places)

    def eq_4(self, derained: Tensor, rainy: Tensor, clean: Tensor) -> Tensor:
        """Its value where n* is n, the mean over taps; r and n are of different scenes."""
        g, r, n = map(self.vectors, (derained, rainy, clean))
        return sum(inter_ccl(g[t], n[t], n[t], r[t]) for t in g) / len(g)

    @torch.no_grad()
    def rain_to_content(self, rainy: Tensor, clean: Tensor) -> float:
        """rho / c, the mean over taps; the same scenes [B, 3, H, W] with and without rain."""
        r, n = map(self.vectors, (rainy, clean))
        ratios = []
        for tap, v in n.items():
            content = [distance(v, v.roll(k, 0)) for k in range(1, len(v))]
            ratios.append(distance(r[tap], v).mean() / torch.stack(content).mean())
        return (sum(ratios) / len(ratios)).item()


def space(seed: int = 0) -> Space:
    """Untrained."""
    torch.manual_seed(seed)
    judge = PatchDiscriminator(DiscriminatorConfig(filters=16, norm="spectral", high_pass=True))
    return Space(judge, PatchProjection(judge.tap_channels(), 64), np.zeros((0, 2)))


def checkerboard(size: int) -> Tensor:
    """A faint pattern, such as upsampling can leave behind."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return 0.1 - 0.2 * ((y + x) % 2)


def trained_space(
    seed: int,
    who: str = "judge and MLPs",
    weight: float = 0.1,
    shuffle: bool = False,
    pattern: bool = False,
    steps: int = 150,
    scenes: int = 32,
) -> Space:
    """The judge's game on n against derained, plus eq. 4 for `who` ("", "MLPs", "judge and MLPs").

    `shuffle` draws the four roles anew at each step; with `pattern` the derained picture is the
    rainy one with a checkerboard.
    """
    made, rng = space(seed), torch.Generator().manual_seed(seed)
    judge, mlp = made.judge, made.mlp
    sets = [torch.stack(scene_pairs(scenes, seed=s)) for s in (11, 21)]  # of r, of n
    adam = torch.optim.Adam([*judge.parameters(), *mlp.parameters()], 1e-3, betas=(0.5, 0.999))
    curve = []
    for step in range(steps):
        adam.param_groups[0]["lr"] = 1e-3 * min(1, 2 - 2 * step / steps)
        g, s, n, r = _stand_ins(sets, rng, pattern)
        logits, features = judge(torch.cat([n, g, s, r]), judge.taps, count=8)  # of n and g alone
        game = ((logits[:4] - 1).square().mean() + logits[4:].square().mean()) / 2
        if "judge" not in who:  # the loss ends at the features
            features = {t: f.detach() for t, f in features.items()}
        vectors = mlp(features, sample_places(features, 64))
        n, g, s, r = zip(*(v.chunk(4) for v in vectors.values()), strict=True)
        roles = [g, s, n, r]
        if shuffle:
            roles = [roles[i] for i in torch.randperm(4, generator=rng).tolist()]
        inter = sum(inter_ccl(*tap) for tap in zip(*roles, strict=True)) / len(vectors)
        adam.zero_grad()
        (game + (weight if who else 0.0) * inter).backward()
        if "MLPs" not in who:
            mlp.zero_grad()  # without a gradient Adam leaves them alone
        adam.step()
        curve.append((inter.item(), game.item()))
    judge.eval()
    made.curve = np.array(curve)
    return made


def _stand_ins(sets: list[Tensor], rng: torch.Generator, pattern: bool) -> tuple[Tensor, ...]:
    """derained, rederained, clean, rainy of a half-finished pair, 4 crops of 64 pixels."""

    def crops(pairs: Tensor) -> Tensor:
        chosen = torch.randint(pairs.shape[1], (4,), generator=rng)
        y, x = torch.randint(129 - 64, (2,), generator=rng).tolist()
        return pairs[:, chosen, :, y : y + 64, x : x + 64]

    (r, truth), (shower, n) = map(crops, sets)
    if pattern:
        return r + checkerboard(64), n + 0.3 * checkerboard(64), n, r
    return r - 0.7 * (r - truth), n + 0.3 * (shower - n), n, r


def roles_figure() -> Figure:
    """Both cycles, and what each picture is in eq. 4; white ones have no part in it."""
    positive, query, negative = "#8fd3bc", "#9cc9e8", "#f0b48c"
    top = ["$r$, rainy: negative", r"$\tilde n$, derained: query", "$r^*$, rerained"]
    bottom = ["$n$, clean: positive", r"$\tilde r$, rained", "$n^*$, rederained: query"]
    colours = [[negative, query, "white"], [positive, "white", query]]
    boxes = {
        name: (x, y, colour)
        for y, names, row in zip((0.75, 0.2), (top, bottom), colours, strict=True)
        for x, name, colour in zip((0.12, 0.5, 0.88), names, row, strict=True)
    }
    arrows = [
        (top[0], top[1], "$G_n$"),
        (top[1], top[2], "$G_r$"),
        (bottom[0], bottom[1], "$G_r$"),
        (bottom[1], bottom[2], "$G_n$"),
    ]
    return schematic(boxes, arrows, size=(8, 1.8))


@torch.no_grad()
def pays(made: Space, derained: list[Tensor], rainy: Tensor, clean: Tensor) -> list[float]:
    """Eq. 4 for each picture that a generator might hand in."""
    return [made.eq_4(picture, rainy, clean).item() for picture in derained]


def pay_figure(shares: Sequence[float], paid: Mapping[str, np.ndarray]) -> Figure:
    """What `pays` found, {space: [seeds, shares]}, over the share of rain removed.

    Marks are means over seeds, thin lines single seeds.
    """
    figure, axis = plt.subplots(figsize=(8, 3.4))
    marks = ("k:", "o-", "s--", "D-", "x:", "+--")
    for (name, curves), mark in zip(paid.items(), marks, strict=True):
        (line,) = axis.plot(shares, curves.mean(0), mark, label=name)
        axis.plot(shares, curves.T, color=line.get_color(), ls=line.get_linestyle(), lw=0.6)
    axis.set(xlabel="share of the rain removed, q", ylabel="eq. 4, new scenes", ylim=(0, 1.3))
    axis.legend(ncol=2, fontsize=9, loc="lower left")
    return figure


def descend_pixels(made: Space, rainy: Tensor, clean: Tensor, steps: int) -> tuple[Tensor, float]:
    """Adam on eq. 4 over free pixels that start rainy; the pictures and the last loss."""
    picture = rainy.clone().requires_grad_()
    adam = torch.optim.Adam([picture], 0.02)
    for _ in range(steps):
        value = made.eq_4(picture, rainy, clean)
        (picture.grad,) = torch.autograd.grad(value, picture)
        adam.step()
    return picture.detach(), value.item()


@torch.no_grad()
def away_from_rain(made: Space, derained: Tensor, rainy: Tensor, clean: Tensor, other: Tensor):
    """A map [H, W] of |derained - rainy| at conv2 over the distance of two clean scenes."""
    g, r, a, b = made.vectors(torch.stack([derained, rainy, clean, other]))["conv2"]
    heat = (g - r).abs().mean(-1) / (a - b).abs().mean()
    side = int(len(heat) ** 0.5)
    return heat.view(side, side)


def follows(heat: Tensor, light: Tensor) -> float:
    """How well a map [H, W] follows light that was removed, [3, h, w]: 1 always, 0.5 by chance.

    The share of couples of a cell among the tenth with most light and one of the half with least,
    in which the map is brighter in the first; a tie counts as half.
    """
    wet = F.adaptive_avg_pool2d(light.abs().mean(0)[None], heat.shape)[0]
    on, off = heat[wet >= wet.quantile(0.9)], heat[wet <= wet.quantile(0.5)]
    return (1 + (on[:, None] - off).sign().mean().item()) / 2


def maps_figure(rainy: Tensor, derained: Tensor, heats: Mapping[str, Tensor]) -> Figure:
    """The rainy picture, the derained one and the light between them, above the maps by space."""
    light = (rainy - derained).mean(0) / 2, {"vmin": 0, "vmax": 0.3, "cmap": "gray"}
    scale = {"vmin": 0, "vmax": 2}
    figure = pictures(
        [[rainy, derained, light], [(heat, scale) for heat in heats.values()]],
        width=8,
        bar=r"maps: $|\tilde n - r|$ in units of $c$",
    )
    titles = (r"rainy $r$", r"derained $\tilde n$", "removed (0 to 0.3)", *heats)
    for axis, title in zip(figure.axes, titles, strict=False):  # the last axis is the bar
        axis.set_title(title)
    return figure
