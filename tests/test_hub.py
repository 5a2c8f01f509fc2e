"""Derainers as hub folders."""

import json

import torch

from cclgan_lite.inference.hub import HubDerainer
from cclgan_lite.networks import GeneratorConfig, ResNetGenerator


def test_a_derainer_survives_the_folder(tmp_path):
    config = GeneratorConfig(filters=4, blocks=1, norm="none", skips=True, taps=("down1",))
    derainer = ResNetGenerator(config).eval()
    HubDerainer.of(derainer).save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["filters"] == 4
    assert {p.name for p in tmp_path.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",  # nothing that could execute
    }
    found = HubDerainer.from_pretrained(tmp_path)
    image = torch.rand(1, 3, 16, 16)
    assert found.config == config and not found.training
    assert torch.equal(found(image), derainer(image))
