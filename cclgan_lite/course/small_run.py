"""The small run of lesson 08: what a loss does, over the same crops with and without it.

A CCLGAN that trains in half a minute: generators at full resolution, judges of fine structure. A
step begins with a seed made of the run's seed and its own number; crops are drawn first, then
what the losses draw, in their order, so that a loss that joins at the end changes nothing for
those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.course.judging import crops, psnr
from cclgan_lite.course.scenes import unpaired_scenes
from cclgan_lite.losses import LCL
from cclgan_lite.losses.term import Term
from cclgan_lite.methods import CCLGAN
from cclgan_lite.networks import (
    DiscriminatorConfig,
    PatchDiscriminator,
    PatchProjection,
    high_pass,
)
from cclgan_lite.networks.embedder import build_embedder
from cclgan_lite.training.step import Step, training_step

# Weights of eq. 11 but LCL's, which at 2 has most of the gradient.
METHOD = CCLGAN(embedder="tiny-rain-clip", projection=64, lcl=LCL(weight=0.2))
LOOK = DiscriminatorConfig(filters=16, layers=2, norm="spectral", high_pass=True, taps=("conv2",))


class SmallGenerator(nn.Module):
    """x + correction(x) at full resolution; starts as the identity, free to repaint everything."""

    taps = ("layer1", "layer3")

    def __init__(self, filters: int = 16, dilations: tuple[int, ...] = (1, 2, 4, 2, 1)):
        super().__init__()
        self.first = nn.Conv2d(3, filters, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Conv2d(filters, filters, 3, padding=d, dilation=d) for d in dilations
        )
        self.last = nn.Conv2d(filters, 3, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def tap_channels(self) -> dict[str, int]:
        return dict.fromkeys(self.taps, self.first.out_channels)

    def forward(self, image: Tensor, taps: tuple[str, ...] = ()):
        x, seen = F.leaky_relu(self.first(image), 0.2), {}
        for i, layer in enumerate(self.layers, 1):
            x = seen[f"layer{i}"] = x + F.leaky_relu(layer(x), 0.2)
        output = image + self.last(x)
        return (output, {t: seen[t] for t in taps}) if taps else output


def small_networks(seed: int = 0) -> nn.ModuleDict:
    torch.manual_seed(seed)
    made = {name: SmallGenerator() for name in ("derainer", "rainer")}
    for name in ("discriminator_clean", "discriminator_rainy"):
        made[name] = PatchDiscriminator(LOOK)
    for name in list(made):
        made[f"{name}_mlp"] = PatchProjection(made[name].tap_channels(), 64)
    return nn.ModuleDict(made | {"embedder": build_embedder("tiny-rain-clip")})


@dataclass
class SmallRun:
    """`rows` of measurements and the derained pictures `shots` on the way; see `small_run`."""

    networks: nn.ModuleDict
    rows: list[dict[str, float]] = field(default_factory=list)
    shots: list[Tensor] = field(default_factory=list)


def small_run(
    losses: Iterable[str],
    steps: int,
    measured: Callable[[nn.Module], tuple[dict[str, float], Tensor]],
    seed: int = 0,
    size: int = 64,
    scenes: int = 32,
    shots: int = 4,
) -> SmallRun:
    """Train with the named losses of eq. 11; `measured(derainer)` gives a row and pictures."""
    run = SmallRun(small_networks(seed))
    terms = {name: METHOD.terms()[name] for name in losses}
    optimizers = {
        player: torch.optim.Adam(
            [p for n in METHOD.players()[player].networks for p in run.networks[n].parameters()],
            rate,
            betas=(0.5, 0.999),
        )
        for player, rate in (("generators", 2e-3), ("discriminators", 6e-3))
    }
    data = dict(zip(("rainy", "clean"), unpaired_scenes(scenes), strict=True))
    for number in range(steps):
        torch.manual_seed(1_000_003 * seed + number)
        images = {name: crops(pictures, None, size, batch=2) for name, pictures in data.items()}
        training_step(asked(run.networks, images, terms), terms, optimizers)
        if (number + 1) % (steps // shots) == 0:
            row, pictures = measured(run.networks["derainer"])
            run.rows.append({"step": number + 1} | row)
            run.shots.append(pictures)
    return run


def asked(networks: nn.ModuleDict, images: dict[str, Tensor], terms: Mapping[str, Term]) -> Step:
    """One step of these networks, which makes what the terms look at."""
    looks = [look for term in terms.values() for look in term.looks()]
    return Step(networks, METHOD.wiring, looks, images)


def removed_and_damage(
    derain: Callable[[Tensor], Tensor], rainy: Tensor, clean: Tensor
) -> tuple[dict[str, float], Tensor]:
    """What a derainer does to unseen pairs [B, 3, H, W], and its pictures.

    `removed`, the share of the rain's fine structure that is gone; `damage`, how far clean
    pictures are moved, in grey levels; `psnr` in dB, which counts both.
    """
    with torch.no_grad():
        made = derain(rainy).clamp(-1, 1)
        gone, rain = high_pass(rainy - made), high_pass(rainy - clean)
        row = {
            "removed": ((gone * rain).sum() / rain.square().sum()).item(),
            "damage": 127.5 * (derain(clean) - clean).abs().mean().item(),
            "psnr": psnr(made, clean),
        }
    return row, made


@contextmanager
def counting(networks: nn.ModuleDict) -> Iterator[dict[str, int]]:
    """How many passes each network but the MLPs makes while this is open."""
    passes = {name: 0 for name in networks if not name.endswith("mlp")}

    def count(name: str):
        def hook(*_) -> None:
            passes[name] += 1

        return networks[name].register_forward_hook(hook)

    hooks = [count(name) for name in passes]
    try:
        yield passes
    finally:
        for hook in hooks:
            hook.remove()


def each_gradient(
    found: Mapping[str, Mapping[str, Tensor]], of: Sequence[Tensor]
) -> dict[tuple[str, str], Tensor]:
    """The gradient of {loss: {audience: value}} on `of`, a flat vector for each of both."""
    return {
        (name, audience): torch.cat(
            [
                g.flatten()
                for g in torch.autograd.grad(value, of, retain_graph=True, materialize_grads=True)
            ]
        )
        for name, by_audience in found.items()
        for audience, value in by_audience.items()
    }


def gradients(
    networks: nn.ModuleDict, rainy: Tensor, clean: Tensor, seed: int = 0
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """The derained picture, and each loss's gradient on it and (flat) on the derainer."""
    torch.manual_seed(seed)
    terms = METHOD.terms()
    step = asked(networks.eval(), {"rainy": rainy, "clean": clean}, terms)
    picture, own = step.image("derained"), list(networks["derainer"].parameters())
    at_picture, at_derainer = {}, {}
    for name, term in terms.items():
        got = torch.autograd.grad(term(step)["generators"], [picture, *own], retain_graph=True)
        at_picture[name] = got[0]
        at_derainer[name] = torch.cat([g.flatten() for g in got[1:]])
    return picture.detach(), at_picture, at_derainer
