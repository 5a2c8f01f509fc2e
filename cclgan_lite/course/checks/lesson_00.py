"""Checks of lesson 00, start here."""

from __future__ import annotations

import torch

from cclgan_lite.course.exercises import Wrong, check


@check("removed_light")
def check_removed_light(answer):
    """Two pictures, the second of which was darkened in one half and brightened in the other."""
    derained = torch.zeros(2, 3, 4, 6)
    rainy = derained + 0.2  # 0.2 x 127.5 = 25.5 grey levels
    rainy[1, :, :2], rainy[1, :, 2:] = 0.2, -0.6
    want = torch.tensor([25.5, -25.5])
    got = torch.as_tensor(answer(rainy, derained))
    if got.shape != want.shape:
        raise Wrong(f"one number per picture is wanted, shape [2]; yours is {list(got.shape)}")

    def near(value):
        return torch.allclose(got, value, rtol=1e-4, atol=1e-4)

    if near(-want):
        raise Wrong("the sign: light that was removed is rainy minus derained")
    if near(2 * want):
        raise Wrong("the factor is half as large: [-1, 1] is 2 wide, so 1 is 127.5 grey levels")
    if near(want / 127.5):
        raise Wrong("grey levels are wanted: [-1, 1] stands for 0 to 255")
    if (got[1] > 0) and torch.isclose(got[0], want[0]):
        raise Wrong("the absolute value counts light that was added as if it had been removed")
    if not near(want):
        raise Wrong(f"for light of {want.tolist()} grey levels it says {got.tolist()}")
