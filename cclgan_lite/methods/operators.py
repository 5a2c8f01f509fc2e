"""Images made of other images without a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
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
        return (clean + self.draw(clean) * (rainy - derained).detach().clamp(min=0)).clamp(max=1)

    def draw(self, clean: Tensor) -> Tensor:
        low, high = self.strength
        return low + (high - low) * torch.rand((), device=clean.device)  # one for all processes


@dataclass(frozen=True)
class TransplantVeil(Transplant):
    """As `Transplant`, and what the rain takes away: n + k ((t - 1) n + r - t n~).

    Veil and dense rain hide: r = t n~ + b with a transmission t below 1. It is the slope of the
    regression of r on n~ in a window around each pixel, as the guided filter finds it (He et al.,
    "Guided image filtering", PAMI 2013), which leans to 1 where the window shows no contrast.
    """

    window: int = 31  # pixels
    lean: float = 0.01  # variance, of [-1, 1], from which on the slope is believed

    def __call__(self, clean: Tensor, rainy: Tensor, derained: Tensor) -> Tensor:
        rainy, derained = rainy.detach().float(), derained.detach().float()
        mean_r, mean_n = self._mean(rainy), self._mean(derained)
        covariance = (self._mean(rainy * derained) - mean_r * mean_n).mean(1, keepdim=True)
        variance = (self._mean(derained.square()) - mean_n.square()).mean(1, keepdim=True)
        slope = (covariance + self.lean) / (variance + self.lean)
        transmission = self._mean(slope.clamp(0, 1))
        layer = rainy - transmission * derained
        rained = clean + self.draw(clean) * ((transmission - 1) * clean + layer)
        return rained.clamp(-1, 1)

    def _mean(self, x: Tensor) -> Tensor:
        """Over the part of each window that lies inside the picture."""
        return F.avg_pool2d(x, self.window, 1, self.window // 2, count_include_pad=False)
