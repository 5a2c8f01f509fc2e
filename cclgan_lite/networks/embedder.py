"""Frozen image embedders: the semantic space of intra-CCL (section III-B).

Any module will do that is called as `embedder(image, taps)` with images [B, 3, H, W] in [-1, 1],
has `config.taps == ("embedding",)`, and returns `(embedding, {"embedding": embedding})` with
embeddings [B, C], differentiable with respect to the image.
"""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import Tensor, nn


class RandomEmbedder(nn.Module):
    """A fixed random convolutional network: no semantics, no download.

    It stands in for CLIP in tests, and as the control that shows what CLIP's knowledge adds.
    """

    config = SimpleNamespace(taps=("embedding",))

    def __init__(self, width: int = 64, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # leaves the run's random numbers alone
            torch.manual_seed(seed)
            layers: list[nn.Module] = []
            for channels_in, channels_out in ((3, 16), (16, 32), (32, width)):
                layers += [nn.Conv2d(channels_in, channels_out, 4, 2, 1), nn.GELU()]
            self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten())
        freeze(self)

    def forward(self, image: Tensor, taps=(), judged=None):
        embedding = self.features(image)
        return (embedding, {"embedding": embedding}) if taps else embedding


def freeze(network: nn.Module) -> nn.Module:
    """Evaluation mode, no parameter gradients."""
    return network.eval().requires_grad_(False)


def build_embedder(name: str) -> nn.Module:
    """The embedder called `name`; so far only `random`.

    Raises ValueError for any other name.
    """
    if name == "random":
        return RandomEmbedder()
    raise ValueError(f"unknown embedder {name!r}; known: 'random'")
