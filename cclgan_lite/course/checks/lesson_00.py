"""Checks of lesson 00: how much light was removed, and where."""

from __future__ import annotations

import numpy as np
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


@check("on_streaks")
def check_on_streaks(answer):
    """Maps by hand, one of them with a pixel at the threshold; then another threshold."""
    removed = np.array([[50.0, 20.0, 1.0], [2.0, 3.0, 6.0]])
    added = np.array([[90.0, 60.0, 40.0], [0.0, 10.0, 41.0]])
    streak = added > 40
    on, off = removed[streak], removed[~streak]
    expect(
        answer(removed, added),
        on.mean() / off.mean(),
        {
            "upside down: streaks over the rest": off.mean() / on.mean(),
            "a pixel with exactly 40 levels is no streak: more than 40 is asked": (
                removed[added >= 40].mean() / removed[added < 40].mean()
            ),
            "sums depend on how many pixels are streaks: take means": on.sum() / off.sum(),
            "elsewhere is where there is no streak, not the whole picture": (
                on.mean() / removed.mean()
            ),
            "streaks are where the rain *added* light, whatever was removed there": (
                removed[removed > 40].mean() / removed[removed <= 40].mean()
            ),
        },
        f"for these maps it is {on.mean() / off.mean():.3f}",
    )
    want = removed[added > 5].mean() / removed[added <= 5].mean()
    expect(answer(removed, added, 5), want, otherwise="the threshold is an argument: use it")
