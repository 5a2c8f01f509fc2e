"""Checks of lesson 00, start here."""

from __future__ import annotations

import torch

from cclgan_lite.course.exercises import Wrong, check, expect


@check("removed_light")
def check_removed_light(answer):
    """Two pictures, the second of which was darkened in one half and brightened in the other."""
    derained = torch.rand(2, 3, 4, 6, generator=torch.Generator().manual_seed(0)) - 0.5
    light = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1).repeat(2, 1, 4, 6)  # 0.2: 25.5 grey levels
    light[1, :, 2:] -= 0.8
    want = torch.tensor([25.5, -25.5])
    got = torch.as_tensor(answer(derained + light, derained)).float()
    if got.shape != want.shape:
        raise Wrong(f"one number per picture is wanted, shape [2]; yours is {list(got.shape)}")
    expect(
        got,
        want,
        {
            "the sign: light that was removed is rainy minus derained": -want,
            "the factor is half as large: [-1, 1] is 2 wide, so 1 is 127.5 grey levels": 2 * want,
            "grey levels are wanted: [-1, 1] stands for 0 to 255": want / 127.5,
            "the absolute value counts light that was added as if it had been removed": (
                lambda got: got[1] > 0 and (got[0] - want[0]).abs() < 1e-3
            ),
        },
        f"for light of {want.tolist()} grey levels it says {got.tolist()}",
    )
