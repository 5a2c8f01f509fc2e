"""The restoration network's wide look, its veil, and how it starts from a narrower one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cclgan_lite.networks import GeneratorConfig, RestorationConfig
from cclgan_lite.networks.restoration import Look

SMALL = RestorationConfig(filters=4, blocks=1)
WIDE = RestorationConfig(filters=4, blocks=1, look=1, veil=True)


def shaken(config: RestorationConfig):
    torch.manual_seed(0)
    network = config.build().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("adds_rain", [False, True])
def test_a_wider_network_starts_as_the_narrower_one(adds_rain):
    narrow, image = shaken(SMALL), torch.rand(1, 3, 32, 48) * 2 - 1
    narrow.adds_rain = adds_rain
    wide = WIDE.build(adds_rain).requires_grad_(False)
    nn.init.normal_(wide.look.out.weight)  # what it had learned is gone
    wide.take(narrow)
    torch.testing.assert_close(wide(image), narrow(image))
    assert (wide(image) - image).abs().max() > 0.01
    again = WIDE.build().requires_grad_(False)
    changed = shaken(WIDE)
    again.take(changed)  # one of its own kind, look and all
    assert torch.equal(again(image), changed(image))


@pytest.mark.parametrize(
    "other",
    [
        RestorationConfig(filters=8, blocks=1),
        RestorationConfig(filters=4, blocks=2),
        RestorationConfig(filters=4, blocks=1, look=2),
        GeneratorConfig(filters=4, blocks=1),
    ],
)
def test_what_does_not_fit_is_refused(other):
    with pytest.raises(ValueError, match="but this run has"):
        WIDE.build().take(other.build())


def test_a_wide_network_does_not_fit_into_a_narrow_one():
    with pytest.raises(ValueError, match="but this run has"):
        SMALL.build().take(WIDE.build())


def test_the_veil_is_solved_for_the_clean_picture():
    """J = (1 + g) I - c undoes I = J (1 - R - A) + R + A0 A, for the g and c of the docstring."""
    rain, haze, airlight = 0.1, 0.3, torch.tensor([0.6, 0.7, 0.8])
    clean = torch.rand(1, 3, 16, 16)
    rainy = clean * (1 - rain - haze) + rain + (airlight * haze).view(1, 3, 1, 1)
    network = WIDE.build().requires_grad_(False)
    network.last.weight.zero_()  # the same g and c everywhere
    left = 1 - rain - haze
    network.last.bias[:3] = 2 * (rain + airlight * haze) / left
    network.last.bias[3] = (rain + haze) / left
    torch.testing.assert_close(network(2 * rainy - 1), 2 * clean - 1, atol=1e-5, rtol=0)


def test_the_look_has_one_grid_for_every_size():
    """A smaller picture with the same upper left corner: the same there, edges aside."""
    torch.manual_seed(0)
    look = Look(2, 1).requires_grad_(False)
    nn.init.normal_(look.out.weight)
    features = torch.randn(1, 2, 63, 70)
    whole, part = look(features), look(features[..., :50, :61])
    assert whole.shape == features.shape and part.shape[2:] == (50, 61)
    torch.testing.assert_close(part[..., :20, :30], whole[..., :20, :30])


def test_the_look_sees_far():
    image = torch.rand(1, 3, 96, 96) * 2 - 1
    changed = image.clone()
    changed[..., :8] *= -1
    for config, sees in ((SMALL, False), (WIDE, True)):
        network = shaken(config)
        assert bool((network(image) != network(changed))[..., 64:].any()) is sees


@pytest.mark.parametrize("size", [(16, 16), (20, 36)])
def test_the_smallest_pictures_pass(size):
    assert shaken(WIDE)(torch.rand(1, 3, *size)).shape[2:] == size
