"""The canvas that a scene is painted on: camera, light, noise and what every texture uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.fft import irfft2
from scipy.ndimage import map_coordinates

SKY_DEPTH = 300.0  # metres: finite, as nobody sees farther than that in rain
TILE = 512  # a power of two: side of the periodic noise tile

Colour = np.ndarray  # RGB in [0, 1], shape (3,) or h x w x 3
Texture = Callable[..., tuple[Colour, np.ndarray]]  # (u, v, pixels per metre) -> colour, opacity
Job = tuple[float, Callable[[], None]]  # depth, and what to draw there: the farthest comes first


def rgb(*values: float) -> Colour:
    return np.array(values, np.float32)


def fractal_tile(rng: np.random.Generator, exponent: float = 1.1) -> np.ndarray:
    """Periodic noise TILE x TILE with amplitude 1/f^exponent, zero mean and unit variance."""
    f = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)[None])
    f[0, 0] = np.inf
    wave = rng.standard_normal((2, *f.shape), dtype=np.float32)
    tile = irfft2((wave[0] + 1j * wave[1]) * f**-exponent, (TILE, TILE))
    return (tile / tile.std()).astype(np.float32)


@dataclass(frozen=True)
class Light:
    """Weather and time of day: the colours of sky, sun and shade."""

    zenith: Colour
    horizon: Colour
    sun: Colour  # direct light
    shade: Colour  # light from the sky
    cloud: float  # 0 clear ... 1 overcast
    side: float  # -1: the sun stands on the left, 1: on the right
    lamps: float  # share of windows that are lit
    name: str  # clear, grey, golden or dusk

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Light:
        side, t = float(rng.choice([-1, 1])), rng.uniform(0.85, 1.1)
        clear = (
            rgb(0.27, 0.48, 0.76),
            rgb(0.75, 0.84, 0.9),
            rgb(0.78, 0.7, 0.56),
            rgb(0.42, 0.46, 0.54),
            rng.uniform(0.2, 0.6),
            side,
            0.0,
            "clear",
        )
        grey = (
            rgb(0.58, 0.62, 0.67),
            rgb(0.8, 0.82, 0.83),
            rgb(0.2, 0.2, 0.19),
            rgb(0.62, 0.64, 0.67),
            rng.uniform(0.7, 1.0),
            side,
            0.06,
            "grey",
        )
        golden = (
            rgb(0.4, 0.52, 0.7),
            rgb(0.95, 0.82, 0.64),
            rgb(0.95, 0.66, 0.36),
            rgb(0.36, 0.38, 0.46),
            rng.uniform(0.3, 0.7),
            side,
            0.05,
            "golden",
        )
        dusk = (
            rgb(0.2, 0.26, 0.42),
            rgb(0.72, 0.56, 0.54),
            rgb(0.24, 0.17, 0.15),
            rgb(0.36, 0.37, 0.46),
            rng.uniform(0.4, 0.8),
            side,
            0.4,
            "dusk",
        )
        kinds = (clear, grey, golden, dusk)
        top, low, sun, shade, *rest = kinds[rng.choice(4, p=(0.35, 0.35, 0.18, 0.12))]
        return cls(top * t, np.minimum(low * t, 1), sun * t, shade * t, *rest)

    def on(self, facing: float) -> Colour:
        """Light on a surface: facing -1 looks left, 0 at the camera or upwards, 1 right."""
        return self.shade + self.sun * max(0.08, min(1.0, 0.55 + 0.55 * float(facing) * self.side))


@dataclass
class Canvas:
    """Colour and depth, painted together, seen by one camera. Sizes in drawn pixels."""

    height: int
    width: int
    focal: float
    eye: float  # metres above the ground
    horizon: float  # row
    centre: float  # column of the vanishing point
    light: Light
    noise: np.ndarray
    colour: np.ndarray = field(init=False)
    depth: np.ndarray = field(init=False)
    gloss: np.ndarray = field(init=False)  # where a wet ground mirrors
    named: list[tuple[float, str]] = field(default_factory=list)  # depth and name of cut-outs

    def __post_init__(self) -> None:
        self.colour = np.zeros((self.height, self.width, 3), np.float32)
        self.depth = np.full((self.height, self.width), SKY_DEPTH, np.float32)
        self.gloss = np.zeros((self.height, self.width), bool)

    def rough(self, u: np.ndarray, v: np.ndarray, per_metre: float) -> np.ndarray:
        """Fractal noise about 0 at the surface points (u, v): two scales of the periodic tile."""
        return 0.6 * self.grain(u, v, 2 * per_metre) + 0.4 * self.grain(u, v, 7.3 * per_metre)

    def billows(self, u: np.ndarray, v: np.ndarray, per_metre: float) -> np.ndarray:
        """The same, interpolated: for clouds and whatever else is wider than its samples."""
        v, u = np.broadcast_arrays(v * 2 * per_metre, u * 2 * per_metre)
        coarse = map_coordinates(self.noise, (v, u), order=1, mode="grid-wrap")
        return 0.6 * coarse + 0.4 * self.grain(u, v, 3.65)

    def grain(self, u: np.ndarray, v: np.ndarray, per_metre: float) -> np.ndarray:
        """The noise tile laid on the surface, with per_metre samples to the metre."""
        row, column = ((w * per_metre).astype(np.int32) & (TILE - 1) for w in (v, u))
        return self.noise[row, column]

    def paint(self, x0: float, x1: float, y0: float, y1: float, surface: Callable) -> None:
        """Paint columns x0..x1 and rows y0..y1 with surface(x, y) -> colour, opacity, depth."""
        x0, x1 = (int(np.clip(np.floor(x), 0, self.width)) for x in (x0, x1 + 1))
        y0, y1 = (int(np.clip(np.floor(y), 0, self.height)) for y in (y0, y1 + 1))
        if x0 >= x1 or y0 >= y1:
            return
        x, y = np.arange(x0, x1, dtype=np.float32) + 0.5, np.arange(y0, y1, dtype=np.float32) + 0.5
        colour, alpha, depth = surface(x[None], y[:, None])
        window = np.s_[y0:y1, x0:x1]
        alpha = np.broadcast_to(np.asarray(alpha, np.float32), (y1 - y0, x1 - x0))
        below = self.colour[window]
        below += alpha[..., None] * (colour - below)
        solid = alpha > 0.5
        self.depth[window][solid] = np.broadcast_to(depth, solid.shape)[solid]

    def cutout(
        self, X: float, Z: float, half: float, top: float, texture: Texture, name: str = ""
    ) -> None:
        """A surface that faces the camera: u in -half..half metres, v in 0..top metres."""
        if name:
            self.named.append((Z, name))
        scale = self.focal / Z
        x, y = self.centre + X * scale, self.horizon + self.eye * scale

        def surface(column, row):
            return *texture((column - x) / scale, (y - row) / scale, scale), Z

        self.paint(x - half * scale, x + half * scale, y - top * scale, y, surface)

    def wall(self, X: float, z0: float, z1: float, top: float, texture: Texture) -> None:
        """A surface along the road, Z in z0..z1 metres: u = Z - z0, v in 0..top metres."""
        near = max(z0, abs(X) * self.focal / self.width / 4)  # nearer parts are out of view
        ends = sorted(self.centre + self.focal * X / z for z in (near, z1))
        rise = [self.horizon + self.focal * (self.eye - v) / near for v in (max(top, self.eye), 0)]

        def surface(column, row):
            z = self.focal * X / np.where(column == self.centre, 1e-3, column - self.centre)
            z = np.clip(z, near, z1)
            v = self.eye - (row - self.horizon) * z / self.focal
            colour, alpha = texture(z - z0, v, self.focal / z)
            return colour, alpha * (v >= 0) * (v <= top), z

        if z1 > near:
            self.paint(*ends, *rise, surface)

    def visible(self, depth: np.ndarray) -> dict[str, float]:
        """What has a name and is not hidden in `depth`: its share of it, the largest first."""
        depths, counts = np.unique(depth, return_counts=True)
        pixels = dict(zip(depths.tolist(), (counts / depth.size).tolist(), strict=True))
        shares: dict[str, float] = {}
        for Z, name in self.named:  # a cut-out paints its own depth, which nothing else has
            shares[name] = shares.get(name, 0.0) + pixels.get(float(np.float32(Z)), 0.0)
        return {
            name: shares[name]
            for name in sorted(shares, key=lambda name: -shares[name])
            if shares[name] > 0
        }

    def shadow(self, X: float, Z: float, half: float, strength: float = 0.6) -> None:
        """A soft contact shadow on the ground, without which things float."""

        def surface(column, row):
            z = self.focal * self.eye / np.maximum(row - self.horizon, 1e-3)
            across = (column - self.centre) * z / self.focal - X
            r = (across / half) ** 2 + ((z - Z - 0.3 * half) / half) ** 2
            # Opacity stays below 0.5, so that a shadow leaves the depth of the ground alone.
            return rgb(0.03, 0.03, 0.04), np.minimum(0.8 * strength * np.exp(-1.5 * r), 0.49), Z

        scale = self.focal / Z
        x = [self.centre + (X + side * half) * scale for side in (-2, 2)]
        ends = Z + 2.5 * half, max(Z - 2 * half, 1)
        y = [self.horizon + self.eye * self.focal / z for z in ends]
        self.paint(*x, *y, surface)


def inside(distance: np.ndarray, scale: float | np.ndarray) -> np.ndarray:
    """Opacity of a shape from the signed distance to its edge in metres, positive inside."""
    return np.clip(0.5 + distance * scale, 0, 1)


def rows_and_joints(u, v, width, height, joint):
    """Running bond: the number of each block and whether (u, v) lies in a joint."""
    course = np.floor(v / height)
    along = u / width + 0.5 * (course % 2)
    gap = ((along % 1) * width < joint) | ((v / height % 1) * height < joint)
    return np.sin(np.floor(along) * 12.9898 + course * 78.233) * 43758.5453 % 1, gap
