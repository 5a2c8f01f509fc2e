"""What lesson 02 looks with: the bare wiring of a network, and what a pixel depends on."""

from __future__ import annotations

from contextlib import AbstractContextManager
from unittest import mock

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from cclgan_lite.course.figures import pictures


def wiring(network: nn.Module) -> nn.Module:
    """The same connections, all weights positive, in float64."""
    for p in network.double().parameters():
        nn.init.constant_(p, 1 / p[0].numel() if p.ndim == 4 else 0.0)
    return network


def without_norms() -> AbstractContextManager:
    """Inside, the group norm that instance norm calls does nothing."""
    return mock.patch.object(F, "group_norm", lambda x, groups: x)


def field(value: Tensor, image: Tensor) -> int:
    """Side of the square of `image` where the gradient of `value` is not zero."""
    (gradient,) = torch.autograd.grad(value, image, retain_graph=True)
    where = gradient[0].abs().sum(0).nonzero()
    return (where.max(0).values - where.min(0).values + 1)[0].item()


def influence(generator: nn.Module, image: Tensor) -> Tensor:
    """|gradient| of the middle pixel's correction (output - input), [H, W], with sum 1."""
    image = image.clone().requires_grad_()
    change = generator(image) - image
    middle = image.shape[-1] // 2
    change[0, :, middle, middle].sum().backward()
    heat = image.grad[0].abs().sum(0)
    return heat / heat.sum()


def inside(heat: Tensor, side: int) -> float:
    """The part of an influence within the middle square."""
    middle = heat.shape[-1] // 2
    window = slice(middle - side // 2, middle + 1 + side // 2)
    return heat[window, window].sum().item()


def influence_maps(heats: dict[str, Tensor], sides: dict[str, int]) -> Figure:
    """Influences by title on one logarithmic scale, the computed field of `sides` as a square."""
    scale = {"vmin": -9, "vmax": -3}
    figure = pictures([(h.clamp_min(1e-12).log10(), scale) for h in heats.values()], [*heats])
    for axis, heat, title in zip(figure.axes, heats.values(), heats, strict=False):
        draw_square(axis, sides[title], heat.shape[-1])
    figure.colorbar(
        figure.axes[0].images[0], ax=figure.axes, shrink=0.7, label="log10 of influence"
    )
    return figure


def draw_square(axis: plt.Axes, side: int, size: int) -> None:
    """A white square in the middle of a picture of `size` pixels."""
    corner = ((size - side) / 2,) * 2
    axis.add_patch(plt.Rectangle(corner, side, side, lw=2, fill=False, edgecolor="white"))
    axis.set(xlim=(0, size), ylim=(size, 0))


def receptive_square(scene: Tensor, downsamplings: int, blocks: int, kernel: int) -> Figure:
    """A scene [3, H, H] with the field of an encoder: a 7x7 stem, steps down, residual blocks."""
    layers = [(7, 1)] + downsamplings * [(3, 2)] + 2 * blocks * [(kernel, 1)]
    reach, jump = 1, 1
    for size, stride in layers:
        reach, jump = reach + (size - 1) * jump, jump * stride
    figure = pictures([scene], [f"{reach} pixels"], width=4)
    draw_square(figure.axes[0], reach, scene.shape[-1])
    return figure
