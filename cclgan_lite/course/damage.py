"""Lesson 01: ways to spoil a picture, the strength at which each has a given PSNR, two figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from cclgan_lite.course.figures import pictures

Measure = Callable[[Tensor, Tensor], Tensor]


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, sigma in pixels."""
    reach = int(3 * sigma) + 1
    t = torch.arange(-reach, reach + 1.0)
    line = torch.exp(-0.5 * (t / max(sigma, 1e-3)) ** 2)
    line = (line / line.sum()).expand(3, 1, 1, -1)
    padded = F.pad(x[None], [reach] * 4, mode="replicate")
    once = F.conv2d(padded, line, groups=3)
    return F.conv2d(once, line.transpose(2, 3), groups=3)[0]


def moved(x: Tensor, pixels: float) -> Tensor:
    """Moved to the right by a fraction of pixels, linear between them."""
    whole = int(pixels)
    wide = F.pad(x[None], (whole + 1, 0, 0, 0), mode="replicate")[0]
    share, width = pixels - whole, x.shape[-1]
    return (1 - share) * wide[..., 1 : width + 1] + share * wide[..., :width]


def strength_at(
    target: float, spoil: Callable[[float], Tensor], measure: Measure, truth: Tensor, high: float
) -> float:
    """The strength at which spoil(strength) has this measure, by bisection."""
    low = 0.0
    for _ in range(30):
        middle = (low + high) / 2
        fine = measure(spoil(middle), truth) > target
        low, high = (middle, high) if fine else (low, middle)
    return low


def spoilt(r: Tensor, n: Tensor) -> dict[str, tuple[Callable[[float], Tensor], float]]:
    """{damage: (function of its strength, largest strength)} of a pair."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(n.shape[1:], generator=generator)
    return {
        "rain": (lambda a: n + a * (r - n), 2.0),
        "brighter": (lambda a: n + a, 1.0),
        "less contrast": (lambda a: n + a * (n.mean() - n), 1.0),
        "moved sideways": (lambda a: moved(n, a), 20.0),
        "blur": (lambda a: blurred(n, a), 8.0),
        "noise": (lambda a: n + a * noise, 1.0),
    }


def equally_spoilt(r: Tensor, n: Tensor, measure: Measure) -> tuple[dict, dict]:
    """{damage: picture} of the clean n, as far from it as the rainy r; {damage: strength}."""
    spoils, target = spoilt(r, n), measure(r, n)
    strength = {
        name: strength_at(target, spoil, measure, n, high)
        for name, (spoil, high) in spoils.items()
    }
    return {name: spoils[name][0](a) for name, a in strength.items()}, strength


def spoilt_pictures(equal: Mapping[str, Tensor], similar: Mapping[str, float]) -> Figure:
    """Six pictures by damage, in two rows, with the SSIM of each."""
    images = list(equal.values())
    figure = pictures([images[:3], images[3:]], width=9)
    for axis, name in zip(figure.axes, equal, strict=True):
        axis.set_title(f"{name}: SSIM {similar[name]:.2f}")
    return figure


def scores_against_rain(table: Mapping[str, np.ndarray]) -> Figure:
    """PSNR (Y) and SSIM (Y) over the share of rain left; rows are (PSNR, SSIM, rain left)."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.9), sharex=True)
    for column, (axis, name) in enumerate(zip(axes, ("PSNR (Y), dB", "SSIM (Y)"), strict=True)):
        for (system, row), mark in zip(table.items(), "osv^DPX", strict=False):
            ring = {"ms": 15, "mfc": "none", "mew": 2} if mark == "o" else {"ms": 9}
            axis.plot(row[2], row[column], mark, label=system, **ring)  # a ring hides nothing
        axis.axhline(table["rainy input"][column], color="grey", ls=":")
        axis.set(xlabel="rain left (0 none, 1 all)", xlim=(1.1, -0.1), ylabel=name)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4)
    return figure
