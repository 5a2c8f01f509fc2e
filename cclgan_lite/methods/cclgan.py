"""CCLGAN as data: which networks, which images come from which, which losses (eq. 11).

    rain branch    rainy -> derained (n~) -> rerained (r*)
    clean branch   clean -> rained (r~) -> rederained (n*)

An ablation is this dataclass with some weights at zero: a term without weight is not built, and
what nobody reads is not computed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL, PixelL1
from cclgan_lite.losses.pixel import identity, rederain, rehearsal, transplant
from cclgan_lite.losses.term import Term
from cclgan_lite.networks import (
    DiscriminatorConfig,
    GeneratorConfig,
    PatchDiscriminator,
    PatchProjection,
    ResNetGenerator,
)
from cclgan_lite.networks.embedder import build_embedder


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


@dataclass(frozen=True)
class CCLGAN:
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    embedder: str = "random"  # intra-CCL's space: CLIP is "ViT-B-32/openai", random the control
    projection: int = 256  # width of every MLP
    discriminator_speed: float = 1.0  # discriminators' learning rate / generators' learning rate

    adversarial: Adversarial = Adversarial()
    lcl: LCL = LCL()
    intra: IntraCCL = IntraCCL()
    inter: InterCCL = InterCCL()
    identity: PixelL1 = identity(0.0)
    rederain: PixelL1 = rederain(0.0)
    rehearsal: PixelL1 = rehearsal(0.0)
    transplant: PixelL1 = transplant(0.0)

    delivers = "derainer"  # the network that the user wants
    grid = (("rainy", "derained", "rerained"), ("clean", "rained", "rederained"))  # of samples

    wiring = {  # image: (network, its input)
        "derained": ("derainer", "rainy"),
        "rained": ("rainer", "clean"),
        "rerained": ("rainer", "derained"),
        "rederained": ("derainer", "rained"),
        "identity_clean": ("derainer", "clean"),
        "identity_rainy": ("rainer", "rainy"),
        "dried": ("derainer", "showered"),
        "drenched": (Transplant(), "clean", "rainy", "derained"),
        "wrung": ("derainer", "drenched"),
    }

    def terms(self) -> dict[str, Term]:
        """The losses that have a weight, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: term for name, term in values.items() if getattr(term, "weight", 0)}

    def networks(self) -> dict[str, nn.Module]:
        """Freshly initialised networks by name; only those that the terms use."""
        networks = {
            "derainer": ResNetGenerator(self.generator),
            "rainer": ResNetGenerator(self.generator, adds_rain=True),
        }
        terms = self.terms()
        if "adversarial" in terms or "inter" in terms:
            networks |= {
                judge: PatchDiscriminator(self.discriminator)
                for judge in ("judge_clean", "judge_rainy")
            }
        if "lcl" in terms:
            networks |= self._mlps(networks, "derainer", "rainer")
        if "inter" in terms:
            networks |= self._mlps(networks, "judge_clean", "judge_rainy")
        if "intra" in terms:
            networks["embedder"] = build_embedder(self.embedder)
        return networks

    def players(self) -> dict[str, tuple[tuple[str, ...], float]]:
        """Who descends what: {player: (its networks, its learning rate's factor)}."""
        return {
            "generators": (("derainer", "rainer", "derainer_mlp", "rainer_mlp"), 1.0),
            "discriminators": (
                ("judge_clean", "judge_rainy", "judge_clean_mlp", "judge_rainy_mlp"),
                self.discriminator_speed,
            ),
        }

    def _mlps(self, networks: dict[str, nn.Module], *encoders: str) -> dict[str, nn.Module]:
        return {
            f"{name}_mlp": PatchProjection(networks[name].tap_channels(), self.projection)
            for name in encoders
        }
