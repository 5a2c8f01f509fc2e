"""The restoration network's veil: what it undoes, what it hears, and how it starts."""

from __future__ import annotations

import pytest
import torch

from cclgan_lite.networks import RestorationConfig
from cclgan_lite.networks.layers import places_of
from cclgan_lite.networks.veil import VeilRemover, side_of


def test_a_veil_is_undone():
    """J = (1 + g) I - c of I = J (1 - A) + A0 A, with the g and c of the docstring."""
    haze, airlight = 0.3, torch.tensor([0.6, 0.7, 0.8])
    clean = torch.rand(1, 3, 16, 24)
    veiled = clean * (1 - haze) + (airlight * haze).view(1, 3, 1, 1)
    remover = VeilRemover(4).requires_grad_(False)  # its last weights are zero
    remover.last.bias[:3] = airlight * haze / (1 - haze)
    remover.last.bias[3] = haze / (1 - haze)
    torch.testing.assert_close(remover(2 * veiled - 1), 2 * clean - 1, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(16, 16), (20, 36), (4, 8)])
def test_sizes_that_are_no_multiple_of_a_square(size):
    """The squares are counted from the upper left; the last ones are the mean of what is there."""
    torch.manual_seed(0)
    remover = VeilRemover(4).requires_grad_(False)
    remover.last.weight.normal_()
    image = torch.rand(1, 3, *size) * 2 - 1
    filled = [-side % 8 for side in size]
    assert remover(image).shape == image.shape
    whole = torch.nn.functional.pad(image.mean((2, 3), keepdim=True).expand_as(image), (0, 0))
    even = torch.nn.functional.pad(whole, (0, filled[1], 0, filled[0]), mode="replicate")
    part = remover(even)[..., : size[0], : size[1]]
    torch.testing.assert_close(remover(whole), part, atol=1e-5, rtol=0)


def test_it_hears_where_a_square_lies():
    """In a grey picture only places can tell its parts apart."""
    torch.manual_seed(0)
    remover = VeilRemover(4).requires_grad_(False)
    remover.last.weight.normal_()
    found = remover.coefficients(torch.full((1, 3, 80, 64), 0.5))
    assert (found[..., 20, :] - found[..., 60, :]).abs().max() > 0.1


def test_squares_grow_with_the_picture():
    sizes = [(64, 64), (300, 512), (513, 20), (1024, 2048)]
    assert [side_of(*size) for size in sizes] == [8, 8, 9, 32]


def test_places():
    assert places_of(4, 2).tolist() == [
        [[-0.75] * 2, [-0.25] * 2, [0.25] * 2, [0.75] * 2],  # above to below
        [[0.5, 0.5]] * 4,  # from the middle
    ]


def test_a_rainer_adds_no_veil():
    assert RestorationConfig(4, 1, veil=4).build(adds_rain=True).veil is None
