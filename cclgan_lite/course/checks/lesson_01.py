"""Checks of lesson 01, rain."""

from __future__ import annotations

import numpy as np
import torch

from cclgan_lite.course.exercises import Wrong, check, number
from cclgan_lite.data.images import to_uint8
from cclgan_lite.data.rain import compose, streak_transmission
from cclgan_lite.evaluation.metrics import luma, psnr


@check("streak_map")
def check_streak_map(answer):
    """Two layers, at 2 and 20 m, over surfaces at 1, 2, 10 and 100 m."""
    rng = np.random.default_rng(0)
    depth, surfaces = np.array([[1.0, 2.0, 10.0, 100.0]]), "1, 2, 10 and 100 m"
    layers, depths, alpha, d1 = list(rng.uniform(0.3, 0.6, (2, 1, 4))), [2.0, 20.0], 0.1, 5.0
    plain = np.array([layer[0] for layer in layers])

    def seen(near, far):
        """R where both layers, the first alone, or none is in front of the surface."""
        return np.array([[0.0, 0.0, near[2], 1 - (1 - near[3]) * (1 - far[3])]])

    near, far = (S * streak_transmission(z, alpha, d1) for S, z in zip(plain, depths, strict=True))
    want, both = seen(near, far), 1 - (1 - near) * (1 - far)
    got = np.asarray(answer(layers, depths, depth, alpha, d1), dtype=float)
    if got.shape != want.shape:
        raise Wrong(f"R has the shape of depth, {want.shape}; yours is {got.shape}")

    def near_to(value):
        return np.allclose(got, value, rtol=1e-4, atol=1e-6)

    unlimited = [np.exp(-alpha * z) * S for S, z in zip(plain, depths, strict=True)]
    surface = streak_transmission(depth[0], alpha, d1)
    if near_to(1 - want):
        raise Wrong("this is the light that passes; R is the part that is replaced: 1 minus it")
    if near_to(both[None]):
        raise Wrong("streaks behind a surface are hidden: a layer counts only where z < depth")
    if near_to([[both[0], far[1], far[2], 0.0]]) or near_to([[both[0], both[1], far[2], 0.0]]):
        raise Wrong("the condition is the wrong way round: a layer counts where z < depth")
    if near_to([[0.0, near[1], near[2], both[3]]]):
        raise Wrong("a layer counts where z < depth; at the very depth of the surface it does not")
    if near_to([[0.0, 0.0, near[2], near[3] + far[3]]]):
        raise Wrong("adding streaks can exceed all the light: multiply what passes each layer")
    if near_to(seen(*plain)):
        raise Wrong("the streaks do not fade: multiply each layer by its transmission t_r(z)")
    if near_to(seen(*(plain * surface))):
        raise Wrong("a streak fades by its own distance z, not by the depth of the surface")
    if near_to(seen(*unlimited)):
        raise Wrong("nearer than d1 a streak gets no brighter: t_r has max(d1, z)")
    if not near_to(want):
        raise Wrong(
            f"at depths {surfaces} R should be {want[0].round(4)}, yours is {got[0].round(4)}"
        )


@check("uncompose")
def check_uncompose(answer):
    """A random picture through the package's `compose` and back."""
    rng = np.random.default_rng(0)
    clean = rng.uniform(size=(4, 5, 3))
    streaks, veil, airlight = rng.uniform(0, 0.4, (4, 5)), rng.uniform(0, 0.4, (4, 5)), 0.7
    rainy = compose(clean, streaks, veil, airlight).astype(float)
    got = np.asarray(answer(rainy, streaks, veil, airlight), dtype=float)
    if got.shape != clean.shape:
        raise Wrong(f"J has the shape of I, {clean.shape}; yours is {got.shape}")
    R, A = streaks[..., None], veil[..., None]

    def near(value):
        return np.allclose(got, value, atol=1e-5)

    added = R + airlight * A
    if near(rainy - added):
        raise Wrong("what was added is gone, but J is still dimmed: divide by 1 - R - A")
    if near((rainy - R - A) / (1 - R - A)):
        raise Wrong("haze adds airlight times A, not A")
    if near((rainy - R) / (1 - R - A)):
        raise Wrong("the airlight of the haze, A0 A, was added too: subtract it")
    if near((rainy - added) / (1 - R)):
        raise Wrong("haze dims J as well: divide by 1 - R - A")
    if near((rainy + added) / (1 - R - A)):
        raise Wrong("the sign: R and A0 A were added, so subtract them")
    if not near(clean):
        raise Wrong(
            f"compose and back should be the identity; the largest difference is "
            f"{np.abs(got - clean).max():.3f}"
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
    got = number(answer(images, truths))
    # The mistakes, as numbers.
    pooled = psnr(*(np.concatenate(side) for side in zip(*lumas, strict=True)))
    rgb = np.mean([psnr(x.astype(float), y.astype(float)) for x, y in files])
    raw = np.mean([psnr(x / 127.5, y / 127.5) for x, y in files])
    mse = [np.mean((x - y) ** 2) for x, y in lumas]
    unit = float(np.mean([-10 * np.log10(m) for m in mse]))

    def near(value):
        return abs(got - value) < 5e-3

    if near(pooled):
        raise Wrong(
            "this pools the errors of all pictures before the logarithm: take the PSNR of "
            "each picture, then the mean"
        )
    if near(raw):
        raise Wrong(
            "these are RGB values in [-1, 1], while the peak of 255 belongs to 0 to 255: "
            "use luma first"
        )
    if near(rgb):
        raise Wrong("this is the PSNR of RGB: use luma first")
    if near(np.mean(each) - 20 * np.log10(255 / 219)):
        raise Wrong(
            "this is full-range luma (or the peak 219): Y runs from 16 to 235 and the peak is 255"
        )
    if near(sum(each)):
        raise Wrong("this is the sum over the pictures, not their mean")
    if near(min(each)) or near(max(each)):
        raise Wrong("this is the PSNR of one picture; the mean over all is wanted")
    if near(unit):
        raise Wrong("the peak is missing: 255 squared over the mean squared error")
    if near(np.mean(each) / 2):
        raise Wrong("10 log10 of squared quantities, or 20 log10 of their roots")
    if not near(float(np.mean(each))):
        raise Wrong(f"should be {np.mean(each):.3f} dB, yours is {got:.3f}")
