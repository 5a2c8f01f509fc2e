"""Veil of a new kind of rain, learned from unpaired clean_folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from cclgan_lite import cli
from cclgan_lite.data.images import ImageError
from cclgan_lite.data.rain import compose
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.data.veil import veil
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import derainer_bytes, load_derainer
from cclgan_lite.networks import GeneratorConfig, RestorationConfig
from cclgan_lite.training.adapt import Adapting, adapt, squares, window

AIRLIGHT = np.array([0.5, 0.55, 0.55])


def veiled(clean: np.ndarray) -> np.ndarray:
    """uint8, 45 % airlight everywhere."""
    return np.rint(0.55 * clean + 0.45 * 255 * AIRLIGHT).astype(np.uint8)


@pytest.fixture(scope="module")
def clean_folder(tmp_path_factory):
    """Ten clean scenes."""
    root = tmp_path_factory.mktemp("clean")
    for i in range(10):
        scene = np.rint(255 * render_scene((4, i), 96, 128)[0]).astype(np.uint8)
        Image.fromarray(scene).save(root / f"{i}.png")
    return root


def test_a_square_is_a_mean():
    rgb = np.arange(40 * 37 * 3, dtype=np.uint8).reshape(40, 37, 3)
    found = squares(rgb)
    assert found.shape == (5, 4, 3)
    assert found[1, 2] == pytest.approx(rgb[8:16, 16:24].reshape(64, 3).mean(0) / 255)
    with pytest.raises(ImageError, match="30x40"):
        squares(rgb[:, :30])


def test_veil_lies_in_its_ranges_and_takes_its_colour():
    image = np.random.default_rng(0).random((64, 80, 3)).astype(np.float32)
    deepest = []
    for seed in range(40):
        haze, light = veil(image, (0.1, 2.0), (0.35, 0.95), np.random.default_rng(seed))
        assert haze.shape == (64, 80) and 0 <= haze.min() and haze.max() < 1 - np.exp(-2.0)
        assert 0.3 < light.mean() < 1 and light.max() <= 1
        deepest.append(haze.max())
    assert max(deepest) > 0.5 and min(deepest) < 0.2
    clean, none = np.full((2, 2, 3), 0.5, np.float32), np.zeros((2, 2), np.float32)
    rainy = compose(clean, none, none + 0.4, np.array([0.2, 0.6, 1.0]))
    assert rainy[0, 0] == pytest.approx([0.3 + 0.08, 0.3 + 0.24, 0.3 + 0.4])


def test_windows_are_mirrored_half_of_the_time():
    picture, rng = np.arange(12).reshape(3, 4), np.random.default_rng(0)
    rows = [window(picture, (2, 3), rng)[0] for _ in range(200)]
    assert 70 < sum(row[0] > row[1] for row in rows) < 130
    assert {tuple(sorted(row)) for row in rows} == {(0, 1, 2), (1, 2, 3), (4, 5, 6), (5, 6, 7)}


def test_adapting_takes_veil_off_scenes_that_it_never_saw(clean_folder, tmp_path):
    start = tmp_path / "start.safetensors"  # sees no streaks, as there are none
    plain = RestorationConfig(filters=4, blocks=1).build()
    torch.nn.init.zeros_(plain.last.weight)
    start.write_bytes(derainer_bytes(plain))
    folder = tmp_path / "run"
    adapt(start, clean_folder, folder, Adapting(150), progress=False)
    derainer = load_derainer(folder)
    gains = []
    for i in range(20, 24):
        clean = np.rint(255 * render_scene((4, i), 96, 128)[0])
        rainy = veiled(clean)
        derained = derain_image(derainer, rainy).astype(float)
        gains.append(np.square(rainy - clean).mean() / np.square(derained - clean).mean())
    assert np.mean(gains) > 1.5
    facts = json.loads((folder / "adapt.json").read_text())
    assert facts["steps"] == 150 and facts["airlight"] == [0.4, 0.6]
    with pytest.raises(ValueError, match="is there already"):
        adapt(start, clean_folder, folder)


def test_the_command_goes_on_from_light_and_repeats(clean_folder, tmp_path):
    for run in ("a", "b"):
        cli.main(f"adapt --clean {clean_folder} --out {tmp_path}/{run} --steps 2".split())
    first, again = (load_derainer(tmp_path / run).state_dict() for run in ("a", "b"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    light = load_derainer("light").state_dict()
    assert all(torch.equal(first[name], value) for name, value in light.items())  # streaks as ever
    assert first["veil.last.weight"].abs().max() > 0


def test_other_networks_are_refused(clean_folder, tmp_path):
    start = tmp_path / "resnet.safetensors"
    start.write_bytes(derainer_bytes(GeneratorConfig(filters=4, blocks=1).build()))
    with pytest.raises(ValueError, match="--start light"):
        adapt(start, clean_folder, tmp_path / "run")
