"""Veil of a new kind of rain, learned from unpaired folders."""

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
from cclgan_lite.data.veil import depth_by_chance, depth_by_place, veil
from cclgan_lite.inference.derain import derain_image
from cclgan_lite.inference.weights import derainer_bytes, load_derainer
from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL
from cclgan_lite.methods.veil import SquaresConfig, VeilCCLGAN, under
from cclgan_lite.networks import GeneratorConfig, RestorationConfig
from cclgan_lite.networks.veil import VeilRemover
from cclgan_lite.training.adapt import (
    Adapting,
    Folders,
    adapt,
    batches,
    configuration,
    look,
    rehearse,
    resized,
    squares,
    train,
)

PARTS = np.s_[:48], np.s_[-16:]  # under veil, and all but without
AIRLIGHT = np.array([0.5, 0.55, 0.55])


def scene(i: int) -> np.ndarray:
    return render_scene((4, i), 96, 128)[0]


def eight_bits(light: np.ndarray) -> np.ndarray:
    return np.rint(255 * light).astype(np.uint8)


def veiled(clean: np.ndarray) -> np.ndarray:
    """45 % airlight in the upper half, none at the bottom."""
    haze = 0.45 * np.clip(np.linspace(2, 0, len(clean)), 0, 1)[:, None, None]
    return (1 - haze) * clean + haze * AIRLIGHT


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Thirty clean scenes, and veil on thirty others."""
    root = tmp_path_factory.mktemp("unpaired")
    for kind in ("rainy", "clean"):
        (root / kind).mkdir()
    for i in range(30):
        Image.fromarray(eight_bits(scene(i))).save(root / f"clean/{i}.png")
        Image.fromarray(eight_bits(veiled(scene(i + 30)))).save(root / f"rainy/{i}.png")
    return root


def test_a_square_is_a_mean():
    rgb = np.arange(72 * 69 * 3, dtype=np.uint8).reshape(72, 69, 3)
    found = squares(rgb)
    assert found.shape == (9, 9, 3)
    assert found[1, 2] == pytest.approx(rgb[8:16, 16:24].reshape(64, 3).mean(0) / 255)
    assert found[1, 8] == pytest.approx(rgb[8:16, 64:].reshape(40, 3).mean(0) / 255)
    large = np.zeros((520, 600, 3), np.uint8)
    large[16:32, 48:64] = 255
    assert squares(large).shape == (52, 60, 3)  # 10 pixels, as 600 are more than 64 times 9
    assert squares(large)[2, 5] == pytest.approx([1, 1, 1])


def test_pictures_of_other_sizes_take_one_shape():
    picture = np.linspace(0, 1, 8)[:, None] * np.ones((8, 6))
    assert resized(picture, (8, 6)) is picture
    inner = picture[:, 0].reshape(4, 2).mean(1)[1:3]  # antialiased, but for the edges
    assert resized(picture, (4, 3))[1:3, 0] == pytest.approx(inner)
    assert resized(np.dstack([picture] * 3), (16, 12)).shape == (16, 12, 3)


def test_the_depth_is_what_contrast_is_missing():
    """Optical depth of a known veil, by the definition 1 - A = exp(-depth)."""
    rng = np.random.default_rng(0)
    clean = [rng.random((64, 48, 3)) for _ in range(6)]
    depth = np.linspace(1.4, 0.0, 8)  # by rows of parts; none below
    left = np.exp(-np.repeat(depth, 8))[:, None, None]
    rainy = [left * picture + (1 - left) * 0.7 for picture in clean]
    found = depth_by_place(rainy, clean)
    assert found.shape == (8, 4)
    assert found == pytest.approx(np.repeat(depth[:, None], 4, 1), abs=0.06)
    assert (depth_by_place(clean, rainy)[:-1] == 0).all()  # more contrast than clean is no veil
    half = [np.hstack([picture[:, :24], 0.5 * picture[:, 24:]]) for picture in clean]
    assert depth_by_place(half, clean).mean(0) == pytest.approx([np.log(2) / 2] * 4, abs=0.1)


def test_halves_of_a_folder_say_how_much_scenes_differ():
    """Of two contrasts, all splits of two pictures have the same; like pictures differ by none."""
    rng = np.random.default_rng(0)
    picture = rng.random((64, 48, 3))
    assert depth_by_chance([picture] * 6) == 0
    # In one order the darker half comes first, in the other none is missing.
    assert depth_by_chance([picture, picture / 3]) == pytest.approx(np.log(3), abs=0.01)


def test_veil_has_its_depth_and_its_colour():
    rng = np.random.default_rng(0)
    image, depth = rng.random((6, 8, 3)), rng.random((6, 8))
    strengths = []
    for _ in range(100):
        haze, light = veil(image, depth, (0.5, 2.0), (0.35, 0.95), rng)
        strength = -np.log1p(-haze) / depth
        assert strength == pytest.approx(np.full((6, 8), strength[0, 0]), rel=1e-4)
        assert 0.3 < light.mean() < 1 and light.max() <= 1
        strengths.append(strength[0, 0])
    assert 0.5 <= min(strengths) < 0.6 and 1.6 < max(strengths) <= 2.0
    assert np.median(strengths) == pytest.approx(1, abs=0.2)  # as often half as double
    clean, none = np.full((2, 2, 3), 0.5, np.float32), np.zeros((2, 2), np.float32)
    rainy = compose(clean, none, none + 0.4, np.array([0.2, 0.6, 1.0]))
    assert rainy[0, 0] == pytest.approx([0.3 + 0.08, 0.3 + 0.24, 0.3 + 0.4])


def folders_of(rng: np.random.Generator, rows: int = 8, columns: int = 12) -> Folders:
    depth = np.repeat(np.linspace(1, 0, 8)[:, None], 4, 1)
    rainy, clean = rng.random((2, 3, rows, columns, 3))
    return Folders(rainy, clean, depth)


def test_batches_show_both_folders_mirrored_half_of_the_time():
    folders = folders_of(np.random.default_rng(0))
    settings = Adapting(steps=1, strength=(0.999, 1.001))
    mirrored = []
    for batch in batches(folders, settings, 60, size=2, stream=3):
        assert batch["rainy"].shape == batch["rendered"].shape == (2, 3, 8, 12)
        assert batch["practice"] is batch["clean"] and batch["airlight"].shape == (2, 3, 1, 1)
        for name in ("rainy", "clean"):
            for image in (batch[name] + 1).permute(0, 2, 3, 1).numpy() / 2:
                apart = [
                    np.abs(image[:, ::side] - x).max()
                    for x in getattr(folders, name)
                    for side in (1, -1)
                ]
                assert min(apart) < 1e-6
                mirrored.append(np.argmin(apart) % 2)
        haze = batch["haze"][:, 0].numpy()
        assert haze[:, 0] == pytest.approx(1 - np.exp(-1), abs=2e-3)
        assert haze[:, -1] == pytest.approx(0, abs=2e-3)
        left = batch["rendered"] - under(batch["clean"], batch["haze"], batch["airlight"])
        assert -1e-5 < left.min() and left.max() < 0.11  # streaks, of [-1, 1]
    assert 0.35 < np.mean(mirrored) < 0.65
    again = next(iter(batches(folders, settings, 1, size=2, stream=3)))
    first = next(iter(batches(folders, settings, 1, size=2, stream=3)))
    assert all(torch.equal(again[name], first[name]) for name in again)


def test_squares_are_what_a_remover_does():
    """The generator that is trained and the network that is delivered are one function."""
    torch.manual_seed(0)
    generator = SquaresConfig(8).build().requires_grad_(False)
    generator.remover.last.weight.normal_()
    image = torch.rand(2, 3, 12, 10) * 2 - 1
    light = (image + 1) / 2
    found = generator.remover.coefficients(light)
    output, features = generator(image, taps=("block2", "block4"))
    assert (output - image).abs().max() > 0.1
    torch.testing.assert_close(output, 2 * ((1 + found[:, 3:]) * light - found[:, :3]) - 1)
    assert features["block2"].shape == (2, 8, 12, 10)
    torch.testing.assert_close(generator.encode(image, ("block2",))["block2"], features["block2"])


def test_rehearsal_and_the_papers_losses_both_move_the_network():
    folders, settings = folders_of(np.random.default_rng(0), 32, 48), Adapting(steps=6)
    torch.manual_seed(0)
    network = VeilRemover()
    rehearse(network, folders, Adapting(steps=4))
    rehearsed = network.last.weight.clone()
    assert rehearsed.abs().max() > 0
    shares = train(network, folders, configuration(settings), settings)
    assert set(shares[0]) == {"adversarial", "lcl", "intra", "inter", "rehearsal"}
    assert not torch.equal(network.last.weight, rehearsed)
    rehearsal_alone = VeilCCLGAN(
        adversarial=Adversarial(0.0), lcl=LCL(0.0), intra=IntraCCL(0.0), inter=InterCCL(0.0)
    )
    (alone,) = train(network, folders, configuration(settings, rehearsal_alone), settings)
    assert alone == {"rehearsal": 1.0}


def test_adapting_takes_veil_off_where_it_lies_in_scenes_that_it_never_saw(folders, tmp_path):
    start = tmp_path / "start.safetensors"  # sees no streaks, as there are none
    plain = RestorationConfig(filters=4, blocks=1).build()
    torch.nn.init.zeros_(plain.last.weight)
    start.write_bytes(derainer_bytes(plain))
    folder = tmp_path / "run"
    adapt(start, folders / "rainy", folders / "clean", folder, Adapting(100), progress=False)
    derainer = load_derainer(folder)
    errors, changes = [], []
    for i in range(60, 64):
        clean, rainy = eight_bits(scene(i)).astype(float), eight_bits(veiled(scene(i)))
        derained = derain_image(derainer, rainy)
        errors.append([np.square(x - clean).mean() for x in (rainy, derained)])
        changes.append([np.square(derained - rainy.astype(float))[part].mean() for part in PARTS])
    before, after = np.mean(errors, 0)
    above, below = np.mean(changes, 0)
    assert before > 2 * after
    assert above > 3 * below
    facts = json.loads((folder / "adapt.json").read_text())
    assert facts["steps"] == 100 and facts["airlight"] == [0.4, 0.6]
    assert np.mean(facts["depth"][:4]) == pytest.approx(-np.log(0.55), abs=0.3)
    with pytest.raises(ValueError, match="is there already"):
        adapt(start, folders / "rainy", folders / "clean", folder)
    with pytest.raises(ValueError, match="has learned a veil: give --start what"):
        adapt(folder, folders / "rainy", folders / "clean", tmp_path / "again")


def test_without_a_veil_nothing_is_derained(tmp_path, monkeypatch):
    """These ten scenes seem to have a depth of 0.15 beside ten others, by chance."""
    monkeypatch.delattr("cclgan_lite.training.adapt.derain_image")
    for kind, first in {"rainy": 130, "clean": 140}.items():
        (tmp_path / kind).mkdir()
        for i in range(10):
            Image.fromarray(eight_bits(scene(first + i))).save(tmp_path / f"{kind}/{i}.png")
    with pytest.raises(ValueError, match="no veil to learn.*--start"):
        adapt("light", tmp_path / "rainy", tmp_path / "clean", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("size", [(80, 200), (600, 100)])
def test_pictures_too_small_or_narrow_are_named_before_any_work(folders, tmp_path, size):
    for i in range(8):
        Image.new("RGB", size).save(tmp_path / f"odd{i}.png")
    with pytest.raises(ImageError, match="odd5.png is too small or too narrow: 96x96"):
        adapt("light", folders / "rainy", tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_picture_of_another_format_is_named(folders, tmp_path):
    for i in range(8):
        Image.new("RGB", (128, 96) if i else (96, 128)).save(tmp_path / f"{i}.png")
    with pytest.raises(ImageError, match="0.png has another format than .*0.png"):
        adapt("light", folders / "rainy", tmp_path, tmp_path / "run")


def test_few_pictures_are_refused_and_many_thinned(folders, tmp_path, monkeypatch):
    monkeypatch.setattr("cclgan_lite.training.adapt.FEWEST", 31)
    with pytest.raises(ImageError, match="rainy has 30 pictures: 31 at least"):
        adapt("light", folders / "rainy", folders / "clean", tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr("cclgan_lite.training.adapt.MOST", 14)
    seen = look(load_derainer("light"), folders / "rainy", folders / "clean", progress=False)
    assert len(seen.rainy) == len(seen.clean) == 10  # every third of 30


def test_the_command_goes_on_from_light_and_repeats(folders, tmp_path):
    for run in ("a", "b"):
        command = f"adapt --rainy {folders}/rainy --clean {folders}/clean --out {tmp_path}/{run}"
        cli.main([*command.split(), "--steps", "2"])
    first, again = (load_derainer(tmp_path / run).state_dict() for run in ("a", "b"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    light = load_derainer("light").state_dict()
    assert all(torch.equal(first[name], value) for name, value in light.items())  # streaks as ever
    assert first["veil.last.weight"].abs().max() > 0


def test_other_networks_are_refused(folders, tmp_path):
    start = tmp_path / "resnet.safetensors"
    start.write_bytes(derainer_bytes(GeneratorConfig(filters=4, blocks=1).build()))
    with pytest.raises(ValueError, match="--start light"):
        adapt(start, folders / "rainy", folders / "clean", tmp_path / "run")
