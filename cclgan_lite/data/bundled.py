"""The data set that needs no download: generated scenes, a few photographs, physical rain.

With another `kind` of degradation the same scenes lie in veil, haze and so on; the folders keep
their names, which every command knows.

    root/train/rainy, root/train/clean    unpaired: disjoint scenes, different names
    root/val/rainy,   root/val/clean      paired: the same scene has the same name in both
    root/test/rainy,  root/test/clean     paired

Every scene and photograph lies in one split only. The photographs are those in colour which
scikit-image carries in its wheel; one of them, the stereo pair `motorcycle` (Scharstein et al.,
"High-resolution stereo datasets", GCPR 2014), has a measured depth.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import skimage
from PIL import Image
from scipy.ndimage import distance_transform_edt
from tqdm.auto import tqdm

from cclgan_lite.data.degradations.base import degraded
from cclgan_lite.data.degradations.kinds import sample
from cclgan_lite.data.images import Photo, write_photo
from cclgan_lite.data.rain import assumed_depth
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.files import write_atomically

FORMAT = 1  # raise it when the same seed gives other pixels
MANIFEST = "manifest.json"
FOLDERS = ("train/rainy", "train/clean", "val/rainy", "val/clean", "test/rainy", "test/clean")

# file name in scikit-image, the folders it goes to, and how many crops are cut
PHOTOGRAPHS = (
    ("rocket.jpg", ("train/rainy",), 3),
    ("coffee.png", ("train/clean",), 2),
    ("chelsea.png", ("train/clean",), 2),
    ("astronaut.png", ("val/rainy", "val/clean"), 1),
    ("motorcycle_left.png", ("test/rainy", "test/clean"), 1),
)


@dataclass(frozen=True)
class Item:
    """One picture of the data set: what it shows and the folders it is written to."""

    name: str
    folders: tuple[str, ...]
    number: int  # with the seed of the data set, the seed of scene and rain
    photograph: str | None = None
    crop: float | None = None  # 0 the left end ... 1 the right end; None: the whole photograph


def plan(rainy: int, clean: int, val: int, test: int, photographs: bool = True) -> list[Item]:
    """The pictures of a data set: counts per folder of training, pairs of val and test.

    Photographs take their places within the counts, where a folder has room for them.
    """
    counts = {
        ("train/rainy",): rainy,
        ("train/clean",): clean,
        ("val/rainy", "val/clean"): val,
        ("test/rainy", "test/clean"): test,
    }
    items: list[Item] = []
    for folders, count in counts.items():
        chosen: list[tuple[str, str | None, float | None]] = []
        for photograph, home, crops in PHOTOGRAPHS if photographs else ():
            stem = photograph.split(".")[0].replace("_", "-")
            for k in range(crops if home == folders else 0):
                crop = k / (crops - 1) if crops > 1 else None
                chosen.append((f"photo-{stem}-{k}.png", photograph, crop))
        chosen = chosen[: count // 2]  # a small data set is mostly scenes
        while len(chosen) < count:
            chosen.append((f"scene-{len(items) + len(chosen):04d}.png", None, None))
        for name, photograph, crop in chosen:
            items.append(Item(name, folders, len(items), photograph, crop))
    return items


def load_photograph(
    name: str, height: int, width: int, crop: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of scikit-image with its depth: `height` rows, or a height x width crop.

    Returns the image, float32 in [0, 1], and its depth, float32 in metres: measured by stereo
    for the motorcycle, assumed otherwise.
    """
    folder = Path(skimage.__file__).parent / "data"
    with Image.open(folder / name) as file:
        photograph = file.convert("RGB")
    rows = height if crop is None else round(1.25 * height)
    size = (round(photograph.width * rows / photograph.height), rows)
    image = np.asarray(photograph.resize(size, Image.Resampling.LANCZOS), np.float32) / 255
    if name == "motorcycle_left.png":
        depth = np.asarray(Image.fromarray(motorcycle_depth(folder)).resize(size, 0))
    else:
        depth = assumed_depth(image.shape[:2])
    if crop is not None:
        top, left = (rows - height) // 2, round(crop * max(0, size[0] - width))
        window = np.s_[top : top + height, left : left + width]
        image, depth = image[window], depth[window]
    return image, depth


def motorcycle_depth(folder: Path) -> np.ndarray:
    """Z = b f / (disparity + offset) in metres, with the calibration of the stereo pair.

    Baseline b = 0.193 m, focal length f = 994.978 pixels, offset 31.086 pixels of the two
    principal points; pixels without a disparity take that of their nearest neighbour.
    """
    with np.load(folder / "motorcycle_disp.npz") as file:
        disparity = file["arr_0"]
    missing = ~np.isfinite(disparity)
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return (0.193001 * 994.978 / (disparity[tuple(nearest)] + 31.086)).astype(np.float32)


def make_item(
    item: Item, seed: int, height: int, width: int, kind: str = "rain"
) -> Iterator[tuple[str, np.ndarray]]:
    """Each file of an item: its path in the data set and its pixels, H x W x 3 uint8."""
    if item.photograph:
        clean, depth = load_photograph(item.photograph, height, width, item.crop)
    else:
        clean, depth = render_scene((seed, item.number, 1), height, width)
    for folder in item.folders:
        image = clean
        if folder.endswith("rainy"):
            rng = np.random.default_rng((seed, item.number, 2))
            image = degraded(sample(kind, rng), clean, depth, rng)
        yield f"{folder}/{item.name}", np.rint(image * 255).astype(np.uint8)


def pixel_hash(pixels: np.ndarray) -> str:
    """sha256 of an image's shape and pixels, which does not depend on how PNG packs them."""
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def bundled_data(
    root: str | Path,
    seed: int = 0,
    *,
    rainy: int = 120,
    clean: int = 120,
    val: int = 12,
    test: int = 24,
    size: tuple[int, int] = (240, 320),
    photographs: bool = True,
    kind: str = "rain",
    progress: bool = True,
) -> Path:
    """Write the data set under `root` and return `root`; a finished one is left as it is.

    `rainy`, `clean`: training images; `val`, `test`: pairs; `size`: rows and columns of a
    scene; `kind`: what the rainy ones lie in, one of `degradations/kinds.py`. The clean pictures
    are the same for all kinds, and veil has the streaks of rain. The same settings give the same
    pixels, bit for bit with the same versions of the libraries. `manifest.json`, written last,
    lists settings, versions and the sha256 of every file's pixels: without it the data set counts
    as unfinished and is made again. The default takes 30 to 60 seconds on one core.

    Raises ValueError for an unknown kind or where `root` holds a data set of other settings, and
    FileExistsError where it holds an unfinished one of other settings or anybody else's pictures.
    """
    root, items = Path(root), plan(rainy, clean, val, test, photographs)
    settings = {
        "format": FORMAT,
        "seed": seed,
        "size": list(size),
        "photographs": photographs,
        "counts": {"rainy": rainy, "clean": clean, "val": val, "test": test},
        "kind": kind,
    }
    sample(kind, np.random.default_rng(seed))  # an unknown kind is told before the work
    paths = [f"{folder}/{item.name}" for item in items for folder in item.folders]

    if (root / MANIFEST).exists():
        found = {"kind": "rain"} | json.loads((root / MANIFEST).read_text())
        other = {k: found.get(k) for k in settings if found.get(k) != settings[k]}
        if other:
            asked = {k: settings[k] for k in other}
            raise ValueError(
                f"{root} holds a data set made with {other}, not {asked}: "
                "name another folder, or delete this one to make it again"
            )
        if all((root / path).exists() for path in paths):
            return root
        (root / MANIFEST).unlink()

    seen = (p for p in root.glob("*/*/*.png") if not p.name.startswith("."))  # no temporary ones
    if strange := {p.relative_to(root).as_posix() for p in seen} - set(paths):
        raise FileExistsError(
            f"{root} has no {MANIFEST} but pictures that are not part of this data set, such as "
            f"{min(strange)}: name another folder, or delete this one"
        )
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)

    hashes = {}
    for item in tqdm(items, desc="bundled data", unit="scene", disable=not progress):
        for path, pixels in make_item(item, seed, *size, kind):
            write_photo(root / path, Photo(pixels), pixels)
            hashes[path] = pixel_hash(pixels)
    versions = {p: metadata.version(p) for p in ("numpy", "scipy", "scikit-image", "pillow")}
    manifest = settings | {
        "unpaired": "strict",
        "versions": {"python": platform.python_version(), **versions},
        "files": hashes,
    }
    text = json.dumps(manifest, indent=1)
    write_atomically(root / MANIFEST, lambda path: path.write_text(text + "\n"))
    return root
