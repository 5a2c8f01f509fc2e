"""The networks. Each returns the feature taps asked for in the pass that gives its output.

base.py            what every generator is
generator.py       the paper's ResNet
restoration.py     a generator that only takes rain off
veil.py            what takes veil off afterwards
flat.py            a generator without downsampling
attentive.py       a generator that looks where the rain is
discriminator.py   PatchGAN
projection.py      the MLPs of contrastive losses
negatives.py       hard negatives for them
embedder.py        CLIP and its stand-ins
"""

from cclgan_lite.networks.attentive import AttentiveConfig, AttentiveGenerator
from cclgan_lite.networks.base import Generator, NetworkConfig
from cclgan_lite.networks.discriminator import DiscriminatorConfig, PatchDiscriminator
from cclgan_lite.networks.flat import FlatConfig, FlatGenerator
from cclgan_lite.networks.generator import GeneratorConfig, ResNetGenerator
from cclgan_lite.networks.layers import high_pass
from cclgan_lite.networks.negatives import NegativeGenerator
from cclgan_lite.networks.projection import (
    PatchProjection,
    gather_patches,
    projections,
    sample_places,
    self_similar_places,
)
from cclgan_lite.networks.restoration import RestorationConfig, RestorationGenerator

__all__ = [
    "AttentiveConfig",
    "AttentiveGenerator",
    "DiscriminatorConfig",
    "FlatConfig",
    "FlatGenerator",
    "Generator",
    "GeneratorConfig",
    "NegativeGenerator",
    "NetworkConfig",
    "PatchDiscriminator",
    "PatchProjection",
    "ResNetGenerator",
    "RestorationConfig",
    "RestorationGenerator",
    "gather_patches",
    "high_pass",
    "projections",
    "sample_places",
    "self_similar_places",
]
