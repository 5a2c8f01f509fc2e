"""The wide shower: dense rain, rain in layers, veil, and what a camera does afterwards."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cclgan_lite.data.rain import compose
from cclgan_lite.data.shower import SHARES, WIDE, Shower
from cclgan_lite.data.veil import veil

GREY = np.full((96, 128, 3), 100, np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_what_has_no_share_draws_nothing():
    """A run of an older recipe sees the showers that it always saw."""
    first, again = Shower(share=1.0), Shower(share=1.0, depth=(1.0, 1.5), airlight=(0.5, 0.6))
    for seed in range(5):
        assert np.array_equal(first(GREY, rng(seed)), again(GREY, rng(seed)))


@pytest.mark.parametrize("share", SHARES[1:])
def test_every_share_changes_the_rain(share):
    plain = Shower(share=1.0, dense=float(share == "tone"))  # dense rain alone changes its tone
    rained, changed = plain(GREY, rng()), replace(plain, **{share: 1.0})(GREY, rng())
    assert changed.shape == GREY.shape and changed.dtype == np.uint8
    assert not np.array_equal(rained, changed)


def test_dense_rain_falls_in_the_direction_of_its_angle():
    """Brightness changes less along the fall than across it; 0 degrees is downwards."""
    shower = Shower(share=1.0, dense=1.0, angle=0.0)
    for seed in range(5):
        rained = shower(GREY, rng(seed))[..., 0].astype(float)
        assert (
            np.abs(np.diff(rained, axis=0)).mean() < 0.6 * np.abs(np.diff(rained, axis=1)).mean()
        )


def test_rain_that_hides_leaves_white_white():
    """J (1 - R) + R: nothing is added where the picture is white, and the rest keeps its order."""
    white = np.full_like(GREY, 255)
    shower = Shower(share=1.0, screen=1.0)
    assert np.array_equal(shower(white, rng()), white)
    hidden, added = shower(GREY, rng()), Shower(share=1.0)(GREY, rng())  # the same streaks
    layer = (added[added < 255] - 100) / 255
    assert np.abs(hidden[added < 255] - (100 + 155 * layer)).max() <= 1 and layer.max() > 0.1


def test_veil_lies_in_its_ranges():
    image = rng().random((64, 80, 3)).astype(np.float32)
    deepest = []
    for seed in range(40):
        haze, airlight = veil(image, (0.1, 2.0), (0.35, 0.95), rng(seed))
        assert haze.shape == (64, 80) and haze.min() >= 0
        assert haze.max() <= 1 - np.exp(-2.0) + 1e-6
        assert 0.3 < airlight.mean() < 1 and airlight.max() <= 1
        deepest.append(haze.max())
    assert max(deepest) > 0.5 and min(deepest) < 0.2


def test_veil_takes_contrast():
    image = np.tile(np.array([[[20], [220]]], np.uint8), (48, 32, 3))
    shower = Shower(share=1.0, veil=1.0, light=(1e-6, 1e-6), depth=(1.0, 1.0))
    veiled = [shower(image, rng(seed)).std() for seed in range(10)]
    assert np.mean(veiled) < 0.85 * image.std()


def test_compose_takes_a_coloured_airlight():
    clean, none = np.full((2, 2, 3), 0.5, np.float32), np.zeros((2, 2), np.float32)
    rainy = compose(clean, none, none + 0.4, np.array([0.2, 0.6, 1.0]))
    assert rainy[0, 0] == pytest.approx([0.3 + 0.08, 0.3 + 0.24, 0.3 + 0.4])


def test_jpeg_leaves_its_blocks():
    noise = rng().integers(0, 256, (64, 64, 3), np.uint8)
    shower = Shower(share=1.0, jpeg=1.0, light=(1e-6, 1e-6))
    assert np.abs(shower(noise, rng()).astype(int) - noise).mean() > 3


@pytest.mark.parametrize(
    "wrong", [{"veil": 1.1}, {"jpeg": -0.1}, {"depth": (0.0, 1.0)}, {"airlight": (0.9, 0.4)}]
)
def test_impossible_shares_and_ranges_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Shower(**wrong)


def test_the_wide_shower_rains_nearly_always_and_repeats():
    rained = [WIDE(GREY, rng(seed)) for seed in range(60)]
    assert 50 <= sum((picture != GREY).any() for picture in rained) < 60
    assert np.array_equal(rained[3], WIDE(GREY, rng(3)))
