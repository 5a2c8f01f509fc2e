"""CCLGAN that takes veil off, at an eighth of the resolution (networks/veil.py).

A rainer that had to invent veil would be a weak player: rendered veil lies over its input already,
as much as `training/adapt.py` measured, and it only makes that look real. The judges hear where in
the picture they look, else they could not know what contrast to expect there; contrast is all they
see, since folders differ in brightness for other reasons than veil. Inputs of a step, beside rainy
and clean: `rendered`, veil over clean, and its `haze` and `airlight`; practice is clean.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL, PixelL1
from cclgan_lite.losses.pixel import rehearsal
from cclgan_lite.methods.base import Made, Pass, Wiring
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, Generator, NetworkConfig
from cclgan_lite.networks.veil import DILATIONS, VeilRemover, take_veil


@dataclass(frozen=True)
class SquaresConfig(NetworkConfig):
    """`VeilRemover` on squares as a generator."""

    filters: int = 32
    blocks: int = len(DILATIONS)
    taps: tuple[str, ...] = ("block2", "block4")

    def build(self, adds_rain: bool = False) -> Squares:
        return Squares(self, adds_rain)


class Squares(Generator):
    """Means over squares of whole pictures, [B, 3, h, w] in [-1, 1] -> the same.

    Rainer and derainer differ in training only.
    """

    def __init__(self, config: SquaresConfig, adds_rain: bool = False):
        super().__init__(config, adds_rain)
        self.remover = VeilRemover(config.filters)

    def tap_channels(self) -> dict[str, int]:
        return dict.fromkeys(self.taps, self.config.filters)

    def _down(self, image: Tensor, blocks: int) -> tuple[dict[str, Tensor], Tensor]:
        first, *after = self.remover.features(image / 2, blocks)
        features = {f"block{i + 1}": x for i, x in enumerate(after)}
        return features, after[-1] if after else first

    def _paint(self, image: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        features, x = self._down(image, self.config.blocks)
        return features, 2 * take_veil((image + 1) / 2, self.remover.last(x)) - 1


def under(image: Tensor, haze: Tensor, airlight: Tensor) -> Tensor:
    """J (1 - A) + A0 A in [-1, 1]; A [B, 1, h, w], A0 [B, 3, 1, 1], both in [0, 1]."""
    return image * (1 - haze) + (2 * airlight - 1) * haze


@dataclass(frozen=True)
class VeilCCLGAN(CCLGAN):
    """What `cclgan-lite adapt` trains; `benchmarks/veil_losses.py` leaves out losses."""

    generator: NetworkConfig = SquaresConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig(
        32, 2, norm="spectral", high_pass=True, places=True
    )
    discriminator_speed: float = 2.0
    embedder: str = "tiny-rain-clip"
    projection: int = 64

    adversarial: Adversarial = Adversarial(weight=100.0)
    lcl: LCL = LCL(
        weight=3.0,
        patches=128,
        roles=(
            ("derainer", "rainy", "rainer", "derained"),
            ("rainer", "rendered", "derainer", "rained"),
        ),
    )
    intra: IntraCCL = IntraCCL(weight=2.0)
    inter: InterCCL = InterCCL(
        weight=1.0,
        patches=64,
        trains=("generators", "discriminator_clean_mlp", "discriminator_rainy_mlp"),
    )
    rehearsal: PixelL1 = rehearsal(100.0)

    @property
    def wiring(self) -> Wiring:
        return {
            "derained": Pass("derainer", "rainy"),
            "veiled_derained": Made(under, ("derained", "haze", "airlight")),
            "rerained": Pass("rainer", "veiled_derained"),
            "rained": Pass("rainer", "rendered"),
            "rederained": Pass("derainer", "rained"),
            "derained_rendered": Pass("derainer", "rendered"),
        }
