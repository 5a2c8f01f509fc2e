"""A whole scene: sky, hills and ground, what stands on it, and the camera's finish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import uniform_filter1d

from cclgan_lite.data.scenes.buildings import paint_house, paint_terrace
from cclgan_lite.data.scenes.canvas import (
    SKY_DEPTH,
    TILE,
    Canvas,
    Colour,
    Job,
    Light,
    fractal_tile,
    inside,
    rgb,
    rows_and_joints,
)
from cclgan_lite.data.scenes.props import (
    paint_car,
    paint_fence,
    paint_person,
    paint_post,
    paint_tree,
    paint_wires,
)

SUPERSAMPLING = 2  # pixels drawn per pixel and axis; their mean is what smooths the edges


def paint_sky(c: Canvas, rng: np.random.Generator) -> None:
    cloud, sun_x = c.light.cloud, rng.uniform(0, 1) * c.width
    offset, stretch = rng.uniform(0, 200), rng.uniform(14, 40)

    def surface(x, y):
        t = np.clip((c.horizon - y) / c.horizon, 0, 1) ** 0.8
        sky = c.light.horizon + t[..., None] * (c.light.zenith - c.light.horizon)
        far = 1 / (t + 0.18)
        puff = c.billows((x / c.width - 0.5) * far * 3 + offset, far * 3, stretch / 3)
        cover = np.clip(0.5 + 0.45 * puff + 1.2 * (cloud - 0.5), 0, 1)[..., None] ** 1.5
        lit = c.light.horizon * (1.04 - 0.28 * cloud * np.clip(0.4 + 0.5 * puff, 0, 1)[..., None])
        glow = np.exp(-(((x - sun_x) / c.width) ** 2) * 6 - 4 * t)[..., None] * c.light.sun * 0.35
        return np.clip(sky + 0.85 * cover * (lit - sky) + glow, 0, 1), 1.0, SKY_DEPTH

    c.paint(0, c.width, 0, c.horizon + 1, surface)


def paint_hills(c: Canvas, rng: np.random.Generator, green: Colour, steep: float) -> None:
    for depth, rise in ((260.0, 0.1), (160.0, 0.05)):
        offset, rise = rng.uniform(0, 200), rise * steep * rng.uniform(0.4, 1.6)

        def surface(x, y, depth=depth, rise=rise, offset=offset):
            slow = np.interp(x * 9 / c.width, np.arange(TILE), c.noise[int(offset)])
            leaf = c.rough(x / c.height + offset, y / c.height * 2, 90.0)
            ridge = rise * c.height * (0.7 + 0.45 * np.clip(slow, -1.2, 2)) + 2.5 * leaf
            tint = green * c.light.on(0) * (0.7 + 0.28 * leaf)[..., None]
            veil = 1 - np.exp(-depth / 350)
            tint += veil * (c.light.horizon - tint)
            return tint, inside(ridge - (c.horizon - y), 1), depth

        c.paint(0, c.width, 0, c.horizon + 2, surface)


def paint_ground(
    c: Canvas,
    rng: np.random.Generator,
    road: float,
    kerb: float,
    verge: Colour,
    bend: float,
    paved: bool,
) -> None:
    """Asphalt to `road` metres from its axis, pavement to `kerb`, grass or slabs beyond."""
    asphalt = rng.uniform(0.3, 0.5) * rgb(1, rng.uniform(0.96, 1), rng.uniform(0.92, 1.02))
    slab = rng.uniform(0.45, 0.65) * rgb(1, rng.uniform(0.94, 0.99), rng.uniform(0.84, 0.96))
    line = rng.uniform(0.7, 0.9) * (rgb(1, 1, 0.97) if rng.random() < 0.75 else rgb(1, 0.8, 0.35))
    axis, dash, edge = rng.uniform(-1.5, 1.5), rng.uniform(3, 6), rng.random() < 0.6

    def surface(x, y):
        z = c.focal * c.eye / np.maximum(y - c.horizon, 0.5)
        X = (x - c.centre) * z / c.focal - axis - bend * z * z
        far = np.minimum(1, 25 / z)
        grain, patch = c.rough(X, z, 21.0), c.billows(X, z, 2.5)
        speck = c.grain(X, z, 90.0)
        out = asphalt * (1 + (0.07 * grain + 0.07 * speck) * far + 0.05 * patch)[..., None]
        wheel = np.exp(-(((np.abs(X) - 0.55 * road) / 0.35) ** 2))
        out *= (1 - 0.12 * wheel)[..., None]
        mark = (road > 2) & (np.abs(X) < 0.07 + 0.002 * z) & (z % (2 * dash) < dash)
        mark |= (road > 2) & edge & (np.abs(np.abs(X) - road + 0.35) < 0.06 + 0.001 * z)
        mark &= grain < 1.3  # worn here and there
        out = np.where(mark[..., None], line * (1 + 0.06 * grain)[..., None], out)
        block, joint = rows_and_joints(X, z, 0.6, 0.9, 0.03)
        tone = 0.9 + 0.14 * block + 0.1 * patch + 0.07 * grain - 0.25 * joint * far
        side = slab * tone[..., None]
        blade = c.rough(X * 4, z, 13.0)
        tone = 0.8 + 0.2 * patch + (0.26 * blade + 0.1 * grain) * (0.4 + 0.6 * far)
        grass = verge * tone[..., None]
        out = np.where((np.abs(X) > road)[..., None], side, out)
        out = np.where((np.abs(X) > kerb)[..., None], side if paved else grass, out)
        c.gloss[-len(y) :] = np.abs(X) < (kerb if paved else road)
        lip = np.abs(np.abs(X) - road - 0.08) < 0.08
        out = np.where((lip & (kerb > road))[..., None], slab * 1.12, out)
        return np.clip(out, 0.02, 1) * c.light.on(0), 1.0, np.minimum(z, SKY_DEPTH)

    c.paint(0, c.width, c.horizon, c.height, surface)


def finish(c: Canvas, rng: np.random.Generator, wet: float) -> tuple[np.ndarray, np.ndarray]:
    """Wet road, air light, lens, sensor; then the mean of each block of drawn pixels."""
    image, row = c.colour, int(c.horizon)
    rows = np.arange(row + 1, c.height)
    if wet:  # a wet road mirrors what stands above the horizon, smeared along the columns
        plane = c.focal * c.eye / (rows + 0.5 - c.horizon)
        is_road = c.gloss[rows] & (np.abs(c.depth[rows] / plane[:, None] - 1) < 0.01)
        mirror = uniform_filter1d(image, 15, axis=0)[np.clip(2 * row - rows, 0, row)]
        glint = c.rough(np.arange(c.width)[None], rows[:, None] * 4, 0.3)
        glint = np.clip(0.5 + 0.3 * glint, 0, 1)
        image[rows] += (wet * is_road * glint)[..., None] * (mirror - image[rows] * 0.9)
    veil = (1 - np.exp(-c.depth * 0.0012))[..., None] * (c.depth < SKY_DEPTH)[..., None]
    image = image + veil * (c.light.horizon - image)
    s = SUPERSAMPLING
    image = sum(image[i::s, j::s] for i in range(s) for j in range(s)) / s**2
    depth = np.min([c.depth[i::s, j::s] for i in range(s) for j in range(s)], axis=0)
    h, w = depth.shape
    grey = image.mean(2, keepdims=True)
    image = grey + rng.uniform(0.8, 1.25) * (image - grey)
    y = np.linspace(-1, 1, h, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, w, dtype=np.float32)[:, None]
    wanted = rng.uniform(0.36, 0.5) * (0.75 if c.light.lamps > 0.2 else 1)  # a camera's metering
    image = image * (1 - 0.08 * (x * x + y * y)) * np.clip(wanted / image.mean(), 0.85, 1.6)
    image = np.where(image < 0.7, image, 1 - 0.3 * np.exp((0.7 - image) / 0.3))  # soft highlights
    image = image + 0.006 * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image, 0, 1).astype(np.float32), depth.astype(np.float32)


@dataclass(frozen=True)
class Description:
    """What a scene shows, from its making: nothing is recognised."""

    place: str  # town, suburb or country
    light: str  # clear, grey, golden or dusk
    things: dict[str, float]  # each visible thing and its share of the picture, largest first


def render_scene(
    seed: int | Sequence[int], height: int = 240, width: int = 320
) -> tuple[np.ndarray, np.ndarray]:
    """One scene: image float32 height x width x 3 in [0, 1], depth float32 height x width in m.

    A town street, a suburb or open country, drawn at random. The same seed (one integer or a
    sequence of integers) gives the same scene bit for bit; the sky has depth SKY_DEPTH.
    """
    return render_described(seed, height, width)[:2]


def render_described(
    seed: int | Sequence[int], height: int = 240, width: int = 320
) -> tuple[np.ndarray, np.ndarray, Description]:
    """`render_scene`'s image and depth, and what they show."""
    rng = np.random.default_rng(seed)
    h, w = height * SUPERSAMPLING, width * SUPERSAMPLING
    c = Canvas(
        h,
        w,
        h * rng.uniform(0.9, 1.4),
        rng.uniform(1.4, 2.6),
        h * rng.uniform(0.34, 0.58),
        w * rng.uniform(0.3, 0.7),
        Light.sample(rng),
        fractal_tile(rng),
    )
    kind = rng.choice(("town", "suburb", "country"), p=(0.45, 0.3, 0.25))
    season = rgb(
        *(
            (0.3, 0.42, 0.14),
            (0.22, 0.36, 0.12),
            (0.4, 0.44, 0.16),
            (0.58, 0.38, 0.12),
            (0.55, 0.5, 0.3),
        )[rng.choice(5, p=(0.3, 0.3, 0.2, 0.1, 0.1))]
    )
    leaf = season * rng.uniform(0.8, 1.1) * rgb(1, 1, rng.uniform(0.8, 1.5))
    road = rng.uniform(1.0 if kind == "country" else 2.6, 4.2)  # half the width
    kerb = {"town": road + rng.uniform(1.8, 3.5), "suburb": road + 1.6, "country": road}[kind]
    bend = 0.0 if kind == "town" else rng.uniform(-0.003, 0.003)

    paint_sky(c, rng)
    paint_hills(c, rng, season * 0.8, rng.uniform(1, 2.5) if kind == "country" else 1.0)
    paint_ground(c, rng, road, kerb, season, bend, kind == "town")
    jobs: list[Job] = []

    def place(draw, count: int, low: float, high: float, *more) -> None:
        """Queue `count` things at `low` to `high` metres from the road's axis."""
        for _ in range(count):
            Z = float(np.exp(rng.uniform(np.log(6), np.log(75))))
            X = float(rng.choice((-1, 1)) * rng.uniform(low, high)) + bend * Z * Z
            jobs.append((Z, partial(draw, c, rng.spawn(1)[0], X, Z, *more)))

    if kind == "town":
        jobs += paint_terrace(c, rng, -kerb) + paint_terrace(c, rng, kerb)
        place(paint_tree, rng.integers(0, 7), road + 0.5, kerb - 1, leaf, 0.8, 0.0)
        place(paint_person, rng.integers(1, 9), road + 0.4, kerb - 0.5)
        place(paint_car, rng.integers(1, 7), road - 1.1, road - 0.9)
        place(paint_post, rng.integers(1, 5), road + 0.3, road + 0.5, "lamp")
    else:
        many = 6 if kind == "suburb" else 2
        place(paint_house, rng.integers(many // 2, many + 2), kerb + 8, kerb + 22)
        place(paint_tree, rng.integers(10, 40), kerb + 1.5, kerb + 34, leaf)
        place(paint_tree, rng.integers(6, 22), kerb + 0.8, kerb + 20, leaf, 0.22)
        place(paint_person, rng.integers(0, 4), road + 0.2, kerb + 1)
        place(paint_car, rng.integers(0, 4) if road > 2.4 else 0, road - 1.3, road - 1)
        X = float(rng.choice((-1, 1)) * (kerb + 1.2))
        posts = np.arange(rng.uniform(4, 12), 90, rng.uniform(12, 20))[::-1].tolist()
        if rng.random() < 0.6:
            for Z in posts:
                jobs.append((Z, partial(paint_post, c, np.random.default_rng(0), X, Z, "pole")))
            jobs.append((posts[-1], partial(paint_wires, c, X, posts)))
    place(paint_post, rng.integers(1, 4), road + 0.3, road + 0.8, "sign")
    if rng.random() < 0.5:
        X = float(rng.choice((-1, 1)) * (road + 0.25 if kind == "town" else kerb + 2))
        jobs += paint_fence(c, rng, X, rng.uniform(12, 50))

    for _, draw in sorted(jobs, key=lambda job: -job[0]):
        draw()
    image, depth = finish(c, rng, wet=float(rng.choice((0, rng.uniform(0.2, 0.5)))))
    return image, depth, Description(str(kind), c.light.name, c.visible(depth))
