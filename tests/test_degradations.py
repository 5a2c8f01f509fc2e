"""Each physical model against numbers worked out by hand, and what all of them promise."""

from __future__ import annotations

import tracemalloc
from math import pi

import numpy as np
import pytest

from cclgan_lite.data.degradations.base import degrade_rgb, degraded
from cclgan_lite.data.degradations.haze import Haze
from cclgan_lite.data.degradations.kinds import KINDS, sample
from cclgan_lite.data.degradations.noise import Noise, to_light, to_values
from cclgan_lite.data.degradations.snow import Snow
from cclgan_lite.data.degradations.underwater import WATERS, Underwater
from cclgan_lite.data.degradations.veiled_rain import PAIRS, veiled_rain
from cclgan_lite.data.rain import assumed_depth, demo_rain

SHAPE = (60, 80)


def picture(kind: str, seed: int, band: int, shape=SHAPE) -> np.ndarray:
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    rng = np.random.default_rng(seed)
    return degrade_rgb(rgb, sample(kind, rng), rng, assumed_depth(shape), band)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("band", [1, 80 * 7, 80 * 59])
def test_bands_do_not_change_the_picture(kind, band):
    np.testing.assert_array_equal(picture(kind, 3, band), picture(kind, 3, 10**6))


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_alone_decides(kind):
    np.random.seed(0)
    one = picture(kind, 3, 80 * 7)
    np.random.seed(1)
    np.testing.assert_array_equal(picture(kind, 3, 80 * 7), one)
    assert (picture(kind, 4, 80 * 7) != one).any()


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_that_of_a_band(kind):
    """A sixteenth of the rows at a time needs less than a quarter of what all at once do."""

    def peak(band: int) -> int:
        tracemalloc.start()
        out = picture(kind, 3, band, (320, 320))
        found = tracemalloc.get_traced_memory()[1] - 3 * out.nbytes  # in, out, depth
        tracemalloc.stop()
        return found

    assert peak(20 * 320) < peak(320 * 320) / 4


def test_visibility_is_where_two_per_cent_are_left():
    haze = Haze(visibility=200.0, airlight=0.8)
    assert haze.beta == pytest.approx(3.912 / 200, rel=1e-4)
    depth = np.array([[0.0, 100.0, 200.0]])
    hazy = degraded(haze, np.full((1, 3, 3), 0.3), depth, np.random.default_rng(0))
    # 0.3 t + 0.8 (1 - t) with t = 1, sqrt(0.02), 0.02
    np.testing.assert_allclose(hazy[0, :, 1], [0.3, 0.72929, 0.79], atol=1e-5)


def test_veil_is_rain_in_one_of_three_veils():
    found = set()
    for seed in range(20):
        rain, veil = (
            demo_rain(np.random.default_rng(seed)),
            veiled_rain(np.random.default_rng(seed)),
        )
        found.add((veil.alpha, veil.beta))
        assert vars(veil) | {"alpha": 0, "beta": 0} == vars(rain) | {"alpha": 0, "beta": 0}
    assert found == set(PAIRS)
    # The streaks lie where they lay: over a near wall there is no veil to speak of.
    near, clean = np.full(SHAPE, 2.5), np.zeros((*SHAPE, 3))
    one, two = (
        degraded(draw(rng), clean, near, rng)[..., 0]
        for draw, rng in ((d, np.random.default_rng(2)) for d in (demo_rain, veiled_rain))
    )
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.99


# Snow


def flakes(snow: Snow, shape=(240, 320), depth: float = 100.0) -> np.ndarray:
    """What the flakes cover, [H, W]: on black, with the black air of the far ones."""
    clean = np.zeros((*shape, 3))
    where = np.full(shape, depth)
    return degraded(snow, clean, where, np.random.default_rng(0))[..., 0]


def test_extinction_by_hand():
    """100 flakes of 1 cm in a cubic metre: twice 100 pi / 4 square centimetres."""
    assert Snow(concentration=100, diameter=0.01).beta == pytest.approx(2 * 0.01 * pi / 4)


def test_flakes_cover_what_their_frustum_holds():
    """N D^2 times the way from 0.5 / sqrt(2) to 8 sqrt(2) metres, within a factor of about two:
    flakes are soft, round-ended and of spread light instead of squares.
    """
    snow = Snow(concentration=20, airlight=0.0, exposure=1e-6, speed=1e-6, jitter=0, angle=0)
    path = 8 * 2**0.5 - 0.5 / 2**0.5
    square = snow.concentration * snow.diameter**2 * path
    assert 0.4 < flakes(snow).mean() / square < 1.2


def test_flakes_do_not_depend_on_the_resolution():
    snow = Snow(concentration=200, airlight=0.0)
    small, large = flakes(snow, (120, 160)).mean(), flakes(snow, (360, 480)).mean()
    assert small == pytest.approx(large, rel=0.25)
    assert flakes(Snow(concentration=0)).max() == 0


def test_no_flake_before_a_near_surface():
    assert flakes(Snow(airlight=0.0), depth=0.4).max() == 0
    near, far = (flakes(Snow(airlight=0.0), depth=d) for d in (1.5, 100.0))
    assert 0 < near.mean() < far.mean()


def test_a_longer_exposure_smears_and_thins():
    still, moving = (flakes(Snow(airlight=0.0, exposure=t, jitter=0)) for t in (1e-5, 0.05))
    assert moving.max() < 0.5 * still.max()
    assert moving.mean() == pytest.approx(still.mean(), rel=0.3)  # the same light, spread out


# Noise


def test_noise_has_the_variance_of_photons_and_read_out():
    sensor, value = Noise(electrons=200, read=6), 0.5
    clean = np.full((400, 400, 3), value, np.float32)
    light = ((value + 0.055) / 1.055) ** 2.4
    noisy = to_light(degraded(sensor, clean, np.ones((400, 400)), np.random.default_rng(0)))
    assert noisy.mean() == pytest.approx(light, rel=2e-3)
    assert noisy.var() == pytest.approx(light / 200 + (6 / 200) ** 2, rel=0.02)
    assert abs(np.corrcoef(noisy[..., 0].ravel(), noisy[..., 1].ravel())[0, 1]) < 0.01


def test_the_curve_of_srgb():
    values = np.linspace(0, 1, 256)
    np.testing.assert_allclose(to_values(to_light(values)), values, atol=1e-6)
    assert to_light(np.array(0.5)) == pytest.approx(0.21404, abs=1e-5)  # as the standard has it


# Under water


def test_underwater_by_hand():
    """Water II, 2 m down, 40 m of street for 4 m of water: 0.8^4, 0.925^4, 0.94^4."""
    water = Underwater(water="II", down=2.0, shrink=0.1, background=0.9)
    clean = np.full((1, 1, 3), [0.2, 0.5, 1.0])
    seen = degraded(water, clean, np.full((1, 1), 40.0), np.random.default_rng(0))
    expected = [
        (p / 0.94) ** 2 * (J * p**4 + 0.9 * (1 - p**4))
        for p, J in zip((0.8, 0.925, 0.94), (0.2, 0.5, 1.0), strict=True)
    ]
    np.testing.assert_allclose(seen[0, 0], expected, rtol=1e-5)


def test_oceans_are_blue_and_coasts_green_or_brown():
    for water, (red, green, blue) in WATERS.items():
        assert (blue > green > red) == (water in ("I", "IA", "IB", "II", "III")), water
    red, green, blue = WATERS["9"]
    assert red > green > blue


# Parameters


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda: Haze(visibility=0), "visibility must be above 0, not 0"),
        (lambda: Haze(airlight=1.2), r"airlight must be in \[0, 1\]"),
        (lambda: Snow(angle=80), "angle must be in"),
        (lambda: Snow(concentration=-1), "concentration must be at least 0"),
        (lambda: Noise(electrons=-1), "electrons must be above 0"),
        (lambda: Underwater(water="IV"), "water must be one of I, IA"),
        (lambda: Underwater(down=-1), "down must be at least 0"),
    ],
)
def test_impossible_parameters_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        wrong()
