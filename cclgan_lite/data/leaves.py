"""Dead leaves: pictures of nothing that have the statistics of photographs.

Discs of all sizes fall on one another until nothing else is seen (Lee, Mumford and Huang,
"Occlusion models for natural images", IJCV 2001). Radii with density r^-3 give edges and flat
parts at every scale, which a few photographs and generated scenes do not; who rehearses on them
learns that an edge is not a streak (Achddou et al., 2021, do the same for denoising).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from cclgan_lite.validation import at_least, check, increasing, within

FINER = 1.5  # drawn this much larger and shrunk, so that edges are as soft as a camera's


@dataclass(frozen=True)
class Leaves:
    share: float = 0.0  # part of the rehearsed crops that are dead leaves; 0: none
    discs: tuple[int, int] = (60, 300)  # how many fall
    texture: float = 25.0  # grey levels; up to this much noise of a random spectrum lies on them

    def __post_init__(self):
        check(self, share=within(0, 1), discs=increasing(at_least(1)), texture=at_least(0))

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 [S, S, 3] -> as it was, or leaves in its colours, of the same size."""
        if rng.random() >= self.share:
            return rgb
        side, colours = round(FINER * len(rgb)), rgb.reshape(-1, 3)
        leaves = np.empty((side, side, 3), np.float32)
        leaves[:] = rng.choice(colours)
        for _ in range(rng.integers(self.discs[0], self.discs[1] + 1)):
            # Density r^-3 from 2 pixels on.
            radius = min(2 / np.sqrt(1 - rng.random()), side / 2)
            stretch = rng.uniform(0.4, 2.5, 2)
            centre = rng.uniform(-radius, side + radius, 2)
            window = tuple(
                slice(max(0, int(c - 1.6 * radius)), max(0, int(c + 1.6 * radius) + 1))
                for c in centre
            )
            part = leaves[window]
            y, x = (np.arange(n) + w.start for n, w in zip(part.shape[:2], window, strict=True))
            down, across = stretch[0] * (y - centre[0]) ** 2, stretch[1] * (x - centre[1]) ** 2
            part[down[:, None] + across < radius**2] = rng.choice(colours)
        leaves += rng.uniform(0, self.texture) * coloured_noise(side, rng)[..., None]
        picture = Image.fromarray(leaves.clip(0, 255).astype(np.uint8))
        return np.asarray(picture.resize(rgb.shape[1::-1], Image.Resampling.BICUBIC))


def coloured_noise(side: int, rng: np.random.Generator) -> np.ndarray:
    """[side, side], variance 1, spectrum f^-e with e drawn from 0.2 to 1.2."""
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    f[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) / f ** rng.uniform(0.2, 1.2)
    noise = np.fft.irfft2(spectrum, (side, side))
    return noise / noise.std()
