"""A derainer as a folder that Hugging Face's hub understands: weights, config.json, model card."""

from __future__ import annotations

import cattrs
from huggingface_hub import PyTorchModelHubMixin

from cclgan_lite.networks import GeneratorConfig, ResNetGenerator


class HubDerainer(
    ResNetGenerator,
    PyTorchModelHubMixin,
    library_name="cclgan_lite",
    tags=["image-restoration", "deraining"],
):
    """A derainer with `save_pretrained`, `from_pretrained` and `push_to_hub`.

        HubDerainer.of(load_derainer("runs/mine")).save_pretrained("my-derainer")
        derainer = HubDerainer.from_pretrained("my-derainer")  # or "owner/name" on the hub

    The weights are safetensors: loading executes no code.
    """

    def __init__(self, **config):
        super().__init__(cattrs.structure(config, GeneratorConfig))

    @classmethod
    def of(cls, derainer: ResNetGenerator) -> HubDerainer:
        """A copy of `derainer`, in evaluation mode."""
        copy = cls(**cattrs.unstructure(derainer.config))
        copy.load_state_dict(derainer.state_dict())
        return copy.eval()
