"""A generator of hard negatives (Wang et al., "Instance-wise hard negative example generation for
contrastive learning in unpaired image-to-image translation", NEGCUT, ICCV 2021)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.layers import init_weights
from cclgan_lite.networks.projection import PatchProjection


class NegativeGenerator(nn.Module):
    """What a picture's features might look like elsewhere: unit vectors out of noise.

    For each tap, the spatial mean of the features, projected by slow copies of an encoder's MLPs,
    joined with noise in R^`noise`, goes through two layers: `count` negatives a picture, each with
    noise of its own. The slow copies learn nothing; they `follow`.
    """

    def __init__(
        self, channels: dict[str, int], width: int = 256, count: int = 256, noise: int = 64
    ):
        super().__init__()
        self.count, self.noise = count, noise
        self.slow = PatchProjection(channels, width).requires_grad_(False)
        self.mlps = nn.ModuleDict(
            {
                tap: nn.Sequential(
                    nn.Linear(width + noise, width), nn.ReLU(), nn.Linear(width, width)
                )
                for tap in channels
            }
        )
        init_weights(self)

    @torch.no_grad()
    def follow(self, projection: PatchProjection, decay: float) -> None:
        """slow <- decay slow + (1 - decay) projection, weight by weight."""
        for slow, fast in zip(self.slow.parameters(), projection.parameters(), strict=True):
            slow.lerp_(fast, 1 - decay)

    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Features [B, C, H, W] per tap -> negatives [B, count, width] per tap.

        The features are constants: their network is not to make negatives easy.
        """
        everywhere = {
            tap: torch.arange(f.shape[2] * f.shape[3], device=f.device)
            for tap, f in features.items()
        }
        with torch.no_grad():
            means = {tap: v.mean(1) for tap, v in self.slow(features, everywhere).items()}
        negatives = {}
        for tap, mlp in self.mlps.items():
            mean = means[tap][:, None].expand(-1, self.count, -1)
            noise = torch.randn(*mean.shape[:2], self.noise, device=mean.device)
            negatives[tap] = F.normalize(mlp(torch.cat([mean, noise], -1)), dim=-1)
        return negatives
