"""Weights files, and that the shipped ones derain."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from cclgan_lite import cli
from cclgan_lite.data.rain import add_rain, demo_rain
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.evaluation.metrics import scores
from cclgan_lite.inference.weights import (
    FORMAT,
    TRAINED_ON,
    derainer_bytes,
    load_derainer,
    shipped_weights,
)
from cclgan_lite.networks import GeneratorConfig, ResNetGenerator, RestorationConfig


def test_weights_file(tmp_path):
    generator = ResNetGenerator(GeneratorConfig(filters=4, blocks=1, head="rain_layer")).eval()
    path = tmp_path / "derainer.safetensors"
    path.write_bytes(derainer_bytes(generator))
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(load_derainer(path)(image), generator(image))
    with pytest.raises(FileNotFoundError, match="no weights at .*nix"):
        load_derainer(tmp_path / "nix")
    (tmp_path / "bad").write_bytes(b"not safetensors at all")
    with pytest.raises(ValueError, match="bad is not a readable safetensors"):
        load_derainer(tmp_path / "bad")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="foreign.* not written by cclgan_lite"):
        load_derainer(tmp_path / "foreign.safetensors")


OLD = {"filters": 4, "blocks": 1, "antialias": False, "taps": ["down1"]}


@pytest.mark.parametrize(
    "config, old",
    [
        (GeneratorConfig(4, 1, "rain_layer", taps=("down1",)), {"head": "rain_layer"}),
        (
            RestorationConfig(4, 1, taps=("down1",)),
            {"head": "grey_layer", "norm": "none", "skips": True, "high_pass": True},
        ),
        (None, {"head": "residual", "norm": "none", "skips": True, "high_pass": False}),
    ],
    ids=["ResNet", "restoration", "gone"],
)
def test_weights_of_0_1_0(tmp_path, config, old):
    """They had one generator with switches, and no `kind`."""
    network = (config or RestorationConfig(4, 1)).build()
    path = tmp_path / "old"
    save_file(network.state_dict(), path, {"format": FORMAT, "generator": json.dumps(OLD | old)})
    if config is None:
        with pytest.raises(ValueError, match="no longer part of the package"):
            load_derainer(path)
    else:
        found = load_derainer(path)
        image = torch.rand(1, 3, 16, 16)
        assert found.config == config
        torch.testing.assert_close(found(image), network(image))


@pytest.mark.parametrize(
    "change",
    [
        {"head": "from the future"},
        {"filters": "many"},
        {"unknown_option": 1},
        None,
    ],
)
def test_weights_of_other_versions(tmp_path, change):
    """What this version would build otherwise, or cannot build, is refused and named."""
    generator, path = ResNetGenerator(GeneratorConfig(filters=4, blocks=1)), tmp_path / "other"
    metadata = {"format": FORMAT}
    if change:
        metadata["generator"] = json.dumps(asdict(generator.config) | change)
    save_file(generator.state_dict(), path, metadata)
    with pytest.raises(ValueError, match="other is damaged or from another version"):
        load_derainer(path)


def test_the_default_command_derains_unseen_scenes(tmp_path):
    """Scenes that are in no data set of ours; on average 3 dB are gained, 1.5 must be."""
    (tmp_path / "rainy").mkdir()
    clean = {}
    for i in range(4):
        scene, depth = render_scene((987_654, i), 240, 320)
        rng = np.random.default_rng((987_654, i))
        rainy = add_rain(scene, depth, demo_rain(rng), rng)
        name = f"{i}.png"
        clean[name] = np.rint(scene * 255).astype(np.uint8)
        Image.fromarray(np.rint(rainy * 255).astype(np.uint8)).save(tmp_path / "rainy" / name)
    cli.main(
        ["derain", str(tmp_path / "rainy"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    )
    gains = []
    for name, truth in clean.items():
        before, after = (
            scores(np.asarray(Image.open(tmp_path / folder / name)), truth)
            for folder in ("rainy", "out")
        )
        gains.append(after["psnr_y"] - before["psnr_y"])
    assert np.mean(gains) > 1.5


def test_shipped_weights_are_small_and_described():
    for path in shipped_weights().values():
        assert path.stat().st_size < 4e6
        assert path.stem in (path.parent / "README.md").read_text()
    assert set(shipped_weights()) == set(TRAINED_ON)


def test_half_precision_files_hold_nearly_the_same_network(tmp_path):
    derainer = ResNetGenerator(GeneratorConfig(filters=4, blocks=1)).eval()
    path = tmp_path / "half.safetensors"
    path.write_bytes(derainer_bytes(derainer, torch.float16))
    found = load_derainer(path)
    image = torch.rand(1, 3, 16, 16)
    assert found.stem.weight.dtype == torch.float32
    assert (found(image) - derainer(image)).abs().max() < 5e-3
    assert path.stat().st_size < 0.6 * len(derainer_bytes(derainer))
