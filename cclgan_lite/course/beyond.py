"""Lesson 12 leaves rain with these: scenes in any degradation, judges, layers, real haze."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from cclgan_lite.course.judging import descend, ranked
from cclgan_lite.course.siblings import JUDGE, ShortRun, crops, small
from cclgan_lite.data.degradations.base import degraded
from cclgan_lite.data.degradations.kinds import sample
from cclgan_lite.data.images import read_rgb, to_tensor
from cclgan_lite.data.pairs import pair_files
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.losses.adversarial import discriminator_loss
from cclgan_lite.methods import NLCL
from cclgan_lite.networks import FlatConfig, GeneratorConfig, PatchDiscriminator, high_pass

# A generator that may change every colour by itself, and starts as the identity.
FREE = GeneratorConfig(
    filters=12, blocks=2, head="residual", norm="none", taps=("down1", "down2", "block1")
)
PLAIN = replace(JUDGE, high_pass=False)  # a judge that sees light and colour
FINE = replace(JUDGE, taps=("conv1", "conv2"))  # whose features tell layers apart
FLAT = FlatConfig(filters=12, blocks=3, taps=("stem", "block1", "block3"))  # NLCL's, smaller


@lru_cache(maxsize=16)
def degraded_pairs(kind: str, n: int, size: int = 96, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(degraded, clean), each [n, 3, size, size] in [-1, 1]: scenes in a `kind` of degradation.

    The scenes of a seed are the same for all kinds. Raises ValueError for an unknown kind.
    """
    spoilt, clean = [], []
    for number in range(n):
        image, depth = render_scene((seed, number, 7), size, size)
        rng = np.random.default_rng((seed, number, 8))
        spoilt.append(_tensor(degraded(sample(kind, rng), image, depth, rng)))
        clean.append(_tensor(image))
    return torch.stack(spoilt), torch.stack(clean)


def unpaired_folders(kind: str, n: int, size: int = 96, seed: int = 1) -> dict[str, Tensor]:
    """{"rainy", "clean"}: `n` degraded scenes, and `n` others that are clean, to train on."""
    return {
        "rainy": degraded_pairs(kind, n, size, seed)[0],
        "clean": degraded_pairs(kind, n, size, seed + 1_000_003)[1],
    }


def _tensor(image: np.ndarray) -> Tensor:
    return to_tensor(np.rint(image * 255).astype(np.uint8))


def judged(kind: str, high_pass: bool, steps: int, scenes: int, seed: int = 0) -> float:
    """How well a judge that was taught `kind` against clean crops ranks unseen scenes.

    The share of couples in which the clean one has the higher mean logit; chance is 0.5. Taught
    on `scenes` of each, asked about three quarters as many. The seed draws weights and crops.
    """
    folders = unpaired_folders(kind, scenes)
    torch.manual_seed(seed)
    judge = PatchDiscriminator(replace(JUDGE, high_pass=high_pass))
    adam = torch.optim.Adam(judge.parameters(), 4e-3, betas=(0.5, 0.999))
    for number in range(steps):
        seen = crops(folders, (seed, number), 64, 4)
        loss = discriminator_loss(judge(seen["clean"]), judge(seen["rainy"]))
        descend(loss, adam)
    unseen = 3 * scenes // 4
    others = degraded_pairs(kind, unseen, 96, 77)[0]
    return ranked(judge.eval(), degraded_pairs(kind, unseen, 96, 78)[1], others)


def autocontrast(images: Tensor) -> Tensor:
    """Each channel of each picture [B, 3, H, W], stretched from its 1 % to its 99 %."""
    ends = images.flatten(2).quantile(torch.tensor([0.01, 0.99]), -1)
    low, high = ends[..., None, None]
    return ((images - low) / (high - low)).clamp(0, 1) * 2 - 1


def blurred(images: Tensor) -> Tensor:
    """A Gaussian blur of 0.8 pixels of [B, 3, H, W]."""
    return torch.from_numpy(gaussian_filter(images.numpy(), (0, 0, 0.8, 0.8)))


def nlcl(*without: str) -> NLCL:
    """NLCL at a small size, without some of its losses."""
    method = small(NLCL(), FLAT, FINE)
    off = {name: replace(getattr(method, name), weight=0.0) for name in without}
    return replace(method, **off)


@torch.no_grad()
def two_layers(run: ShortRun, rainy: Tensor) -> tuple[Tensor, Tensor]:
    """What NLCL makes of pictures: background and rain, which add up to about the picture."""
    return run.networks["derainer"](rainy), run.networks["rain_generator"](rainy)


def alike(a: Tensor, b: Tensor) -> float:
    """Correlation of the fine structure of two stacks [B, 3, H, W], mean over pictures.

    Over the pixels of each picture's high-pass.
    """
    a, b = (high_pass(x).flatten(1) for x in (a, b))
    a, b = (x - x.mean(1, keepdim=True) for x in (a, b))
    return nn.functional.cosine_similarity(a, b, dim=1).mean().item()


def by_seed(values: Iterable[float], digits: int = 2, sign: str = "") -> str:
    """One number for each seed, as lessons print what varies; `sign` "+" writes it out."""
    return ", ".join(f"≈ {value:{sign}.{digits}f}" for value in values)


def real_haze() -> tuple[Tensor, Tensor] | None:
    """(hazy, clean) photographs of `ihaze_small`, [N, 3, H, W]; None where it is not here.

    The folder is looked for where CCLGAN_DATA says, else in `data`. Of every picture the largest
    middle part that all have, with sides that generators take.
    """
    folder = Path(os.environ.get("CCLGAN_DATA", "data")) / "ihaze_small"
    if not folder.is_dir():
        return None
    pairs = pair_files(folder / "hazy", folder / "clean")
    pictures = [[to_tensor(read_rgb(path)) for path in (hazy, clean)] for _, hazy, clean in pairs]
    rows, columns = (min(p.shape[i] for both in pictures for p in both) // 4 * 4 for i in (1, 2))

    def middle(picture: Tensor) -> Tensor:
        top, left = (picture.shape[1] - rows) // 2, (picture.shape[2] - columns) // 2
        return picture[:, top : top + rows, left : left + columns]

    hazy, clean = (torch.stack([middle(p) for p in each]) for each in zip(*pictures, strict=True))
    return hazy, clean
