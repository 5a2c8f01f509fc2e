"""The painter's geometry by hand, and what a derainer needs of the scenes."""

import numpy as np
import pytest

from cclgan_lite.data.scenes import SKY_DEPTH, render_described, render_scene
from cclgan_lite.data.scenes.canvas import TILE, Canvas, Light, fractal_tile, rgb

RED, BLUE = rgb(1, 0, 0), rgb(0, 0, 1)


def canvas() -> Canvas:
    rng = np.random.default_rng(0)
    return Canvas(
        height=200,
        width=300,
        focal=100.0,
        eye=2.0,
        horizon=80.0,
        centre=150.0,
        light=Light.sample(rng),
        noise=fractal_tile(rng),
    )


def flat(colour: np.ndarray):
    return lambda u, v, scale: (colour, np.ones(np.broadcast_shapes(u.shape, v.shape)))


def painted(c: Canvas, colour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.nonzero((c.colour == colour).all(2))


def test_a_cutout_lands_where_perspective_puts_it():
    c = canvas()
    c.cutout(X=1.0, Z=10.0, half=2.0, top=3.0, texture=flat(RED))
    y, x = painted(c, RED)
    # columns 150 + 100 (1 -+ 2) / 10, rows 80 + 100 (2 - 3) / 10 and 80 + 100 * 2 / 10
    assert (x.min(), x.max()) == (140, 180) and (y.min(), y.max()) == (70, 100)
    assert (c.depth[y, x] == 10).all() and (c.depth < SKY_DEPTH).sum() == len(y)


def test_a_wall_recedes():
    c = canvas()
    c.wall(X=4.0, z0=5.0, z1=20.0, top=2.0, texture=flat(RED))
    for column, depth in ((170, 20), (190, 10), (210, 400 / 60)):
        rows = np.nonzero((c.colour[:, column] == RED).all(1))[0]
        assert c.depth[rows, column] == pytest.approx(depth, rel=0.03)
        assert rows.max() == pytest.approx(80 + 100 * 2 / depth, abs=2)  # its foot on the ground
        assert rows.min() == pytest.approx(80, abs=2)  # as tall as the eye: on the horizon


def test_what_is_painted_later_hides_colour_and_depth_together():
    c = canvas()
    c.cutout(0.0, 20.0, 4.0, 4.0, flat(RED))
    c.cutout(0.0, 5.0, 0.5, 1.0, flat(BLUE))
    assert (c.depth[painted(c, BLUE)] == 5).all() and (c.depth[painted(c, RED)] == 20).all()
    assert len(painted(c, BLUE)[0]) > 100


def test_nothing_is_painted_outside_and_nothing_fails_there():
    c = canvas()
    for X in (-400.0, 400.0):
        c.cutout(X, 10.0, 2.0, 3.0, flat(RED))
    c.wall(3.0, 0.1, 0.2, 2.0, flat(RED))
    assert not painted(c, RED)[0].size


def test_a_shadow_darkens_and_keeps_the_depth():
    c = canvas()
    c.colour[:], c.depth[:] = 0.5, 33.0
    c.shadow(0.0, 10.0, 1.0, strength=1.0)
    assert c.colour.min() < 0.4 and (c.depth == 33).all()


def test_noise_is_fractal_and_periodic():
    tile = fractal_tile(np.random.default_rng(0))
    assert tile.shape == (TILE, TILE) and tile.std() == pytest.approx(1, abs=1e-3)
    seam, step = np.abs(tile[0] - tile[-1]).mean(), np.abs(tile[0] - tile[1]).mean()
    assert seam == pytest.approx(step, rel=0.5)


@pytest.mark.parametrize("seed", range(12))
def test_scene_is_a_valid_picture_with_depth(seed):
    image, depth = render_scene(seed, 120, 160)
    assert image.shape == (120, 160, 3) and image.dtype == np.float32
    assert depth.shape == (120, 160) and depth.dtype == np.float32
    assert 0 <= image.min() and image.max() <= 1 and 0.15 < image.mean() < 0.7
    assert np.isfinite(depth).all() and 0.5 < depth.min() and depth.max() <= SKY_DEPTH
    assert np.median(depth[-1]) < 12 < depth.max()  # near ground below, far things above
    assert image.std() > 0.08


def test_same_seed_same_scene_whatever_the_global_state():
    np.random.seed(0)
    first = render_scene((3, 5), 60, 80)
    np.random.seed(1)
    again, other = render_scene((3, 5), 60, 80), render_scene((3, 6), 60, 80)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
    assert (first[0] != other[0]).mean() > 0.9


def test_scenes_have_the_spectrum_of_natural_images():
    """Amplitude falls about as 1/f: blurring loses texture, not only rain."""
    slopes = []
    f = np.hypot(np.fft.fftfreq(120)[:, None], np.fft.fftfreq(120)[None])
    band = (f > 0.03) & (f < 0.4)
    window = np.hanning(120)[:, None] * np.hanning(120)
    for seed in range(10):
        grey = render_scene(seed, 120, 160)[0][:, 20:140].mean(2)
        amplitude = np.abs(np.fft.fft2((grey - grey.mean()) * window))
        slopes.append(np.polyfit(np.log(f[band]), np.log(amplitude[band] + 1e-6), 1)[0])
    assert -1.9 < np.mean(slopes) < -0.8


def test_scenes_vary():
    means = np.array([render_scene(seed, 60, 80)[0].mean((0, 1)) for seed in range(20)])
    assert (means.std(0) > 0.03).all()


def test_visible_shares_by_hand():
    c = canvas()  # 200 x 300
    c.cutout(0.0, 10.0, 1.0, 2.0, flat(RED), "house")
    c.cutout(0.5, 9.0, 0.3, 1.0, flat(RED), "person")
    c.cutout(0.0, 5.0, 4.0, 4.0, flat(BLUE), "tree")  # hides both
    c.cutout(9.0, 12.5, 1.0, 2.0, flat(RED), "house")  # columns 214-230, rows 80-96
    c.cutout(-9.0, 12.0, 1.0, 2.0, flat(BLUE))  # has no name
    shares = c.visible(c.depth)
    assert shares == {"tree": (c.depth == 5).sum() / 60000, "house": 17 * 17 / 60000}
    assert list(shares) == ["tree", "house"]


def test_description_says_what_was_painted():
    image, depth = render_scene(3, 96, 128)
    seen = [render_described(seed, 96, 128) for seed in range(12)]
    assert (seen[3][0] == image).all() and (seen[3][1] == depth).all()
    places, lights = ({getattr(d, name) for _, _, d in seen} for name in ("place", "light"))
    assert places == {"town", "suburb", "country"}
    assert lights <= {"clear", "grey", "golden", "dusk"}
    for _, _, description in seen:
        shares = list(description.things.values())
        assert shares == sorted(shares, reverse=True) and 0 < sum(shares) < 1
        assert not (description.place == "town" and "house" in description.things)
    # Dusk is darker than a clear day.
    mean = {light: [i.mean() for i, _, d in seen if d.light == light] for light in lights}
    assert np.mean(mean["dusk"]) < np.mean(mean["clear"])
