"""What stands along a road: trees, cars, people, posts, wires, fences.

Positions are in metres: X to the right of the camera, Z ahead of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from cclgan_lite.data.scenes.canvas import Canvas, Colour, Job, inside, rgb

CAR_PAINTS = {
    "red": (0.7, 0.08, 0.07),
    "silver": (0.75, 0.76, 0.78),
    "black": (0.08, 0.09, 0.1),
    "blue": (0.1, 0.2, 0.45),
    "white": (0.9, 0.9, 0.88),
    "green": (0.15, 0.3, 0.22),
}


def paint_tree(
    c: Canvas,
    rng: np.random.Generator,
    X: float,
    Z: float,
    leaf: Colour,
    size: float = 1.0,
    conifers: float = 0.25,
) -> None:
    """Trunk and crown; a conifer, a round crown, or a bush where size is small."""
    top, conifer, offset = size * rng.uniform(5, 9), rng.random() < conifers, rng.uniform(0, 200)
    half, trunk = top * (0.22 if conifer else rng.uniform(0.3, 0.45)), 0.022 * top + 0.05
    low = 0.06 if conifer or size < 0.5 else rng.uniform(0.2, 0.38)
    birch = size > 0.5 and rng.random() < 0.3
    bark = rgb(0.78, 0.76, 0.7) if birch else rgb(0.33, 0.27, 0.22)
    leaf = leaf * rng.uniform(0.75, 1.2) * (0.7 if conifer else 1)

    def texture(u, v, scale):
        t = (v / top - low) / (1 - low)
        clump = c.rough(u + offset, v, 14.0 / (size * 3 + 1))
        twig = c.rough(u - offset, v, 16.0)
        if conifer:
            edge = half * (1 - t) * (0.75 + 0.25 * np.sin(26 * t)) - np.abs(u)
            body = np.minimum(edge / half, 5 * t)
        else:
            body = 1 - (u / half) ** 2 - (2 * t - 1) ** 2
        ragged = 0.35 if conifer else 1.0
        crown = inside(body + ragged * (0.4 * clump + 0.3 * twig), 4.0) * (t > -0.05)
        lit = 0.72 + 0.3 * c.light.side * u / half + 0.35 * (t - 0.5) + 0.3 * clump + 0.28 * twig
        green = (leaf * c.light.on(0)) * np.clip(lit, 0.12, 1.7)[..., None]
        stem = trunk * (1.2 - 0.5 * t) - np.abs(u + 0.1 * np.sin(v + offset))
        stem = inside(stem, scale) * (t < 0.7)
        ridges = c.rough(3 * u + offset, 0.7 * v, 14.0)
        ridges = 0.9 + 0.3 * c.light.side * u / trunk + 0.25 * ridges
        wood = (bark * c.light.on(0)) * np.clip(ridges, 0.2, 1.5)[..., None]
        out = np.where((crown > 0.4)[..., None], green, wood)
        return np.clip(out, 0, 1), np.maximum(crown, stem)

    c.shadow(X, Z, half * 0.9, 0.5)
    c.cutout(X, Z, half * 1.15, top * 1.05, texture, "tree" if size > 0.5 else "bush")


def paint_car(c: Canvas, rng: np.random.Generator, X: float, Z: float) -> None:
    """A car seen from behind, with the side that the camera can see."""
    colour, paint = list(CAR_PAINTS.items())[rng.integers(len(CAR_PAINTS))]
    paint, high = rgb(*paint), rng.uniform(1.4, 1.75)
    half, long = 0.88, rng.uniform(3.8, 4.6)
    glass, dark = c.light.horizon * 0.25, rgb(0.04, 0.04, 0.045)

    def flank(u, v, scale):
        roof = np.clip(np.minimum(0.75 + u / 0.6, (0.68 * long - u) / 0.8), 0, 1)
        belt = 0.92 - 0.1 * np.clip(u - 0.7 * long, 0, 1)
        body = (v > 0.27) & (v < belt + (high - 0.92) * roof**0.6)
        window = (v > 0.95) & (v < high - 0.09) & (roof > 0.3 + 0.7 * (v - 0.95))
        window &= np.abs(u - 0.36 * long) > 0.05
        wheel = np.minimum(np.hypot(u - 0.75, v - 0.31), np.hypot(u - long + 0.8, v - 0.31))
        out = (paint * c.light.on(-np.sign(X))) * (0.6 + 0.45 * np.minimum(v, 0.9))[..., None]
        out = np.where(window[..., None], glass * (0.4 + 0.5 * v)[..., None], out)
        rim = np.where((wheel < 0.18)[..., None], 0.4, dark)
        return np.where((wheel < 0.35)[..., None], rim, out), body | (wheel < 0.31)

    def rear(u, v, scale):
        cabin = np.clip((v - 0.9) / (high - 0.9), 0, 1)
        alpha = inside(half - 0.1 * cabin**2 - 0.04 * (v < 0.45) - np.abs(u), scale)
        alpha = alpha * (v < high - 0.07 * (u / half) ** 4) * (v > 0.24)
        tone = 0.6 + 0.3 * np.minimum(v, 1.1) + 0.1 * (v > 0.86) - 0.12 * (u / half) ** 4
        tone -= 0.25 * (np.abs(v - 0.86) < 0.012)  # the gap of the boot lid
        out = (paint * c.light.on(0)) * tone[..., None]
        window = (v > 0.97) & (v < high - 0.12) & (np.abs(u) < 0.7 - 0.1 * cabin)
        shine = 0.4 + 0.8 * cabin + 0.25 * np.sin(3 * u + 5 * v)
        out = np.where(window[..., None], glass * shine[..., None], out)
        lamp = (np.abs(np.abs(u) - 0.76) < 0.085) & (np.abs(v - 0.76) < 0.11)
        red = rgb(0.62, 0.07, 0.05) * (0.7 + 0.5 * (v > 0.78))[..., None]
        out = np.where(lamp[..., None], red, out)
        plate = (np.abs(u) < 0.26) & (np.abs(v - 0.66) < 0.06)
        out = np.where(plate[..., None], rgb(0.85, 0.85, 0.78) * c.light.on(0), out)
        out = np.where((v < 0.4)[..., None], dark * 2.2, out)
        tyre = inside(0.1 - np.abs(np.abs(u) - 0.7), scale) * (v < 0.3)
        out = np.where(((tyre > 0.5) & (v < 0.25))[..., None], dark, out)
        return out, np.maximum(alpha, tyre)

    c.shadow(X, Z + 0.3, half * 1.15, 1.0)
    c.shadow(X, Z + long - 0.8, half * 1.15, 1.0)
    inner = X - np.sign(X) * half
    if abs(inner) > 0.2 and X * inner > 0:
        c.wall(inner, Z, Z + long, high, flank)
    c.cutout(X, Z, half + 0.05, high, rear, f"{colour} car")


def paint_person(c: Canvas, rng: np.random.Generator, X: float, Z: float) -> None:
    tall, step = rng.uniform(1.55, 1.9), rng.uniform(0.05, 0.2)
    coat, legs = rgb(*rng.uniform(0.08, 0.8, 3)), rgb(*rng.uniform(0.08, 0.3, 3))
    skin = rgb(0.8, 0.6, 0.48) * rng.uniform(0.45, 1.05)
    umbrella = rgb(*rng.uniform(0.1, 0.85, 3)) if rng.random() < 0.35 else None

    def texture(u, v, scale):
        t = v / tall
        leg = inside(0.085 - np.abs(np.abs(u) - 0.07 - step * (0.45 - t)), scale) * (t < 0.48)
        body = 0.2 + 0.05 * np.sin(6 * t) - 0.72 * np.clip(t - 0.72, 0, 1) - np.abs(u)
        body = inside(body, scale) * (t > 0.44) * (t < 0.84)
        head = inside(0.105 - np.hypot(u, (v - 0.92 * tall) * 0.85), scale)
        fold = 0.9 + 0.35 * c.light.side * u / 0.25 + 0.12 * c.rough(u, v, 30.0)
        out = np.where((t > 0.84)[..., None], skin, np.where((t > 0.45)[..., None], coat, legs))
        out = np.where(((t > 0.93) & (head > 0))[..., None], rgb(0.15, 0.11, 0.08), out)
        alpha = np.maximum(np.maximum(leg, body), head)
        if umbrella is not None:
            ribs = np.cos(14 * u)
            dome = inside(0.62**2 - u**2 - ((v - tall) * 1.5) ** 2, 2 * scale)
            dome = dome * (v > tall - 0.03 + 0.04 * ribs)
            stick = inside(0.015 - np.abs(u - 0.2), scale) * (v > 0.6 * tall) * (v < tall + 0.3)
            out = np.where((dome > 0)[..., None], umbrella * (1 + 0.2 * ribs)[..., None], out)
            alpha = np.maximum(np.maximum(alpha, dome), stick)
        return np.clip(out * c.light.on(0) * fold[..., None], 0, 1), alpha

    c.shadow(X, Z, 0.3, 0.9)
    c.cutout(X, Z, 0.7, tall + 0.5, texture, "person")


def paint_post(c: Canvas, rng: np.random.Generator, X: float, Z: float, kind: str) -> None:
    """A lamp post, a road sign or a telephone pole."""
    top = {"lamp": rng.uniform(4, 6.5), "sign": rng.uniform(2.3, 3), "pole": 7.0}[kind]
    thick = {"lamp": 0.055, "sign": 0.035, "pole": 0.12}[kind]
    metal = rgb(1, 1, 1) * (rng.uniform(0.6, 0.95) if rng.random() < 0.6 else 0.15)
    metal = rgb(0.36, 0.28, 0.21) if kind == "pole" else metal
    face = (rgb(0.8, 0.1, 0.1), rgb(0.12, 0.28, 0.65), rgb(0.9, 0.75, 0.1))[rng.integers(3)]

    def texture(u, v, scale):
        alpha = inside(thick * (1.25 - 0.5 * v / top) - np.abs(u), scale)
        out = metal * (0.9 + 0.4 * c.light.side * np.clip(u / thick, -1, 1) + 0 * v)[..., None]
        if kind == "lamp":
            arm, below = -np.sign(X) * u, np.abs(v - top + 0.15)
            bracket = inside(0.04 - below, scale) * (arm > 0) * (arm < 1.1)
            head = inside(0.1 - below, scale) * (np.abs(arm - 0.95) < 0.28)
            shade = rgb(0.97, 0.95, 0.85) * (1.0 if c.light.lamps > 0.2 else 0.7)
            out = np.where((head > 0)[..., None], shade, out)
            alpha = np.maximum(np.maximum(alpha, bracket), head)
        elif kind == "sign":
            disc = 0.34 - np.hypot(u, v - top + 0.36)
            plate = np.where((disc > 0.07)[..., None], 0.92, face)
            out = np.where((disc > -0.02)[..., None], plate, out)
            alpha = np.maximum(alpha, inside(disc, scale))
        else:
            beam = inside(0.06 - np.abs(v - top + 0.5), scale) * (np.abs(u) < 0.9)
            alpha = np.maximum(alpha, beam)
        return np.clip(out * c.light.on(0), 0, 1), alpha

    c.shadow(X, Z, 0.22, 0.7)
    c.cutout(X, Z, 1.3, top + 0.05, texture, kind)


def paint_wires(c: Canvas, X: float, posts: Sequence[float]) -> None:
    """Two wires from pole to pole, hanging through in between."""
    for z0, z1 in zip(posts[1:], posts[:-1], strict=True):
        t = np.linspace(0, 1, 900)
        z = z0 + t * (z1 - z0)
        for across in (-0.8, 0.8):
            x = (c.centre + c.focal * (X + across) / z).astype(int)
            v = 6.55 - 2.4 * t * (1 - t)
            y = (c.horizon + c.focal * (c.eye - v) / z).astype(int)
            ok = (x >= 0) & (x < c.width) & (y >= 0) & (y < c.height)
            c.colour[y[ok], x[ok]] = 0.12 * c.light.horizon + 0.04
            c.depth[y[ok], x[ok]] = z[ok]


def paint_fence(c: Canvas, rng: np.random.Generator, X: float, far: float) -> list[Job]:
    """Railings or pickets along the road, thin, upright, often bright: a job per panel."""
    top, gap = rng.uniform(0.85, 1.25), rng.uniform(0.13, 0.3)
    bar, tint = gap * rng.uniform(0.15, 0.5), 0.9 if rng.random() < 0.5 else 0.14

    def texture(u, v, scale):
        bars = np.abs((u % gap) - gap / 2) < bar / 2
        rails = (np.abs(v - 0.85 * top) < 0.035) | (np.abs(v - 0.25 * top) < 0.035)
        shade = tint * (0.9 + 0.1 * c.rough(u, v, 12.0))
        return c.light.on(-np.sign(X)) * shade[..., None], bars | rails

    panel = 10 * gap
    starts = np.arange(2, far, panel).tolist()
    return [(z + 4.5, partial(c.wall, X, z, z + panel, top, texture)) for z in starts]
