"""Two-layer MLPs that carry feature patches into a contrastive space (CCLGAN III-B, III-C)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.networks.layers import init_weights


class PatchProjection(nn.Module):
    """One MLP (C -> width -> width) for each tap, then L2 normalisation.

    `channels` gives the channels C of each tap.
    """

    def __init__(self, channels: dict[str, int], width: int = 256):
        super().__init__()
        self.mlps = nn.ModuleDict(
            {
                tap: nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width))
                for tap, c in channels.items()
            }
        )
        init_weights(self)

    def forward(self, features: dict[str, Tensor], places: dict[str, Tensor]) -> dict[str, Tensor]:
        """Features [B, C, H, W] per tap, at P places -> unit vectors [B, P, width] per tap."""
        return {
            tap: F.normalize(mlp(gather_patches(features[tap], places[tap])), dim=-1)
            for tap, mlp in self.mlps.items()
        }


def projections(encoders: Mapping[str, nn.Module], width: int) -> dict[str, nn.Module]:
    """`<name>_mlp` for every encoder, which must offer `tap_channels()`."""
    return {
        f"{name}_mlp": PatchProjection(encoder.tap_channels(), width)
        for name, encoder in encoders.items()
    }


def sample_places(features: dict[str, Tensor], patches: int) -> dict[str, Tensor]:
    """At most `patches` different places of each tap's [H, W] grid, as indices y W + x."""
    return {
        tap: torch.randperm(f.shape[2] * f.shape[3], device=f.device)[:patches]
        for tap, f in features.items()
    }


def gather_patches(features: Tensor, places: Tensor) -> Tensor:
    """[B, C, H, W] at places [P] -> [B, P, C], without a copy of the whole map."""
    return features.flatten(2).index_select(2, places).transpose(1, 2)
