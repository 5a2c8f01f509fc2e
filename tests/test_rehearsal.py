"""What `cclgan-plus` adds: rendered showers, transplanted rain, and a generator without norms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from noise import noise_folders
from torch import nn

from cclgan_lite.data.folders import Augment, UnpairedFolders
from cclgan_lite.data.images import to_tensor
from cclgan_lite.data.leaves import Leaves
from cclgan_lite.data.shower import Shower
from cclgan_lite.inference.weights import derainer_bytes
from cclgan_lite.losses.pixel import rehearsal, transplant
from cclgan_lite.methods import CCLGAN
from cclgan_lite.methods.operators import Transplant
from cclgan_lite.networks import GeneratorConfig, RestorationConfig, high_pass
from cclgan_lite.recipes import REHEARSAL
from cclgan_lite.training.config import Config
from cclgan_lite.training.step import Step
from cclgan_lite.training.trainer import Trainer

TINY = RestorationConfig(filters=4, blocks=1)


def test_a_shower_only_adds_the_same_light_to_all_channels():
    clean = np.full((64, 96, 3), (20, 60, 100), np.uint8)
    rainy = Shower(share=1.0)(clean, np.random.default_rng(0)).astype(int)
    layer = rainy - clean
    assert (layer >= 0).all() and layer.max() > 20
    assert (layer == layer[..., :1])[(rainy < 255).all(-1)].all()


def test_a_shower_has_the_light_that_was_asked_for():
    clean = np.zeros((128, 128, 3), np.uint8)
    shower = Shower(share=1.0, light=(0.03, 0.03), brightness=(0.2, 0.2))
    rng = np.random.default_rng(0)
    light = np.mean([shower(clean, rng).mean() / 255 for _ in range(40)])
    assert 0.015 < light < 0.045  # streaks overlap, end softly and vary in size


def test_share_says_how_often_it_rains():
    clean = np.zeros((32, 32, 3), np.uint8)
    rng = np.random.default_rng(0)
    shower = Shower(share=0.25, light=(0.06, 0.06))
    rains = np.mean([shower(clean, rng).any() for _ in range(400)])
    assert 0.17 < rains < 0.33


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 1.2},
        {"angle": 75.0},
        {"length": (3.0, 2.0)},
        {"light": (0.0, 1.0)},
    ],
)
def test_impossible_showers_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Shower(**wrong)


def test_the_folder_rains_on_the_very_crop(tmp_path):
    folders = noise_folders(tmp_path)
    plain = UnpairedFolders(*folders, Augment(None, 32), seed=3)
    rained = UnpairedFolders(*folders, Augment(None, 32), seed=3, shower=Shower(share=1.0))
    for k in range(3):
        assert set(plain[k]) == {"rainy", "clean"}
        for name in plain[k]:  # what was drawn before stays what it was
            assert torch.equal(plain[k][name], rained[k][name])
        assert (rained[k]["rendered"] - rained[k]["clean"]).min() >= 0
        assert torch.equal(rained[k]["rendered"], rained[k]["rendered"])
    assert any((rained[k]["rendered"] != rained[k]["clean"]).any() for k in range(3))


def test_huber_by_hand():
    class Views:
        images = {"derained_rendered": torch.tensor([0.05, 0.5]), "practice": torch.zeros(2)}
        image = images.get

    # d^2 / (2 k) = 0.0125 and |d| - k / 2 = 0.45
    assert rehearsal(1.0)(Views)["derainer"].item() == pytest.approx((0.0125 + 0.45) / 2)
    plain = replace(rehearsal(1.0), beta=0.0)(Views)["derainer"]
    assert plain.item() == pytest.approx(0.275)


def test_transplant_by_hand():
    clean, rainy = torch.tensor([[[[0.5, -1.0, 0.9]]]]), torch.tensor([[[[0.4, 0.2, 1.0]]]])
    derained = torch.tensor([[[[0.1, 0.5, 0.0]]]], requires_grad=True)
    transplanted = Transplant((1.0, 1.0))(clean, rainy, derained)
    # layers 0.3, none where it got brighter, 1.0; no more than white
    assert torch.allclose(transplanted, torch.tensor([[[[0.8, -1.0, 1.0]]]]))
    assert not transplanted.requires_grad  # else the derainer would make its pairs easy


def test_transplanted_rain_teaches_the_derainer_alone():
    method = CCLGAN(generator=TINY, transplant=transplant(1.0))
    networks = nn.ModuleDict(method.networks())
    torch.manual_seed(0)
    images = {name: torch.rand(2, 3, 16, 16) - 0.5 for name in ("rainy", "clean")}
    step = Step(networks, method.wiring, [], images)
    ((audience, loss),) = method.transplant(step).items()
    loss.backward()
    assert audience == "derainer"
    assert any(
        p.grad is not None and p.grad.abs().sum() > 0 for p in networks["derainer"].parameters()
    )
    assert all(p.grad is None for p in networks["rainer"].parameters())


def test_without_norm_brightness_goes_through():
    """What instance norm forgets: a constant added to the picture."""
    torch.manual_seed(0)
    image = torch.rand(1, 3, 32, 32) * 0.5
    for norm, same in (("instance", True), ("none", False)):
        network = GeneratorConfig(4, 1, "rain_layer", norm=norm).build()
        nn.init.normal_(network.last.weight, std=0.1)
        layers = [(x - network(x)).detach() for x in (image, image + 0.3)]
        assert torch.allclose(*layers, atol=1e-4) is same


def test_skips_are_sums_written_out():
    torch.manual_seed(0)
    network = TINY.build()
    nn.init.normal_(network.last.weight, std=0.1)
    x = torch.rand(1, 3, 16, 16)
    relu = torch.relu
    whole = relu(network.stem(torch.cat([x, high_pass(x)], 1)))
    half = relu(network.down1(whole))
    deep = network.blocks[0](relu(network.down2(half)))
    up = relu(network.up1(deep)) + half
    up = relu(network.up2(up)) + whole
    assert torch.allclose(network(x), x - network.last(up), atol=1e-6)


def test_a_run_starts_from_a_derainer(tmp_path):
    file = tmp_path / "d.safetensors"
    method = replace(REHEARSAL.method, generator=TINY)
    config = replace(REHEARSAL, method=method, start=str(file))
    torch.manual_seed(5)
    found = TINY.build()
    file.write_bytes(derainer_bytes(found))
    trainer = Trainer(config, 10, torch.device("cpu"))
    trainer.start_from(config.start)
    for own in (trainer.networks["derainer"], trainer.averaged):
        for name, value in own.state_dict().items():
            assert torch.equal(value, found.state_dict()[name])
    other = replace(config, method=replace(method, generator=replace(TINY, filters=8)))
    with pytest.raises(ValueError, match="filters 8 here, 4 there"):
        Trainer(other, 10, torch.device("cpu")).start_from(config.start)


def test_rehearsal_needs_rain():
    with pytest.raises(ValueError, match="shower.share"):
        Config(method=CCLGAN(rehearsal=rehearsal(1.0)))


def test_the_derainer_learns_from_rendered_rain_what_l1_would_not_teach_it():
    """Some steps on one picture: the loss falls below that of leaving the rain alone."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clean = np.full((32, 32, 3), 90, np.uint8)
    config = replace(REHEARSAL, method=replace(REHEARSAL.method, generator=TINY), lr=3e-3, ema=0.0)
    trainer = Trainer(config, 1000, torch.device("cpu"))
    shower = Shower(share=1.0)
    for _ in range(60):
        rainy = torch.stack([to_tensor(shower(clean, rng)) for _ in range(4)])
        batch = {"rendered": rainy, "clean": to_tensor(clean).expand_as(rainy), "rainy": rainy}
        losses, step = trainer.train_step(batch)
    derained_rendered, clear = step.image("derained_rendered"), batch["clean"]
    assert (derained_rendered - clear).square().mean() < 0.6 * (rainy - clear).square().mean()


def test_dead_leaves_have_the_size_and_the_colours_of_their_picture():
    picture = np.full((64, 64, 3), (200, 40, 40), np.uint8)
    picture[:, 32:] = (40, 40, 200)
    leaves = Leaves(share=1.0, texture=0)
    found = leaves(picture, np.random.default_rng(0))
    assert found.shape == picture.shape and found.dtype == np.uint8
    near = [
        np.abs(found.astype(int) - colour).sum(-1) < 30
        for colour in ((200, 40, 40), (40, 40, 200))
    ]
    assert (near[0] | near[1]).mean() > 0.6 and min(
        n.mean() for n in near
    ) > 0.1  # the rest: edges
    assert (leaves(picture, np.random.default_rng(1)) != found).any()
    assert Leaves(share=0.0)(picture, np.random.default_rng(0)) is picture


@pytest.mark.parametrize("wrong", [{"share": 1.5}, {"discs": (5, 2)}])
def test_impossible_leaves_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Leaves(**wrong)


def test_the_shower_falls_on_leaves_and_leaves_the_clean_crop_alone(tmp_path):
    rainy, clean = noise_folders(tmp_path)
    options = {"augment": Augment(None, 48), "shower": Shower(share=1.0)}
    plain = UnpairedFolders(rainy, clean, **options)[0]
    item = UnpairedFolders(rainy, clean, **options, leaves=Leaves(share=1.0))[0]
    assert torch.equal(item["clean"], plain["clean"]) and "practice" not in plain
    assert (item["practice"] != item["clean"]).float().mean() > 0.5
    assert (item["rendered"] >= item["practice"]).all()


def test_a_rainer_is_given_the_rendered_rain():
    method = CCLGAN(generator=TINY, rain="given")
    clean, practice, derained = (torch.full((1, 3, 16, 16), v) for v in (0.0, -0.5, 0.95))
    rendered = practice + 0.2
    images = {"rainy": clean, "clean": clean, "practice": practice, "rendered": rendered}
    step = Step(
        nn.ModuleDict(method.networks()), method.wiring, [], images | {"derained": derained}
    )
    torch.testing.assert_close(step.image("poured_clean"), clean + 0.2)
    torch.testing.assert_close(step.image("poured_derained"), torch.ones(1, 3, 16, 16))  # white
    rainer = step.networks["rainer"]
    torch.testing.assert_close(step.image("rained"), rainer(clean + 0.2))
    with pytest.raises(ValueError, match=r"shower\.share"):
        Config(method=method)


def test_without_leaves_practice_is_the_clean_picture():
    method = CCLGAN(generator=TINY)
    images = {"rainy": torch.zeros(1, 3, 16, 16), "clean": torch.ones(1, 3, 16, 16)}
    step = Step(nn.ModuleDict(method.networks()), method.wiring, [], images)
    assert step.image("practice") is images["clean"]
