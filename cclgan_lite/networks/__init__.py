"""The networks. Each returns the feature taps asked for in the pass that gives its output."""

from cclgan_lite.networks.discriminator import DiscriminatorConfig, PatchDiscriminator
from cclgan_lite.networks.generator import GeneratorConfig, ResNetGenerator
from cclgan_lite.networks.high_pass import high_pass
from cclgan_lite.networks.projection import PatchProjection, gather_patches, sample_places

__all__ = [
    "DiscriminatorConfig",
    "GeneratorConfig",
    "PatchDiscriminator",
    "PatchProjection",
    "ResNetGenerator",
    "gather_patches",
    "high_pass",
    "sample_places",
]
