"""Do two folders show the same scenes? A perceptual hash that rain does not wash away.

The hash is pHash (Zauner, "Implementation and benchmarking of perceptual image hash functions",
2010) with 256 bits: the signs of the lowest 16 x 16 cosine frequencies of a 64 x 64 grey
thumbnail, relative to their median. Rain streaks, haze, compression and resizing leave low
frequencies nearly as they are. `tests/test_unpaired.py` holds it to the library ImageHash; with
SciPy here anyway, six lines of our own spare every user that library and PyWavelets.

Measured on Rain100L: a rainy picture and its own truth differ in 14 bits in the median and 54 at
most, pictures of different scenes in 128 and at least 90. `SAME_SCENE` is the middle of the gap on
pairs 001-100 (44 to 94); on pairs 101-200, where it was not chosen, it misses none of 100 scenes
and takes none of 9,900 pairs of different scenes for one, nor any of the 83,600 pairs with the
unpaired photographs. The generated street scenes, which look alike, are at least 88 apart. It
also survives streaks at 12 dB (68 at most), but a margin of 5 % cut away only in most cases (72),
and mirroring not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dctn

from cclgan_lite.data.images import list_images, read_each, read_rgb

SAME_SCENE = 69  # bits of 256: at most this far apart, two pictures show one scene
LISTED = 20  # offending pairs that an error shows


class SharedScenes(ValueError):
    """Folders that should show different scenes do not; the message lists the pairs."""


def scene_hash(rgb: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] to its perceptual hash, bool [256]."""
    grey = Image.fromarray(rgb).convert("L").resize((64, 64), Image.Resampling.LANCZOS)
    low = dctn(np.asarray(grey, dtype=np.float64))[:16, :16].ravel()
    return low > np.median(low)


def hash_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bits in which hashes differ: bool [N, 256] and [M, 256] to float32 [N, M]."""
    first, second = (2 * hashes.astype(np.float32) - 1 for hashes in (first, second))
    return (256 - first @ second.T) / 2


def same_scenes(
    first: np.ndarray, second: np.ndarray, threshold: int = SAME_SCENE
) -> Iterator[tuple[int, int]]:
    """Indices (i, j) of the hashes that show one scene; memory stays bounded."""
    if len(second):
        for start in range(0, len(first), 1024):
            distance = hash_distance(first[start : start + 1024], second)
            for i, j in np.argwhere(distance <= threshold):
                yield start + int(i), int(j)


def hash_folder(
    folder: str | Path, progress: bool = False, recursive: bool = False
) -> tuple[list[Path], np.ndarray]:
    """The pictures of a folder and their hashes, bool [N, 256]; ImageError as in `read_each`."""
    paths = list_images(folder, recursive)
    bar = str(folder) if progress else ""
    return paths, np.stack(read_each(paths, lambda path: scene_hash(read_rgb(path)), bar))


def shared_scenes(
    first: str | Path, second: str | Path, progress: bool = False
) -> list[tuple[Path, Path]]:
    """Pairs of pictures of two folders that show the same scene; empty: none was found."""
    (paths, hashes), (others, other_hashes) = (hash_folder(f, progress) for f in (first, second))
    return [(paths[i], others[j]) for i, j in same_scenes(hashes, other_hashes)]


def assert_unpaired(
    rainy: str | Path,
    clean: str | Path,
    *tests: str | Path,
    progress: bool = False,
    recursive: bool = False,
) -> None:
    """Make sure that training is unpaired and that no test scene is trained on.

    Args:
        rainy, clean: the folders of training pictures.
        tests: folders of test pictures, rainy or clean.
        recursive: with their sub-folders.

    Raises:
        SharedScenes: a clean picture shows the scene of a rainy one, or a training picture that
            of a test picture. The message counts and lists the pairs.
        ImageError: a folder holds no pictures, or one cannot be read.
    """
    folders = {
        folder: hash_folder(folder, progress, recursive) for folder in (rainy, clean, *tests)
    }
    problems = []
    for one, two in [(clean, rainy), *((t, s) for t in (rainy, clean) for s in tests)]:
        (paths, hashes), (others, other_hashes) = folders[one], folders[two]
        found = list(same_scenes(hashes, other_hashes))
        if found:
            names = [f"{paths[i].name} = {others[j].name}" for i, j in found[:LISTED]]
            more = f", and {len(found) - LISTED} more" if len(found) > LISTED else ""
            pictures = len({i for i, _ in found})
            problems.append(
                f"{pictures} of {len(paths)} pictures of {one} show a scene of {two}: "
                + ", ".join(names)
                + more
            )
    if problems:
        remedy = "Remove them from one of the folders, or train without this check and say so."
        raise SharedScenes("\n  ".join(["Scenes are shared:", *problems, remedy]))


def folders_of_test(train: str | Path) -> list[Path]:
    """The test folders of the data set ROOT, if this is its training folder ROOT/train/..."""
    part = Path(train).absolute().parent
    tests = [part.parent / "test" / kind for kind in ("rainy", "clean") if part.name == "train"]
    return [folder for folder in tests if folder.is_dir() and any(folder.iterdir())]


def unpaired_kind(rainy: str | Path, clean: str | Path, compute: bool = False) -> str:
    """What a report says of a training split: "strict", "same scenes" or "unknown".

    The manifest of the data set answers, if `rainy` and `clean` are its train/rainy and
    train/clean; else the perceptual hash, if `compute` is set (some milliseconds a picture; it
    answers "strict" where it finds no shared scene).
    """
    return recorded_kind(rainy, clean) or (
        "unknown" if not compute else "same scenes" if shared_scenes(rainy, clean) else "strict"
    )


def recorded_kind(rainy: str | Path, clean: str | Path) -> str | None:
    """The manifest's word on a training split, None where there is none."""
    rainy, clean = Path(rainy).absolute(), Path(clean).absolute()
    if (rainy.name, clean.name) != ("rainy", "clean") or rainy.parent != clean.parent:
        return None
    if rainy.parent.name != "train":
        return None
    return read_manifest(rainy.parents[1]).get("unpaired")


def read_manifest(root: str | Path) -> dict:
    """What a prepared data set says of itself; {} for other folders."""
    try:
        found = json.loads((Path(root) / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
