"""Rain rendered on clean crops: pairs with an exact truth that the derainer can rehearse on.

No rainy photograph is involved, and no pair of one scene. By default the rain is the additive,
grey, sparse kind of Rain100L: streaks of one direction, each pixel brighter by the same amount in
all channels. `WIDE` also rains densely, near and far, through veil, and passes through a camera.

Shares say how often something happens; of those at 0 nothing is drawn.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from cclgan_lite.data.rain import MARGIN, MAX_ANGLE, compose, streak_layer
from cclgan_lite.data.veil import veil
from cclgan_lite.validation import above, check, increasing, within

SHARES = ("share", "dense", "far", "soft", "screen", "veil", "tone", "noise", "jpeg")
RANGES = ("length", "width", "brightness", "light", "depth", "airlight")


@dataclass(frozen=True)
class Shower:
    """Shares and ranges; each crop draws its own. Wide on purpose: real rain must lie inside."""

    share: float = 0.0  # part of the crops that rain at all; 0: none are made
    length: tuple[float, float] = (10.0, 60.0)  # mean length of the streaks in pixels
    width: tuple[float, float] = (0.8, 3.5)  # mean width in pixels
    brightness: tuple[float, float] = (0.15, 0.7)  # mean light of a streak, 1 is white
    light: tuple[float, float] = (0.015, 0.12)  # what the rain adds to the mean of the picture
    angle: float = 45.0  # degrees; directions up to this far from the vertical

    dense: float = 0.0  # part of the rain that is noise blurred along its fall, as in Rain800
    far: float = 0.0  # part of the other rain that falls in layers, each smaller than the last
    soft: float = 0.0  # part whose streaks are out of focus
    screen: float = 0.0  # part that hides what is behind it: J (1 - R) + R instead of J + R
    veil: float = 0.0  # part of the rain that also veils (data/veil.py)
    depth: tuple[float, float] = (0.1, 2.0)  # beta d of the farthest: RainCityscapes, 10 to 130 m
    airlight: tuple[float, float] = (0.35, 0.95)  # A0, 1 is white
    tone: float = 0.0  # part of dense rain whose contrast was changed afterwards, as in Rain800
    noise: float = 0.0  # part with sensor noise on top, up to 3 grey levels
    jpeg: float = 0.0  # part saved as JPEG, quality 70 to 96

    def __post_init__(self):
        check(
            self,
            **dict.fromkeys(RANGES, increasing(above(0))),
            **dict.fromkeys(SHARES, within(0, 1)),
            angle=within(0, MAX_ANGLE),
        )

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 [H, W, 3] -> the same picture in the rain, or as it was."""
        if rng.random() >= self.share:
            return clean
        shape = clean.shape[:2]
        if dense := _chance(self.dense, rng):
            streaks = self._fibres(shape, rng)
        elif _chance(self.far, rng):
            streaks = self._layers(shape, rng)
        else:
            streaks = self._layer(shape, rng)
        if _chance(self.soft, rng):
            streaks = gaussian_filter(streaks, rng.uniform(0.4, 1.5))
        if _chance(self.veil, rng):
            image = clean.astype(np.float32) / 255
            haze, airlight = veil(image, self.depth, self.airlight, rng)
            rainy = 255 * compose(image, np.minimum(streaks, 1 - haze), haze, airlight)
        elif dense or _chance(self.screen, rng):
            rainy = clean + (255 - clean) * streaks[..., None]
        else:
            rainy = clean + 255 * streaks[..., None]
        if dense and _chance(self.tone, rng):
            pivot = 255 * rng.uniform(0.3, 0.8)
            rainy = (
                pivot + rng.uniform(0.9, 1.3) * (rainy - pivot) + 255 * rng.uniform(-0.15, 0.03)
            )
        if _chance(self.noise, rng):
            rainy = rainy + rng.uniform(0, 3) * rng.standard_normal(rainy.shape)
        rainy = np.rint(rainy).clip(0, 255).astype(np.uint8)
        return _jpeg(rainy, int(rng.integers(70, 97))) if _chance(self.jpeg, rng) else rainy

    def _layer(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Streaks of one depth, H x W in [0, 1)."""
        length, width, light = (
            _log_uniform(pair, rng) for pair in (self.length, self.width, self.light)
        )
        brightness = rng.uniform(*self.brightness)
        return streak_layer(
            shape,
            rng,
            count=_count(shape, light, length, width, brightness),
            length=length,
            width=width,
            brightness=brightness,
            angle=rng.uniform(-self.angle, self.angle),
            jitter=rng.uniform(0, 2.5),
        )

    def _layers(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Streaks of one wind in 2 to 4 depths; far ones smaller, fainter and more, as in rain.py."""
        angle, light = rng.uniform(-self.angle, self.angle), _log_uniform(self.light, rng) / 3
        length, width = _log_uniform(self.length, rng), _log_uniform(self.width, rng)
        brightness = rng.uniform(*self.brightness)
        clear = np.ones(shape, np.float32)
        for octave in range(rng.integers(2, 5)):
            size = 2 ** (-octave / 2)
            clear *= 1 - streak_layer(
                shape,
                rng,
                count=_count(shape, light, length * size, width * size, brightness * size),
                length=length * size,
                width=width * size,
                brightness=brightness * size,
                angle=angle,
            )
        return 1 - clear

    def _fibres(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Noise blurred by a Gaussian long in the direction of fall, cut at a level; H x W.

        That is how rain is drawn with an image editor. The blur is a product of spectra:
        exp(-2 pi^2 ((f_along s_along)^2 + (f_across s_across)^2)).
        """
        along, across = _log_uniform(self.length, rng) / 2.5, _log_uniform(self.width, rng) / 2.355
        lean = np.radians(rng.uniform(-self.angle, self.angle))
        rows, columns = size = tuple(side + 64 for side in shape)  # the edges wrap around
        fy, fx = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)
        down = np.cos(lean) * fy + np.sin(lean) * fx
        aside = np.cos(lean) * fx - np.sin(lean) * fy
        blur = np.exp(-2 * np.pi**2 * ((down * along) ** 2 + (aside * max(across, 0.5)) ** 2))
        field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(size)) * blur, size)
        field = field[: shape[0], : shape[1]] / field.std()
        level, slope = rng.uniform(-0.6, 1.6), rng.uniform(1, 3)
        light = 1.3 * rng.uniform(*self.brightness)
        return (light * ((field - level) / slope).clip(0, 1)).astype(np.float32)


# Shares by what real and published rain looks like; none was fitted to a data set.
WIDE = Shower(
    share=0.94,
    length=(8.0, 60.0),
    width=(0.8, 4.5),
    dense=0.4,
    far=0.25,
    soft=0.15,
    screen=0.4,
    veil=0.45,
    tone=0.5,
    noise=0.2,
    jpeg=0.4,
)


def _chance(share: float, rng: np.random.Generator) -> bool:
    return share > 0 and rng.random() < share


def _log_uniform(pair: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(pair))))


def _count(
    shape: tuple[int, int], light: float, length: float, width: float, brightness: float
) -> int:
    """How many streaks have that mean light; `streak_layer` spreads them beyond the picture."""
    margin = 2 * MARGIN * length
    area = (shape[0] + margin) * (shape[1] + margin)
    return max(1, round(light * area / (length * width * brightness)))


def _jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
