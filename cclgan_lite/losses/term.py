"""What a loss term is, and what it may ask of a training step.

A term is a frozen dataclass: its weight and constants are its fields, so that a recipe is data.
Called with a step it returns one scalar for each whom it trains: a player ({"generators": ...,
"discriminators": ...}) or one network ({"derainer": ...}). The trainer multiplies by the weight,
adds up, and each descends its own sum.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor, nn


class Look(NamedTuple):
    """A term's wish that a viewer (a discriminator, the embedder) look at an image.

    Wishes are known before the step starts, so that each viewer sees all its images in one batch.
    """

    viewer: str
    image: str
    needs: str = "features"  # or "logits"
    gradient: bool = True  # False: the image is a constant to this term


class Views(Protocol):
    """What a term may read. Everything is computed once, when it is first read."""

    networks: dict[str, nn.Module]

    def image(self, name: str) -> Tensor:
        """An image [B, 3, H, W] by name: rainy, clean, derained, ..."""

    def features(self, network: str, image: str) -> dict[str, Tensor]:
        """`{tap: features}` of the pass of `image` through `network`."""

    def logits(self, viewer: str, image: str) -> Tensor:
        """A discriminator's logits of `image`."""


class Term(Protocol):
    """A weighted loss. Its name is the name of the field that holds it in its method."""

    weight: float

    def looks(self) -> list[Look]:
        """The images that viewers must look at for this term."""

    def __call__(self, step: Views) -> dict[str, Tensor]:
        """`{player or network: scalar}`, unweighted."""
