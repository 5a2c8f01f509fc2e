"""Houses: facades with windows and shops, terraces along a street, detached houses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from cclgan_lite.data.scenes.canvas import Canvas, Colour, Job, inside, rgb, rows_and_joints


@dataclass(frozen=True)
class Facade:
    """Masonry with rows of windows; a texture for walls and cut-outs."""

    wall: Colour
    frame: Colour
    pitch: float  # metres from window to window
    storey: float
    pane: tuple[float, float]  # share of pitch and storey that is glass
    block: tuple[float, float, float]  # block width and height, joint contrast
    shop: Colour | None
    offset: float

    @classmethod
    def sample(cls, rng: np.random.Generator, shops: bool = True) -> Facade:
        walls = (
            (0.62, 0.33, 0.25),
            (0.74, 0.62, 0.47),
            (0.85, 0.81, 0.73),
            (0.6, 0.58, 0.56),
            (0.78, 0.7, 0.5),
            (0.5, 0.3, 0.24),
            (0.72, 0.76, 0.78),
            (0.8, 0.6, 0.5),
        )
        wall = rgb(*walls[rng.integers(len(walls))]) * rng.uniform(0.8, 1.1)
        frame = rgb(1, 1, 0.97) * (0.9 if rng.random() < 0.7 else 0.22)
        blocks = ((0.3, 0.1, 0.22), (0.9, 0.45, 0.14), (0.6, 0.25, 0.18), (2.0, 3.2, 0.1))
        shop = rgb(*rng.uniform(0.1, 0.65, 3)) if shops and rng.random() < 0.6 else None
        return cls(
            wall,
            frame,
            rng.uniform(1.9, 3.4),
            rng.uniform(2.9, 3.6),
            (rng.uniform(0.35, 0.62), rng.uniform(0.45, 0.65)),
            blocks[rng.integers(len(blocks))],
            shop,
            rng.uniform(0, 200),
        )

    def __call__(self, u, v, scale, *, c: Canvas, facing: float) -> tuple[Colour, np.ndarray]:
        u, v = np.broadcast_arrays(u, v)
        light = c.light.on(facing)
        fade = np.minimum(1, scale / 25)  # joints thinner than a pixel melt into the wall
        stain = c.rough(u + self.offset, v * 0.6, 3.0)
        grain = c.rough(u + self.offset, v, 24.0)
        block, joint = rows_and_joints(u, v, *self.block[:2], 0.025)
        tone = 1 + 0.1 * stain + 0.08 * grain + self.block[2] * fade * (block - 0.5 - 0.8 * joint)
        out = (self.wall * light) * (tone * (1 - 0.25 * np.exp(-v / 0.5)))[..., None]

        cell, floor = np.floor(u / self.pitch), np.floor(v / self.storey)
        a, b = u / self.pitch % 1 - 0.5, v / self.storey % 1 - 0.52
        wide, high = self.pane
        ground = (floor == 0) & (self.shop is not None)
        wide, high = np.where(ground, 0.86, wide), np.where(ground, 0.75, high)
        du, dv = (wide / 2 - np.abs(a)) * self.pitch, (high / 2 - np.abs(b)) * self.storey
        window = np.minimum(du, dv)
        key = np.sin(cell * 17.17 + floor * 31.7 + self.offset) * 4375.85 % 1
        mirror = np.clip(0.12 + 0.5 * (b + 0.3) * key + 0.06 * stain, 0.03, 1)[..., None]
        lamp = rgb(1, 0.82, 0.5) * (0.75 + 0.2 * b[..., None])
        glass = np.where((key < c.light.lamps)[..., None], lamp, mirror * c.light.horizon)
        curtain = (key > 0.55) & (np.abs(a) > 0.3 * wide) & ~ground
        glass = np.where(curtain[..., None], rgb(0.8, 0.78, 0.72) * light * 0.75, glass)
        bar = (np.abs(a) * self.pitch < 0.035) | (np.abs(b - 0.12) * self.storey < 0.035)
        frame = (window < 0.075) | (bar & ~ground)
        glass = np.where(frame[..., None], self.frame * light, glass)
        out = np.where((window > 0)[..., None], glass, out)
        reveal = (window > -0.12) & (window <= 0)
        out *= np.where(reveal, np.where(b < 0, 1.18, 0.7), 1)[..., None]
        if self.shop is not None:
            sign = (v > 0.88 * self.storey) & (v < 1.08 * self.storey)
            letters = np.abs(v / self.storey - 0.98) < 0.05
            letters &= grain + 1.3 * np.sin(9 * u) > 0.9
            out = np.where(sign[..., None], self.shop * light, out)
            out = np.where(letters[..., None], rgb(0.95, 0.93, 0.85) * light, out)
        ledge = (v / self.storey % 1 > 0.94) & (floor > 0)
        return np.clip(out * np.where(ledge, 1.15, 1)[..., None], 0, 1), np.ones_like(v)


def paint_terrace(c: Canvas, rng: np.random.Generator, X: float) -> list[Job]:
    """A row of town houses along one side of the road."""
    jobs, z, side, hidden = [], rng.uniform(1.5, 3), np.sign(X), 0.0
    while z < 110:
        long, top, facade = rng.uniform(7, 17), rng.uniform(6.5, 19), Facade.sample(rng)
        gap = rng.uniform(2, 6) if rng.random() < 0.2 else 0
        end, along = partial(facade, c=c, facing=0), partial(facade, c=c, facing=-side)

        cornice = facade.wall * 0.85 * c.light.on(-side)

        def draw(z=z, long=long, top=top, end=end, along=along, cornice=cornice, hidden=hidden):
            if top > hidden:  # the nearer house does not hide the end wall
                c.cutout(X + side * 8, z, 8, top, end)
            c.wall(X, z, z + long, top, along)
            c.wall(
                X - side * 0.15, z, z + long, top + 0.35, lambda u, v, _: (cornice, v > top - 0.25)
            )

        jobs.append((z + long, draw))
        z, hidden = z + long + gap, 0.0 if gap else top
    return jobs


def paint_house(c: Canvas, rng: np.random.Generator, X: float, Z: float) -> None:
    """A detached house that faces the camera, with a tiled roof and a chimney."""
    half, eaves, ridge = rng.uniform(3.5, 6), rng.uniform(3, 6), rng.uniform(2, 3.5)
    facade, gable = Facade.sample(rng, shops=False), rng.random() < 0.4
    roof = rgb(*((0.5, 0.25, 0.18), (0.32, 0.32, 0.35), (0.42, 0.3, 0.22))[rng.integers(3)])

    def texture(u, v, scale):
        wall, _ = facade(u + half, v, scale, c=c, facing=0)
        up = (v - eaves) / ridge
        _, joint = rows_and_joints(u, v, 0.35, 0.3, 0.05)
        tiles = 0.85 + 0.1 * c.rough(u, v, 9.0) - 0.3 * joint * min(1, scale / 20)
        shade = c.light.on(0) if not gable else c.light.on(0.3)
        tiled = (roof * shade) * tiles[..., None]
        span = half * (1.12 - up) if gable else half * (1.08 - 0.35 * up)
        border = gable & (span - np.abs(u) < 0.4) & (v > eaves - 0.2)
        is_roof = (v > eaves) & (not gable) | border
        alpha = inside(np.where(v > eaves, span, half) - np.abs(u), scale)
        alpha = alpha * (v < eaves + ridge)
        chimney = inside(0.4 - np.abs(u - 0.5 * half), scale)
        chimney = chimney * (v > eaves) * (v < eaves + ridge + 0.8)
        out = np.where(is_roof[..., None], tiled, wall)
        out = np.where(((alpha < 0.5) & (chimney > 0))[..., None], facade.wall * 0.7 * shade, out)
        return out, np.maximum(alpha, chimney)

    c.shadow(X, Z, half)
    c.cutout(X, Z, half * 1.15, eaves + ridge + 1, texture, "house")
