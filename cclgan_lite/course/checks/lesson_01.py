"""Checks of lesson 01, rain."""

from __future__ import annotations

import numpy as np
import torch

from cclgan_lite.course.exercises import Wrong, check, expect, number
from cclgan_lite.data.images import to_uint8
from cclgan_lite.data.rain import compose, streak_transmission
from cclgan_lite.evaluation.metrics import luma, psnr


@check("streak_map")
def check_streak_map(answer):
    """Two layers, at 2 and 20 m, over surfaces at 1, 2, 10 and 100 m."""
    rng = np.random.default_rng(0)
    depth, depths, alpha, d1 = np.array([[1.0, 2.0, 10.0, 100.0]]), [2.0, 20.0], 0.1, 5.0
    layers = list(rng.uniform(0.3, 0.6, (2, 1, 4)))
    plain = np.array([layer[0] for layer in layers])

    def seen(near, far):
        """R where both layers, the first alone, or none is in front of the surface."""
        return np.array([[0.0, 0.0, near[2], 1 - (1 - near[3]) * (1 - far[3])]])

    near, far = (S * streak_transmission(z, alpha, d1) for S, z in zip(plain, depths, strict=True))
    want, both = seen(near, far), 1 - (1 - near) * (1 - far)
    got = np.asarray(answer(layers, depths, depth, alpha, d1), dtype=float)
    if got.shape != want.shape:
        raise Wrong(f"R has the shape of depth, {want.shape}; yours is {got.shape}")
    unlimited = [np.exp(-alpha * z) * S for S, z in zip(plain, depths, strict=True)]
    by_surface = plain * streak_transmission(depth[0], alpha, d1)
    behind = [[both[0], far[1], far[2], 0.0]], [[both[0], both[1], far[2], 0.0]]
    expect(
        got,
        want,
        {
            "this is the light that passes; R is the part that is replaced: 1 minus it": 1 - want,
            "streaks behind a surface are hidden: a layer counts only where z < depth": both[None],
            "the condition is the wrong way round: a layer counts where z < depth": [*behind],
            "z < depth: a layer at the very depth of the surface does not count": [
                [[0.0, near[1], near[2], both[3]]]
            ],
            "adding streaks can exceed all the light: multiply what passes each layer": [
                [[0.0, 0.0, near[2], near[3] + far[3]]]
            ],
            "the streaks do not fade: multiply each layer by its transmission t_r(z)": seen(
                *plain
            ),
            "a streak fades by its own distance z, not by the depth of the surface": (
                seen(*by_surface)
            ),
            "nearer than d1 a streak gets no brighter: t_r has max(d1, z)": seen(*unlimited),
        },
        f"at depths 1, 2, 10 and 100 m R should be {want[0].round(4)}, yours is {got[0].round(4)}",
        tolerance=1e-6,
    )


@check("uncompose")
def check_uncompose(answer):
    """A random picture through the package's `compose` and back."""
    rng = np.random.default_rng(0)
    clean = rng.uniform(size=(4, 5, 3))
    streaks, veil, airlight = rng.uniform(0, 0.4, (4, 5)), rng.uniform(0, 0.4, (4, 5)), 0.7
    rainy = compose(clean, streaks, veil, airlight).astype(float)
    R, A = streaks[..., None], veil[..., None]
    added, left = R + airlight * A, 1 - R - A
    expect(
        np.asarray(answer(rainy, streaks, veil, airlight), dtype=float),
        clean,
        {
            "what was added is gone, but J is still dimmed: divide by 1 - R - A": rainy - added,
            "haze adds airlight times A, not A": (rainy - R - A) / left,
            "the airlight of the haze, A0 A, was added too: subtract it": (rainy - R) / left,
            "haze dims J as well: divide by 1 - R - A": (rainy - added) / (1 - R),
            "the sign: R and A0 A were added, so subtract them": (rainy + added) / left,
        },
        "compose and back should be the identity",
        tolerance=1e-5,
    )


@check("psnr_y")
def check_psnr_y(answer):
    """Two pictures of very different error, against the package."""
    generator = torch.Generator().manual_seed(0)
    truths = torch.rand(2, 3, 16, 20, generator=generator).mul(255).round() / 127.5 - 1
    shift = torch.tensor([4.0, 40.0])[:, None, None, None] / 127.5
    colour = torch.tensor([1.0, -0.5, 2.0])[:, None, None]
    images = ((truths + shift * colour).clamp(-1, 1) * 127.5 + 127.5).round() / 127.5 - 1
    files = [(to_uint8(x), to_uint8(y)) for x, y in zip(images, truths, strict=True)]
    lumas = [(luma(x), luma(y)) for x, y in files]
    each = [psnr(x, y) for x, y in lumas]
    want, got = np.mean(each), number(answer(images, truths))
    expect(
        got,
        want,
        {
            "this pools the errors of all pictures before the logarithm: take the PSNR of each "
            "picture, then the mean": psnr(*map(np.concatenate, zip(*lumas, strict=True))),
            "these are RGB values in [-1, 1], while the peak of 255 belongs to 0 to 255: use luma "
            "first": np.mean([psnr(x / 127.5, y / 127.5) for x, y in files]),
            "this is the PSNR of RGB: use luma first": np.mean(
                [psnr(1.0 * x, y) for x, y in files]
            ),
            "this is full-range luma (or the peak 219): Y runs from 16 to 235, the peak is 255": (
                want - 20 * np.log10(255 / 219)
            ),
            "this is the sum over the pictures, not their mean": sum(each),
            "this is the PSNR of one picture; the mean over all is wanted": each,
            "the peak is missing: 255 squared over the mean squared error": np.mean(
                [-10 * np.log10(np.mean((x - y) ** 2)) for x, y in lumas]
            ),
            "10 log10 of squared quantities, or 20 log10 of their roots": want / 2,
        },
        f"should be {want:.3f} dB, yours is {got:.3f}",
        tolerance=3e-3,
    )
