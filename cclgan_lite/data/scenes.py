"""Generated street and country scenes with depth: clean images that may be shared freely.

A scene is painted from far to near (painter's algorithm) on one `Canvas`, which paints colour
and depth together. World axes in metres: X to the right, V up from the ground, Z ahead of the
camera, which stands at X = 0 and looks along Z. With focal length f, eye height h and horizon
row y_h, a point lands at

    x = x_c + f X / Z,    y = y_h + f (h - V) / Z.

Only three kinds of surface are needed: the ground (V = 0), walls along the road (constant X)
and cut-outs that face the camera (constant Z). Each is filled by a texture: a function from
metres on the surface to colour and opacity. Fractal noise gives the 1/f statistics of natural
images, and posts, rails, frames and trunks are thin, bright and upright like rain, so that a
network cannot derain by blurring alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.fft import irfft2
from scipy.ndimage import uniform_filter1d

SKY_DEPTH = 300.0  # metres: finite, as nobody sees farther than that in rain
SUPERSAMPLING = 2  # pixels drawn per pixel and axis; their mean is what smooths the edges
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

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Light":
        side, t = float(rng.choice([-1, 1])), rng.uniform(0.85, 1.1)
        clear = (rgb(0.27, 0.48, 0.76), rgb(0.75, 0.84, 0.9), rgb(0.78, 0.7, 0.56),
                 rgb(0.42, 0.46, 0.54), rng.uniform(0.2, 0.6), side, 0.0)
        grey = (rgb(0.58, 0.62, 0.67), rgb(0.8, 0.82, 0.83), rgb(0.2, 0.2, 0.19),
                rgb(0.62, 0.64, 0.67), rng.uniform(0.7, 1.0), side, 0.06)
        golden = (rgb(0.4, 0.52, 0.7), rgb(0.95, 0.82, 0.64), rgb(0.95, 0.66, 0.36),
                  rgb(0.36, 0.38, 0.46), rng.uniform(0.3, 0.7), side, 0.05)
        dusk = (rgb(0.2, 0.26, 0.42), rgb(0.72, 0.56, 0.54), rgb(0.24, 0.17, 0.15),
                rgb(0.36, 0.37, 0.46), rng.uniform(0.4, 0.8), side, 0.4)
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

    def __post_init__(self) -> None:
        self.colour = np.zeros((self.height, self.width, 3), np.float32)
        self.depth = np.full((self.height, self.width), SKY_DEPTH, np.float32)
        self.gloss = np.zeros((self.height, self.width), bool)

    def rough(self, u: np.ndarray, v: np.ndarray, per_metre: float) -> np.ndarray:
        """Fractal noise about 0 at the surface points (u, v): two scales of the periodic tile."""
        return 0.6 * self.grain(u, v, 2 * per_metre) + 0.4 * self.grain(u, v, 7.3 * per_metre)

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

    def cutout(self, X: float, Z: float, half: float, top: float, texture: Texture) -> None:
        """A surface that faces the camera: u in -half..half metres, v in 0..top metres."""
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


# ------------------------------------------------------------------------------ backgrounds
def paint_sky(c: Canvas, rng: np.random.Generator) -> None:
    cloud, sun_x = c.light.cloud, rng.uniform(0, 1) * c.width
    offset, stretch = rng.uniform(0, 200), rng.uniform(14, 40)

    def surface(x, y):
        t = np.clip((c.horizon - y) / c.horizon, 0, 1) ** 0.8
        sky = c.light.horizon + t[..., None] * (c.light.zenith - c.light.horizon)
        far = 1 / (t + 0.18)
        puff = c.rough((x / c.width - 0.5) * far * 3 + offset, far * 3, stretch / 3)
        cover = np.clip(0.5 + 0.45 * puff + 1.2 * (cloud - 0.5), 0, 1)[..., None] ** 1.5
        lit = c.light.horizon * (1.04 - 0.28 * cloud * np.clip(0.4 + 0.5 * puff, 0, 1)[..., None])
        glow = np.exp(-((x - sun_x) / c.width) ** 2 * 6 - 4 * t)[..., None] * c.light.sun * 0.35
        return np.clip(sky + 0.85 * cover * (lit - sky) + glow, 0, 1), 1.0, SKY_DEPTH

    c.paint(0, c.width, 0, c.horizon + 1, surface)


def paint_hills(c: Canvas, rng: np.random.Generator, green: Colour, steep: float) -> None:
    for depth, rise in ((260.0, 0.1), (160.0, 0.05)):
        offset, rise = rng.uniform(0, 200), rise * steep * rng.uniform(0.4, 1.6)

        def surface(x, y, depth=depth, rise=rise, offset=offset):
            slow = c.rough(x / c.width + offset, 0 * x, 9.0)
            leaf = c.rough(x / c.height + offset, y / c.height * 2, 90.0)
            ridge = rise * c.height * (0.7 + 0.45 * np.clip(slow, -1.2, 2)) + 2.5 * leaf
            tint = green * c.light.on(0) * (0.7 + 0.28 * leaf)[..., None]
            veil = 1 - np.exp(-depth / 350)
            tint += veil * (c.light.horizon - tint)
            return tint, inside(ridge - (c.horizon - y), 1), depth

        c.paint(0, c.width, 0, c.horizon + 2, surface)


def paint_ground(c: Canvas, rng: np.random.Generator, road: float, kerb: float, verge: Colour,
                 bend: float, paved: bool) -> None:
    """Asphalt to `road` metres from its axis, pavement to `kerb`, grass or slabs beyond."""
    asphalt = rng.uniform(0.3, 0.5) * rgb(1, rng.uniform(0.96, 1), rng.uniform(0.92, 1.02))
    slab = rng.uniform(0.45, 0.65) * rgb(1, rng.uniform(0.94, 0.99), rng.uniform(0.84, 0.96))
    line = rng.uniform(0.7, 0.9) * (rgb(1, 1, 0.97) if rng.random() < 0.75 else rgb(1, 0.8, 0.35))
    axis, dash, edge = rng.uniform(-1.5, 1.5), rng.uniform(3, 6), rng.random() < 0.6

    def surface(x, y):
        z = c.focal * c.eye / np.maximum(y - c.horizon, 0.5)
        X = (x - c.centre) * z / c.focal - axis - bend * z * z
        far = np.minimum(1, 25 / z)
        grain, patch = c.rough(X, z, 21.0), c.rough(X, z, 2.5)
        speck = c.grain(X, z, 90.0)
        out = asphalt * (1 + (0.07 * grain + 0.07 * speck) * far + 0.05 * patch)[..., None]
        wheel = np.exp(-((np.abs(X) - 0.55 * road) / 0.35) ** 2)
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


# ------------------------------------------------------------------------------ buildings
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
    def sample(cls, rng: np.random.Generator, shops: bool = True) -> "Facade":
        walls = ((0.62, 0.33, 0.25), (0.74, 0.62, 0.47), (0.85, 0.81, 0.73), (0.6, 0.58, 0.56),
                 (0.78, 0.7, 0.5), (0.5, 0.3, 0.24), (0.72, 0.76, 0.78), (0.8, 0.6, 0.5))
        wall = rgb(*walls[rng.integers(len(walls))]) * rng.uniform(0.8, 1.1)
        frame = rgb(1, 1, 0.97) * (0.9 if rng.random() < 0.7 else 0.22)
        blocks = ((0.3, 0.1, 0.22), (0.9, 0.45, 0.14), (0.6, 0.25, 0.18), (2.0, 3.2, 0.1))
        shop = rgb(*rng.uniform(0.1, 0.65, 3)) if shops and rng.random() < 0.6 else None
        return cls(wall, frame, rng.uniform(1.9, 3.4), rng.uniform(2.9, 3.6),
                   (rng.uniform(0.35, 0.62), rng.uniform(0.45, 0.65)),
                   blocks[rng.integers(len(blocks))], shop, rng.uniform(0, 200))

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
            c.wall(X - side * 0.15, z, z + long, top + 0.35,
                   lambda u, v, _: (cornice, v > top - 0.25))

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
    c.cutout(X, Z, half * 1.15, eaves + ridge + 1, texture)


# ------------------------------------------------------------------------------ things
def paint_tree(c: Canvas, rng: np.random.Generator, X: float, Z: float, leaf: Colour,
               size: float = 1.0, conifers: float = 0.25) -> None:
    """Trunk and crown; a conifer, a round crown, or a bush where size is small."""
    top, conifer, offset = size * rng.uniform(5, 9), rng.random() < conifers, rng.uniform(0, 200)
    half, trunk = top * (0.22 if conifer else rng.uniform(0.3, 0.45)), 0.022 * top + 0.05
    low = 0.06 if conifer or size < 0.5 else rng.uniform(0.2, 0.38)
    bark = rgb(0.78, 0.76, 0.7) if rng.random() < 0.3 else rgb(0.33, 0.27, 0.22)
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
    c.cutout(X, Z, half * 1.15, top * 1.05, texture)


def paint_car(c: Canvas, rng: np.random.Generator, X: float, Z: float) -> None:
    """A car seen from behind, with the side that the camera can see."""
    palette = ((0.7, 0.08, 0.07), (0.75, 0.76, 0.78), (0.08, 0.09, 0.1), (0.1, 0.2, 0.45),
               (0.9, 0.9, 0.88), (0.15, 0.3, 0.22))
    paint, high = rgb(*palette[rng.integers(len(palette))]), rng.uniform(1.4, 1.75)
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
    c.cutout(X, Z, half + 0.05, high, rear)


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
    c.cutout(X, Z, 0.7, tall + 0.5, texture)


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
    c.cutout(X, Z, 1.3, top + 0.05, texture)


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


# ------------------------------------------------------------------------------ the scene
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


def render_scene(
    seed: int | Sequence[int], height: int = 240, width: int = 320
) -> tuple[np.ndarray, np.ndarray]:
    """One scene: image float32 height x width x 3 in [0, 1], depth float32 height x width in m.

    A town street, a suburb or open country, drawn at random. The same seed (one integer or a
    sequence of integers) gives the same scene bit for bit; the sky has depth SKY_DEPTH.
    """
    rng = np.random.default_rng(seed)
    h, w = height * SUPERSAMPLING, width * SUPERSAMPLING
    c = Canvas(h, w, h * rng.uniform(0.9, 1.4), rng.uniform(1.4, 2.6), h * rng.uniform(0.34, 0.58),
               w * rng.uniform(0.3, 0.7), Light.sample(rng), fractal_tile(rng))
    kind = rng.choice(("town", "suburb", "country"), p=(0.45, 0.3, 0.25))
    season = rgb(*((0.3, 0.42, 0.14), (0.22, 0.36, 0.12), (0.4, 0.44, 0.16), (0.58, 0.38, 0.12),
                   (0.55, 0.5, 0.3))[rng.choice(5, p=(0.3, 0.3, 0.2, 0.1, 0.1))])
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
    return finish(c, rng, wet=float(rng.choice((0, rng.uniform(0.2, 0.5)))))
