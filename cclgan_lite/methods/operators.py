"""Images made of other images without a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Transplant:
    """The rain that the derainer sees in one picture, on another: n + k max(0, r - n~).

    Self-collaboration (Lin et al., "Unsupervised image denoising in real-world scenarios via
    self-collaboration parallel generative adversarial branches", ICCV 2023) for rain: the better
    the derainer, the better the pairs it makes for itself. No gradient flows through the layer,
    else it would learn to make easy pairs.
    """

    strength: tuple[float, float] = (0.7, 1.2)  # k is drawn from here, for variety

    def __call__(self, clean: Tensor, rainy: Tensor, derained: Tensor) -> Tensor:
        """[B, 3, H, W] each, in [-1, 1]; scenes of `clean` and `rainy` are unrelated."""
        low, high = self.strength
        k = low + (high - low) * torch.rand((), device=clean.device)  # one for all processes
        return (clean + k * (rainy - derained).detach().clamp(min=0)).clamp(max=1)


def overlay(background: Tensor, layer: Tensor) -> Tensor:
    """Their sum, [B, 3, H, W] each: the picture that they are layers of."""
    return background + layer


def coin(images: Tensor) -> Tensor:
    """A toss for each image: bool [B, 1, 1, 1]."""
    return torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5


def pour(image: Tensor, rendered: Tensor, practice: Tensor) -> Tensor:
    """The shower that was rendered over `practice`, over `image`; [B, 3, H, W], in [-1, 1]."""
    return (image + rendered - practice).clamp(max=1)


def same(image: Tensor) -> Tensor:
    """The image itself under another name."""
    return image
