"""The rain model against numbers worked out by hand, slow loops, and the look of its streaks."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cclgan_lite.data.rain import (
    LAYER_DEPTHS,
    MAX_ANGLE,
    Rain,
    add_rain,
    assumed_depth,
    compose,
    haze,
    streak_layer,
    streak_map,
    streak_transmission,
)

SHAPE = (120, 160)


def streak_angle(streaks: np.ndarray) -> float:
    """Dominant direction in degrees from the vertical, from the mean structure tensor.

    Gaussian derivatives: plain differences are biased on lines of two pixels' width.
    """
    gy, gx = (gaussian_filter(streaks.astype(float), 1.5, order) for order in ((1, 0), (0, 1)))
    return -np.degrees(0.5 * np.arctan2(2 * (gx * gy).mean(), (gx * gx - gy * gy).mean()))


def layer(angle: float = 0.0, seed: int = 0, **sizes: float) -> np.ndarray:
    sizes = dict(count=60, length=26, width=2, brightness=0.6) | sizes
    return streak_layer(SHAPE, np.random.default_rng(seed), angle=angle, **sizes)


def test_haze_by_hand():
    np.testing.assert_allclose(haze(np.array([0.0, 100.0]), 0.01), [0, 1 - np.exp(-1)], rtol=1e-6)


def test_transmission_by_hand():
    depth = np.array([1.0, 5.0, 50.0])
    expected = [np.exp(-0.1), np.exp(-0.1), np.exp(-1)]  # nothing gets brighter nearer than d1
    np.testing.assert_allclose(streak_transmission(depth, 0.02, 5.0), expected, rtol=1e-6)


def test_compose_by_hand():
    clean, one = np.full((1, 1, 3), [0.2, 0.5, 1.0]), np.ones((1, 1))
    rainy = compose(clean, 0.3 * one, 0.2 * one, 0.8)
    np.testing.assert_allclose(rainy, [[[0.56, 0.71, 0.96]]], rtol=1e-6)


def test_compose_refuses_other_shapes():
    with pytest.raises(ValueError, match="same size"):
        compose(np.zeros((4, 4, 3)), np.zeros((4, 5)), np.zeros((4, 4)), 0.8)


def test_add_rain_equals_a_loop_over_pixels():
    random = np.random.default_rng(1)
    clean, depth = random.random((40, 30, 3)), random.uniform(1, 90, (40, 30))
    rain = Rain(density=150, beta=0.01)
    rainy = add_rain(clean, depth, rain, np.random.default_rng(2))
    streaks = streak_map(depth, rain, np.random.default_rng(2))
    assert streaks.max() > 0.2
    for y, x, channel in np.ndindex(clean.shape):
        A = 1 - np.exp(-rain.beta * depth[y, x])
        R = min(streaks[y, x], 1 - A)
        I = clean[y, x, channel] * (1 - R - A) + R + rain.airlight * A  # noqa: E741
        assert rainy[y, x, channel] == pytest.approx(I, abs=1e-5)


def test_streak_map_equals_its_equation():
    """R = 1 - prod_l (1 - t_r(z_l) S_l [z_l < d]), with the layers drawn one after another."""
    depth, rain, rng = assumed_depth(SHAPE), Rain(), np.random.default_rng(3)
    clear = np.ones(SHAPE)
    for z in LAYER_DEPTHS:
        size = np.sqrt(LAYER_DEPTHS[0] / z)
        S = streak_layer(
            SHAPE,
            rng,
            count=round(rain.density * 160 / 120 / size**2),
            length=rain.length * 120 * size,
            width=rain.width * 120 * size,
            brightness=rain.brightness * size,
            angle=rain.angle,
            jitter=rain.jitter,
        )
        t = np.exp(-rain.alpha * max(rain.d1, z))
        clear = np.where(depth > z, clear * (1 - t * S), clear)
    np.testing.assert_allclose(
        streak_map(depth, rain, np.random.default_rng(3)), 1 - clear, atol=1e-6
    )


def test_no_streak_in_front_of_a_near_surface():
    rain = Rain(density=200)
    near, far = np.full(SHAPE, 3.0), np.full(SHAPE, 100.0)
    mixed = np.where(np.arange(160) < 80, near, far)
    R = {
        k: streak_map(d, rain, np.random.default_rng(5))
        for k, d in {"near": near, "far": far, "mixed": mixed}.items()
    }
    np.testing.assert_array_equal(R["mixed"][:, :80], R["near"][:, :80])
    np.testing.assert_array_equal(R["mixed"][:, 80:], R["far"][:, 80:])
    assert (R["far"] >= R["near"]).all() and R["far"].mean() > 2 * R["near"].mean() > 0
    touching = np.full(SHAPE, 0.5 * LAYER_DEPTHS[0])
    assert not streak_map(touching, rain, np.random.default_rng(5)).any()


def test_same_generator_same_rain_whatever_the_global_state():
    clean, depth = np.full((*SHAPE, 3), 0.4, np.float32), assumed_depth(SHAPE)

    def shower(seed: int, global_seed: int) -> np.ndarray:
        np.random.seed(global_seed)
        rng = np.random.default_rng(seed)
        return add_rain(clean, depth, Rain.sample(rng), rng)

    assert shower(7, 0).tobytes() == shower(7, 1).tobytes()
    assert (shower(7, 0) != shower(8, 0)).any()


@pytest.mark.parametrize("angle", [-35.0, -12.0, 0.0, 8.0, 30.0])
def test_streaks_lie_along_the_wind(angle):
    assert streak_angle(layer(angle)) == pytest.approx(angle, abs=3)
    rain = dataclasses.replace(Rain(), angle=angle)
    rainy = add_rain(
        np.full((240, 320, 3), 0.3), np.full((240, 320), 100.0), rain, np.random.default_rng(1)
    )
    assert streak_angle(rainy[..., 0]) == pytest.approx(angle, abs=3)


def test_too_flat_an_angle_is_refused():
    with pytest.raises(ValueError, match="degrees"):
        layer(MAX_ANGLE + 1)


def test_streaks_are_soft_and_additive_light():
    S = layer(count=200)
    assert S.dtype == np.float32 and S.min() == 0 and 0.3 < S.max() < 1
    values = np.unique(S[S > 0.01].round(2))
    assert len(values) > 30  # anti-aliased: many grey levels, not two
    gy, gx = np.gradient(S)
    assert np.abs(gx).mean() > 2 * np.abs(gy).mean()  # long along the fall, with soft ends
    assert not layer(count=0).any()


def test_rain_only_brightens_where_there_is_no_haze():
    clean = np.random.default_rng(0).random((*SHAPE, 3)).astype(np.float32)
    rain = dataclasses.replace(Rain(), beta=0.0)
    rainy = add_rain(clean, assumed_depth(SHAPE), rain, np.random.default_rng(0))
    assert rainy.dtype == np.float32 and rainy.max() <= 1
    assert (rainy >= clean - 1e-6).all() and (rainy > clean + 0.1).mean() > 0.01


def test_sizes_scale_with_the_image():
    """Twice the rows: the same share of the image under rain."""
    share = [
        (streak_map(np.full((n, n), 100.0), Rain(), np.random.default_rng(0)) > 0.1).mean()
        for n in (200, 400)
    ]
    assert share[0] == pytest.approx(share[1], rel=0.25)


def test_wind_and_drops_vary_from_image_to_image():
    rains = [Rain.sample(np.random.default_rng(i)) for i in range(60)]
    angles = [rain.angle for rain in rains]
    assert np.std(angles) > 8 and min(angles) < -10 and max(angles) > 10
    for name in ("density", "length", "width", "brightness", "alpha", "beta", "airlight"):
        values = [getattr(rain, name) for rain in rains]
        assert min(values) > 0 and np.ptp(values) > 0.15 * np.mean(values), name


def test_assumed_depth_is_a_ramp():
    depth = assumed_depth((100, 8), near=4, far=80)
    assert depth.shape == (100, 8) and depth.dtype == np.float32
    assert (np.diff(depth[:, 0]) <= 0).all() and depth[0, 0] == 80
    assert depth[-1, 0] == pytest.approx(4, rel=0.02)
    assert (assumed_depth((9, 9), near=5, far=5) == 5).all()
