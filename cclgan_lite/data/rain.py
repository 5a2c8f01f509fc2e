"""The physical rain model of RainCityscapes, with streaks that lie in layers of depth.

Hu et al., "Depth-attentional features for single-image rain removal", CVPR 2019, compose a
rainy image I from a clean one J, rain streaks R, haze A and airlight A0:

    I = J (1 - R - A) + R + A0 A,    A = 1 - exp(-beta d),    t_r(d) = exp(-alpha max(d1, d)),

with d the depth of the surface in metres and R one photographed rain pattern times t_r(d).

Our refinement replaces the one pattern by layers of streaks at growing depths z_1 < z_2 < ...
A surface at depth d sees the streaks of every layer nearer than d, and no others, so the streak
density grows with depth and no streak crosses a near object that stands in front of it:

    R(x) = 1 - prod_l (1 - t_r(z_l) S_l(x) [z_l < d(x)]).

With depth, streaks S_l grow thinner, shorter, fainter and more numerous.

Images are float32 arrays H x W x 3 in [0, 1]; depth is H x W in metres; streaks and haze are
H x W in [0, 1]. Every random number comes from the `numpy.random.Generator` that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from cclgan_lite.data.degradations.base import Rows

LAYER_DEPTHS = (2.0, 4.0, 8.0, 16.0, 32.0)  # metres; each layer stands for one octave of depth
MARGIN = 1.25  # mean streak lengths beyond the image within which streaks may begin
MAX_ANGLE = 60.0  # degrees; streaks are drawn row by row, so they must not lie flat


@dataclass(frozen=True)
class Rain:
    """One shower. Sizes are fractions of the image height, so they do not depend on resolution.

    RainCityscapes uses (alpha, beta) = (0.01, 0.005), (0.02, 0.01) and (0.03, 0.015).
    """

    angle: float = 8.0  # degrees from the vertical; positive: the lower end lies to the right
    jitter: float = 1.5  # degrees, standard deviation per streak: one wind, a little turbulence
    density: float = 60.0  # streaks of the nearest layer in a square of side one image height
    length: float = 0.13  # mean length in the nearest layer: fall speed times exposure time
    width: float = 0.008  # mean width at half brightness in the nearest layer: drop size
    brightness: float = 0.6  # mean R of the nearest streaks: how much light a drop sends on
    alpha: float = 0.015  # 1/m; how fast streaks fade with depth
    beta: float = 0.0004  # 1/m; haze from the rain too far away to be seen as streaks
    d1: float = 3.0  # metres; nearer streaks do not get any brighter
    airlight: float = 0.8  # A0; the grey of the far rain

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Rain:
        """A varied shower: drizzle of many fine streaks to fewer long, wide and bright ones."""
        heavy = rng.uniform()  # large drops are rarer, fall faster and send on more light
        return cls(
            angle=float(rng.uniform(-30, 30)),
            jitter=float(rng.uniform(0.6, 2.2)),
            density=float((110 - 60 * heavy) * rng.uniform(0.7, 1.3)),
            length=float((0.07 + 0.11 * heavy) * rng.uniform(0.8, 1.25)),
            width=float((0.006 + 0.004 * heavy) * rng.uniform(0.85, 1.15)),
            brightness=float((0.5 + 0.2 * heavy) * rng.uniform(0.85, 1.15)),
            alpha=float(rng.uniform(0.008, 0.025)),
            beta=float(rng.uniform(0.0001, 0.0006)),
            airlight=float(rng.uniform(0.7, 0.9)),
        )

    def draw(self, shape: tuple[int, int], rng: np.random.Generator) -> Rows:
        """One shower on a picture of this height and width (`degradations/base.py`)."""
        layers = streak_layers(shape, self, rng)

        def rows(clean: np.ndarray, depth: np.ndarray, top: int) -> np.ndarray:
            veil = haze(depth, self.beta)
            streaks = streaks_at(layers, depth, self, top)
            streaks = np.minimum(streaks, 1 - veil)  # no more than all the light
            return compose(clean, streaks, veil, self.airlight)

        return rows


def demo_rain(rng: np.random.Generator) -> Rain:
    """The kind `rain` of bundled data and `degrade`: clear streaks in thin haze, varied per image.

    It leaves a rainy image at 22 to 26 dB PSNR on average, as the streaks of Rain100L do
    (26.9 dB on the luma), while its haze alone would leave more than 30 dB.
    """
    rain = Rain.sample(rng)
    return replace(rain, density=1.25 * rain.density, beta=0.6 * rain.beta)


def haze(depth: np.ndarray, beta: float) -> np.ndarray:
    """A = 1 - exp(-beta d): the share of airlight, H x W in [0, 1]; beta in 1/m."""
    return (-np.expm1(-beta * depth)).astype(np.float32)


def streak_transmission(depth: np.ndarray | float, alpha: float, d1: float) -> np.ndarray:
    """t_r(d) = exp(-alpha max(d1, d)): what is left of a streak at depth d; alpha in 1/m."""
    return np.exp(-alpha * np.maximum(d1, depth)).astype(np.float32)


def compose(
    clean: np.ndarray, streaks: np.ndarray, haze: np.ndarray, airlight: float | np.ndarray
) -> np.ndarray:
    """I = J (1 - R - A) + R + A0 A, an image in [0, 1] where R + A <= 1.

    Takes J (H x W x 3), R and A (H x W each) and A0, a number or a colour [3]. Raises ValueError
    where the shapes disagree.
    """
    if clean.ndim != 3 or not clean.shape[:2] == streaks.shape == haze.shape:
        raise ValueError(
            f"clean {clean.shape} must be H x W x 3, streaks {streaks.shape} and "
            f"haze {haze.shape} H x W of the same size"
        )
    streaks, haze = streaks[..., None], haze[..., None]
    return (clean * (1 - streaks - haze) + streaks + airlight * haze).astype(np.float32)


class Streaks(NamedTuple):
    """Soft motion-blurred lines on a picture, as arrays with an entry for each.

    One streak is s = b (1 - t^2)^0.7 exp(-w^2 / 2 sigma^2), with t in [-1, 1] along it and w
    across it: soft ends, soft sides. A drop in flight oscillates, which modulates its light along
    the streak (Garg and Nayar, 2006).
    """

    y0: np.ndarray  # row and column of the middle
    x0: np.ndarray
    half: np.ndarray  # half the length, in pixels
    sigma: np.ndarray  # pixels
    light: np.ndarray  # b, in [0, 1)
    lean: np.ndarray  # radians from the vertical
    phase: np.ndarray  # of the oscillation, radians

    def paint(self, top: int, bottom: int, columns: int) -> np.ndarray:
        """S = 1 - prod_k (1 - s_k) of rows `top` to `bottom`: [bottom - top, columns], float32."""
        # One entry per streak and row that it crosses ...
        reach = self.half * np.cos(self.lean)
        first = np.maximum(np.ceil(self.y0 - reach).astype(int), top)
        end = np.minimum(np.floor(self.y0 + reach).astype(int) + 1, bottom)
        rows = np.maximum(end - first, 0)
        k = np.repeat(np.arange(len(rows)), rows)
        y = first[k] + np.arange(len(k)) - np.repeat(np.cumsum(rows) - rows, rows)
        fall = y - self.y0[k]
        t = fall / reach[k]
        value = self.light[k] * (1 - t * t).clip(0) ** 0.7
        value *= 0.85 + 0.15 * np.sin(self.phase[k] + 4 * t)

        # ... and, within the row, per pixel that its width may touch.
        centre = self.x0[k] + fall * np.tan(self.lean[k])
        widest = 2.5 * self.sigma.max(initial=0) / np.cos(np.abs(self.lean).max(initial=0))
        side = int(np.ceil(widest))
        x = np.rint(centre).astype(int)[:, None] + np.arange(-side, side + 1)
        across = (x - centre[:, None]) * (np.cos(self.lean) / self.sigma)[k][:, None]
        value = value[:, None] * np.exp(-0.5 * across * across)
        inside = (x >= 0) & (x < columns)
        index = ((y - top)[:, None] * columns + x)[inside]
        optical = np.bincount(index, -np.log1p(-value[inside]), minlength=(bottom - top) * columns)
        return (-np.expm1(-optical)).reshape(bottom - top, columns).astype(np.float32)


def draw_streaks(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    count: int,
    length: float,
    width: float,
    brightness: float,
    angle: float,
    jitter: float = 1.5,
) -> Streaks:
    """`count` streaks over a picture of `shape` and a margin around it.

    `length`, `width` (at half brightness) and `brightness` are means, the first two in pixels;
    `angle` and `jitter` in degrees. Raises ValueError where |angle| > MAX_ANGLE.
    """
    if abs(angle) > MAX_ANGLE:
        raise ValueError(f"angle {angle} is beyond {MAX_ANGLE} degrees from the vertical")
    height, columns = shape
    half = 0.5 * length * rng.lognormal(-0.08, 0.4, count).clip(0.3, 2.5)
    fwhm = width * rng.lognormal(-0.045, 0.3, count).clip(0.4, 2.2)
    light = (brightness * rng.lognormal(-0.1, 0.45, count)).clip(0, 0.92)
    lean = np.radians(angle + jitter * rng.standard_normal(count).clip(-2.5, 2.5))
    margin = MARGIN * length  # streaks that begin or end outside the image
    y0 = rng.uniform(-margin, height + margin, count)
    x0 = rng.uniform(-margin, columns + margin, count)
    phase = rng.uniform(0, 2 * np.pi, count)
    # A streak thinner than a pixel covers only part of that pixel.
    light = light * np.minimum(1, fwhm / 1.2)
    return Streaks(y0, x0, half, np.maximum(fwhm, 1.1) / 2.355, light, lean, phase)


def streak_layer(shape: tuple[int, int], rng: np.random.Generator, **sizes: float) -> np.ndarray:
    """S_l of a whole picture, H x W float32 in [0, 1): `draw_streaks` with `sizes`, painted."""
    return draw_streaks(shape, rng, **sizes).paint(0, *shape)


def streak_layers(
    shape: tuple[int, int], rain: Rain, rng: np.random.Generator
) -> list[tuple[float, Streaks]]:
    """Depth and streaks of every layer, the nearest first.

    Against the nearest layer, the layer at depth z has z / z_1 times as many streaks, and
    sqrt(z_1 / z) times their length, width and brightness. (Strict perspective would be
    (z / z_1)^2 and z_1 / z; the milder law keeps the far layers visible at a few hundred rows.)
    """
    height, columns = shape
    layers = []
    for z in LAYER_DEPTHS:
        size = (LAYER_DEPTHS[0] / z) ** 0.5
        layer = draw_streaks(
            shape,
            rng,
            count=round(rain.density * columns / height / size**2),
            length=rain.length * height * size,
            width=rain.width * height * size,
            brightness=rain.brightness * size,
            angle=rain.angle,
            jitter=rain.jitter,
        )
        layers.append((z, layer))
    return layers


def streaks_at(
    layers: list[tuple[float, Streaks]], depth: np.ndarray, rain: Rain, top: int = 0
) -> np.ndarray:
    """R = 1 - prod_l (1 - t_r(z_l) S_l [z_l < d]) of the rows from `top` on whose depth is given.

    H x W float32 in [0, 1), from depth in metres.
    """
    clear = np.ones(depth.shape, np.float32)
    for z, layer in layers:
        painted = layer.paint(top, top + len(depth), depth.shape[1])
        clear *= 1 - streak_transmission(z, rain.alpha, rain.d1) * painted * (depth > z)
    return 1 - clear


def streak_map(depth: np.ndarray, rain: Rain, rng: np.random.Generator) -> np.ndarray:
    """R of a whole picture, H x W float32 in [0, 1), from its depth in metres."""
    return streaks_at(streak_layers(depth.shape, rain, rng), depth, rain)


def add_rain(
    clean: np.ndarray, depth: np.ndarray, rain: Rain, rng: np.random.Generator
) -> np.ndarray:
    """The rainy image I of a clean image J (H x W x 3 in [0, 1]) and its depth (H x W, metres).

    Raises ValueError where depth and image differ in size.
    """
    return rain.draw(depth.shape, rng)(clean, depth, 0)


def assumed_depth(shape: tuple[int, int], near: float = 4.0, far: float = 80.0) -> np.ndarray:
    """A plausible depth for a photograph that has none: H x W float32 in metres.

    Flat ground seen from eye height: depth is inversely proportional to the distance below the
    horizon, taken at 40 % of the height, from `near` at the lowest row up to at most `far`, the
    depth of everything above. `near = far` gives a constant depth.
    """
    rows = (np.arange(shape[0]) + 0.5) / shape[0]
    below = np.maximum((rows - 0.4) / 0.6, 1e-6)
    return np.repeat(np.clip(near / below, near, far)[:, None], shape[1], 1).astype(np.float32)
