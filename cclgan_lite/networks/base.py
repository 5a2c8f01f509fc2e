"""What every generator is, and what a generator is as data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from cclgan_lite.validation import at_least, check, within


@dataclass(frozen=True)
class NetworkConfig:
    """A kind of generator as data; subclasses have the fields `filters`, `blocks` and `taps`."""

    normalises: ClassVar[bool] = False  # whether statistics of the whole image decide the output

    def __post_init__(self):
        check(self, filters=at_least(1), blocks=within(0, 1000))
        if unknown := set(self.taps) - set(names := self.tap_names):
            raise ValueError(f"taps: no tap {sorted(unknown)}; there are {names}")

    @property
    def tap_names(self) -> list[str]:
        return ["stem", "down1", "down2", *(f"block{i + 1}" for i in range(self.blocks))]

    @property
    def context(self) -> int:
        """How far an output pixel sees without norms and veil: rows above and below.

        The sum over the layers of kernel radius times stride: 3 for the stem and the last layer, 1
        and 2 going down, 8 for the two convolutions of a block, 4 and 2 going up.
        """
        return _multiple_of_4(15 + 8 * self.blocks)

    def build(self, adds_rain: bool = False) -> Generator:
        """A freshly initialised derainer, or with `adds_rain` a rainer."""
        raise NotImplementedError


class Generator(nn.Module):
    """Image [B, 3, H, W] in [-1, 1] -> image of the same shape; H and W multiples of 4, >= 16.

    Both generators of a method are of one kind: `derainer` (G_n, rainy -> clean) and, with
    `adds_rain`, `rainer` (G_r, clean -> rainy). Tap names, in order: `stem`, `down1`, `down2`,
    `block1` ... `block{n}`; as in CUT, those of the convolutions are their raw outputs.
    """

    def __init__(self, config: NetworkConfig, adds_rain: bool = False):
        super().__init__()
        self.config, self.adds_rain = config, adds_rain
        self.veil: nn.Module | None = None  # what comes last, and sees pictures whole

    @property
    def taps(self) -> tuple[str, ...]:
        """The taps that losses read."""
        return self.config.taps

    def tap_channels(self) -> dict[str, int]:
        """Channels of every tap in `taps`."""
        f = self.config.filters
        return {tap: {"stem": f, "down1": 2 * f}.get(tap, 4 * f) for tap in self.taps}

    def forward(
        self, image: Tensor, taps: Collection[str] = ()
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """The output image; with `taps`, also `{tap: features}` of the same pass.

        Raises ValueError for a tap that is not there, as `encode` does.
        """
        features, output = self._paint(image)
        return (output, self._pick(features, taps)) if taps else output

    def encode(self, image: Tensor, taps: Collection[str]) -> dict[str, Tensor]:
        """Only `{tap: features}`: the pass stops at the deepest tap."""
        deepest = max((int(t[5:]) for t in taps if t.startswith("block")), default=0)
        return self._pick(self._down(image, deepest)[0], taps)

    def _pick(self, features: dict[str, Tensor], taps: Collection[str]) -> dict[str, Tensor]:
        if unknown := set(taps) - set(features):
            names = self.config.tap_names
            raise ValueError(f"no tap {sorted(unknown)}; this generator has {names}")
        return {tap: features[tap] for tap in taps}

    def _paint(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """All features of the way down, and the output image."""
        raise NotImplementedError

    def _down(self, image: Tensor, blocks: int) -> tuple:
        """The features of the way down by name, up to so many blocks, and what `_paint` needs."""
        raise NotImplementedError


def _multiple_of_4(pixels: int) -> int:
    return -(-pixels // 4) * 4
