"""Does intra-CCL steer? Descend it on the pixels of one rainy picture, with no network between.

A generator may change a picture in few ways; free pixels may change in all of them. What the loss
alone asks for is therefore seen here, and whether it is deraining is measured with the truth.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from cclgan_lite.losses.intra_ccl import intra_ccl

Free = Literal["pixels", "layer"]


def descend(
    embedder: nn.Module,
    rainy: Tensor,
    clean: Tensor,
    negative: Tensor,
    *,
    free: Free = "pixels",
    steps: int = 60,
    lr: float = 0.01,
) -> tuple[Tensor, list[float]]:
    """Adam on eq. 2, as for a re-derained picture that must look clean; all images [1, 3, H, W].

    The anchor starts as `rainy` and is changed; its positive is `clean`, a picture of another
    scene; its negatives are `negative`, a rainy picture of a third scene (real), and `rainy`
    itself (fake, weight 0.1). With `free="layer"` only one grey layer that is taken away may
    change, |s| with s [1, 1, H, W], the form of the demo's generator; with "pixels" everything.

    Returns the picture in [-1, 1] and the loss before each step and after the last.
    """
    with torch.no_grad():
        positive, real, fake = (embedder(image) for image in (clean, negative, rainy))
    start = rainy.clone() if free == "pixels" else torch.full_like(rainy[:, :1], 1e-3)
    variable = start.requires_grad_()
    optimizer, losses = torch.optim.Adam([variable], lr=lr), []
    for step in range(steps + 1):
        image = (variable if free == "pixels" else rainy - variable.abs()).clamp(-1, 1)
        loss = intra_ccl(embedder(image), positive, real, fake)
        losses.append(loss.item())
        if step < steps:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return image.detach(), losses
