"""Lesson 01: what it builds equals the package, and its exercises tell the mistakes apart.

The package's rain model and metrics are NumPy, so outputs are compared; there are no gradients
of the package to compare with.
"""

import numpy as np
import pytest
import torch

from cclgan_lite.course.checks.lesson_01 import check_psnr_y, check_streak_map, check_uncompose
from cclgan_lite.data import rain
from cclgan_lite.data.images import to_tensor
from cclgan_lite.evaluation import metrics
from lessons.lesson import answer, built

CHECKS = {"streak_map": check_streak_map, "uncompose": check_uncompose, "psnr_y": check_psnr_y}
SHAPE = (60, 80)


@pytest.fixture(scope="module")
def lesson() -> dict:
    return built("01")


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Two uint8 pictures that differ by streaks and noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :50]
    clean = np.stack([120 + 80 * np.sin(x / 7 + k) * np.cos(y / 5) for k in range(3)], axis=2)
    rainy = clean + 60 * (rng.random((1, 50, 1)) > 0.8) + rng.normal(0, 8, clean.shape)
    return tuple(np.rint(a.clip(0, 255)).astype(np.uint8) for a in (rainy, clean))


def test_haze_and_transmission(lesson):
    depth = np.linspace(0, 200, 50)
    np.testing.assert_allclose(lesson["haze"](depth, 0.01), rain.haze(depth, 0.01), rtol=1e-5)
    np.testing.assert_allclose(
        lesson["streak_transmission"](depth, 0.02, 5.0),
        rain.streak_transmission(depth, 0.02, 5.0),
        rtol=1e-5,
    )


class Fixed:
    """A stand-in for a random generator: no spread, and the places that are given."""

    def __init__(self, y0, x0, phase):
        self.places = [np.array(v) for v in (y0, x0, phase)]

    def lognormal(self, mean, sigma, count):
        return np.ones(count)

    def standard_normal(self, count):
        return np.zeros(count)

    def uniform(self, low, high, count):
        return self.places.pop(0)


@pytest.mark.parametrize("angle, width", [(0.0, 4.0), (25.0, 4.0), (-30.0, 0.8)])
def test_streaks(lesson, angle, width):
    """The package stops at 2.5 sigma across, where a streak has 4.4 % of its light."""
    y0, x0, phase = [20.0, 31.5], [30.0, 36.0], [0.0, 1.0]
    package = rain.streak_layer(
        SHAPE, Fixed(y0, x0, phase), count=2, length=30.0, width=width, brightness=0.6, angle=angle
    )
    mine = lesson["overlay"](
        [
            lesson["streak"](SHAPE, x, y, 30.0, width, 0.6, angle, p)
            for x, y, p in zip(x0, y0, phase, strict=True)
        ]
    )
    light = 0.6 * min(1, width / 1.2)
    assert package.max() > 0.8 * light
    inside = package > 0.05 * light
    np.testing.assert_allclose(mine[inside], package[inside], atol=0.045 * light)
    np.testing.assert_allclose(mine[~inside], package[~inside], atol=0.05 * light)
    assert np.median(np.abs(mine - package)[inside]) < 1e-6


def test_compose(lesson):
    rng = np.random.default_rng(1)
    clean, streaks, veil = rng.random((4, 5, 3)), rng.random((4, 5)) / 2, rng.random((4, 5)) / 2
    np.testing.assert_allclose(
        lesson["compose"](clean, streaks, veil, 0.8),
        rain.compose(clean, streaks, veil, 0.8),
        rtol=1e-5,
    )


def test_streak_map_is_the_package_s():
    """The package's layers, drawn one after another, through the solution."""
    depth, shower = rain.assumed_depth(SHAPE), rain.Rain(density=100)
    rng = np.random.default_rng(3)
    layers = []
    for z in rain.LAYER_DEPTHS:
        size = (rain.LAYER_DEPTHS[0] / z) ** 0.5
        layers.append(
            rain.streak_layer(
                SHAPE,
                rng,
                count=round(shower.density * SHAPE[1] / SHAPE[0] / size**2),
                length=shower.length * SHAPE[0] * size,
                width=shower.width * SHAPE[0] * size,
                brightness=shower.brightness * size,
                angle=shower.angle,
                jitter=shower.jitter,
            )
        )
    mine = answer("01", "streak_map")(layers, rain.LAYER_DEPTHS, depth, shower.alpha, shower.d1)
    package = rain.streak_map(depth, shower, np.random.default_rng(3))
    np.testing.assert_allclose(mine, package, atol=1e-6)


def test_luma_psnr_ssim(lesson, pair):
    rainy, clean = pair
    views = [lesson["luma"](to_tensor(picture).double()) for picture in pair]
    for view, picture in zip(views, pair, strict=True):
        np.testing.assert_allclose(view.numpy(), metrics.luma(picture), atol=1e-4)
    scores = metrics.scores(rainy, clean)
    assert lesson["psnr"](*views).item() == pytest.approx(scores["psnr_y"], abs=1e-5)
    assert lesson["ssim"](*views).item() == pytest.approx(scores["ssim_y"], abs=1e-6)
    whole = [torch.from_numpy(picture).double() for picture in pair]
    assert lesson["psnr"](*whole).item() == pytest.approx(scores["psnr_rgb"], abs=1e-9)
    assert lesson["psnr"](whole[0], whole[0]).item() == metrics.PSNR_CAP
    assert lesson["gaussian_window"]().sum().item() == pytest.approx(1)


def test_luma_keeps_the_gradient(lesson):
    """The weights of R, G and B, halved by the step from [-1, 1] to [0, 1]."""
    image = torch.zeros(3, 2, 2, requires_grad=True)
    lesson["luma"](image).sum().backward()
    expected = torch.tensor([65.481, 128.553, 24.966]) / 2
    torch.testing.assert_close(image.grad, expected[:, None, None].expand(3, 2, 2))


LOOP = "torch.stack(each).mean()"


@pytest.mark.parametrize(
    "name, old, new, word",
    [
        ("streak_map", "depth > z", "depth < z", "wrong way round"),
        ("streak_map", " * (depth > z)", "", "hidden"),
        ("streak_map", "1 - clear", "clear", "passes"),
        ("streak_map", "clear * (1 - seen)", "clear - seen", "multiply what passes"),
        ("streak_map", "streak_transmission(z, alpha, d1) * ", "", "do not fade"),
        ("streak_map", "streak_transmission(z,", "streak_transmission(depth,", "its own distance"),
        ("streak_map", "streak_transmission(z, alpha, d1)", "np.exp(-alpha * z)", "max(d1, z)"),
        ("streak_map", "return 1 - clear", "return (1 - clear).mean()", "shape of depth"),
        ("streak_map", "layer * (depth > z)", "0.5 * layer * (depth > z)", "should be"),
        ("uncompose", " / (1 - streaks - veil)", "", "divide"),
        ("uncompose", "airlight * veil", "veil", "airlight times A"),
        ("uncompose", " - airlight * veil", "", "subtract it"),
        ("uncompose", "1 - streaks - veil", "1 - streaks", "dims J"),
        ("uncompose", "rainy - streaks - airlight", "rainy + streaks + airlight", "sign"),
        ("uncompose", "streaks, veil = streaks[..., None], veil[..., None]", "pass", "broadcast"),
        ("uncompose", "1 - streaks - veil", "1 - streaks * veil", "identity"),
        ("uncompose", "(1 - streaks - veil)", "(1 - streaks - veil).mean(-1)", "broadcast"),
        ("psnr_y", LOOP, "psnr(luma(images), luma(truths))", "pools"),
        ("psnr_y", "psnr(luma(x), luma(y))", "psnr(x, y)", "[-1, 1]"),
        ("psnr_y", "psnr(luma(x), luma(y))", "psnr(127.5 * (x + 1), 127.5 * (y + 1))", "RGB"),
        (
            "psnr_y",
            "psnr(luma(x), luma(y))",
            "psnr(luma(x) * 255 / 219, luma(y) * 255 / 219)",
            "full-range",
        ),
        ("psnr_y", ".mean()", ".sum()", "sum"),
        ("psnr_y", ".mean()", ".min()", "one picture"),
        ("psnr_y", "psnr(luma(x), luma(y))", "psnr(255 * luma(x), 255 * luma(y))", "peak"),
        ("psnr_y", "psnr(luma(x), luma(y))", "psnr(luma(x), luma(y)) / 2", "20 log10"),
        ("psnr_y", "psnr(luma(x), luma(y))", "psnr(luma(x), luma(y)) + 1", "should be"),
    ],
)
def test_the_check_names_the_mistake(name, old, new, word):
    assert word in CHECKS[name].verdict(answer("01", name, (old, new)))
