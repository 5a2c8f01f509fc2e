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


def self_similar_places(
    images: Tensor, features: dict[str, Tensor], patches: int, side: int = 16, window: int = 40
) -> dict[str, Tensor]:
    """NLCL's places: at most `patches` for each image where it looks most like itself, nearest
    first; indices y W + x [B, P] on every tap's grid.

    A patch of `side` pixels is drawn at random. Of all patches whose centres lie in the square of
    `window` pixels around its own, those are kept that differ least from it in the sum of squares;
    their centres are the places. At a border the square moves inwards.
    """
    height, width = images.shape[2:]
    side = min(side, height, width)
    rows, columns = (min(window, n - side) + 1 for n in (height, width))
    centres = []
    for image in images.detach():
        y, x = (int(torch.randint(n - side + 1, ())) for n in (height, width))
        top = min(max(y - rows // 2, 0), height - side + 1 - rows)
        left = min(max(x - columns // 2, 0), width - side + 1 - columns)
        region = image[None, :, top : top + rows + side - 1, left : left + columns + side - 1]
        drawn = image[:, y : y + side, x : x + side].reshape(1, -1, 1)
        distance = (F.unfold(region, side) - drawn).square().sum(1)[0]  # [rows columns]
        kept = distance.topk(min(patches, len(distance)), largest=False).indices
        centres.append(torch.stack([top + kept // columns, left + kept % columns]) + side // 2)
    y, x = torch.stack(centres, 1)  # [B, P] each
    return {
        tap: y * f.shape[2] // height * f.shape[3] + x * f.shape[3] // width
        for tap, f in features.items()
    }


def gather_patches(features: Tensor, places: Tensor) -> Tensor:
    """[B, C, H, W] at places [P], or [B, P] of each image, -> [B, P, C]."""
    features = features.flatten(2)
    if places.ndim == 2:
        return features.gather(2, places[:, None].expand(-1, features.shape[1], -1)).mT
    return features.index_select(2, places).mT  # without a copy of the whole map
