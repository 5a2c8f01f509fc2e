"""Clean pictures to practise on: the bundled ones, textures that scikit-image carries, mixtures.

    python data_scripts/varied_clean.py runs/varied-clean

Generated scenes are smooth. A derainer that has seen nothing else takes hair, grass and film
grain for rain. Here a quarter of the pictures are the bundled clean training images (seed 0) as
they are; the others are windows, of random size and tone, of grey photographs between two random
colours, of bundled scenes, and of both within one picture, where a random mask decides which one
shows. A third gets grain. No photograph of the bundled validation or test pairs is used.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
from PIL import Image
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.images import Photo, list_images, read_rgb, write_photo

SIZE = 240, 320  # rows and columns
COLOURED = {"chelsea.png": 4.0, "coffee.png": 4.0, "ihc.png": 0.7, "retina.jpg": 0.5}
GREY = {  # how often, against each other; all in scikit-image's wheel
    "camera.png": 4.0,
    "grass.png": 3.0,
    "gravel.png": 3.0,
    "brick.png": 2.0,
    "coins.png": 1.5,
    "hubble_deep_field.jpg": 1.0,
    "moon.png": 1.0,
    "page.png": 1.0,
}


def varied(scenes: list[Image.Image], rng: np.random.Generator) -> np.ndarray:
    """One new picture, float [240, 320, 3] in [0, 1]."""
    kind = rng.random()
    if kind < 0.4:
        picture = _photograph(rng)
    elif kind < 0.6:
        picture = _window(scenes[rng.integers(len(scenes))], rng)
    else:
        scene, other = _window(scenes[rng.integers(len(scenes))], rng), _photograph(rng)
        share = _mask(rng)
        if rng.random() < 0.4:  # as light and dark on the scene, not in place of it
            other, share = scene * other / other.mean(), 0.8 * share
        picture = scene + share * (other - scene)
    return _tone(picture, rng)


def grain(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise of up to 6 grey levels, grey or coloured."""
    channels = 3 if rng.random() < 0.5 else 1
    noise = rng.standard_normal((*picture.shape[:2], channels))
    return (picture + rng.uniform(0, 0.025) * noise).clip(0, 1)


def _photograph(rng: np.random.Generator) -> np.ndarray:
    names = COLOURED | GREY
    shares = np.array([*names.values()])
    name = [*names][rng.choice(len(names), p=shares / shares.sum())]
    with Image.open(Path(skimage.__file__).parent / "data" / name) as file:
        window = _window(file.convert("RGB"), rng)
    return window if name in COLOURED else _recolour(window, rng)


def _window(image: Image.Image, rng: np.random.Generator) -> np.ndarray:
    rows, columns = SIZE
    least = max(rows / image.height, columns / image.width)
    scale = max(least, np.exp(rng.uniform(np.log(0.45), np.log(1.3))))
    size = max(columns, round(image.width * scale)), max(rows, round(image.height * scale))
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC), np.float32) / 255
    y, x = rng.integers(size[1] - rows + 1), rng.integers(size[0] - columns + 1)
    return pixels[y : y + rows, x : x + columns]


def _recolour(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A grey picture, stretched, between a dark and a bright colour."""
    dark, bright = rng.uniform(0, 0.35, 3), rng.uniform(0.45, 1, 3)
    dark, bright = 0.6 * dark.mean() + 0.4 * dark, (bright.mean() + bright) / 2
    low, high = np.percentile(picture, (1, 99))
    grey = ((picture[..., :1] - low) / (high - low + 0.05)).clip(0, 1) ** rng.uniform(0.6, 1.6)
    return dark + (bright - dark) * grey


def _tone(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other light and contrast. Photographs may be pale or have white skies without any veil."""
    picture = picture.clip(0, 1) ** np.exp(rng.uniform(-0.5, 0.4))
    black = rng.uniform(0, 0.25) if rng.random() < 0.4 else 0
    return black + (rng.uniform(0.75, 1.35) - black) * picture


def _mask(rng: np.random.Generator) -> np.ndarray:
    """[240, 320, 1] in [0, 1]: blobs with soft or hard edges."""
    field = gaussian_filter(rng.standard_normal(SIZE), rng.uniform(10, 40))
    field = rng.uniform(2, 40) * (field / field.std() - rng.uniform(-0.5, 0.8))
    return 1 / (1 + np.exp(-field[..., None]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--count", type=int, default=480, help="of all pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bundled", type=Path, default=Path("runs/bundled-data"))
    asked = parser.parse_args()
    files = list_images(bundled_data(asked.bundled) / "train" / "clean")
    scenes = [Image.fromarray(read_rgb(file)) for file in files]
    for k in tqdm(range(asked.count), unit="picture"):
        rng = np.random.default_rng([asked.seed, k])
        picture = np.asarray(scenes[k]) / 255.0 if k < len(scenes) else varied(scenes, rng)
        if rng.random() < 0.3:
            picture = grain(picture, rng)
        pixels = np.rint(255 * picture).astype(np.uint8)
        path = asked.out / f"{k:04d}.png"
        write_photo(path, Photo(pixels), pixels)


if __name__ == "__main__":
    main()
