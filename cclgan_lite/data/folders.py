"""Data sets over plain folders: unpaired for training, paired for evaluation.

Item k of a training run is a function of (seed, k) alone. A resumed run therefore needs no saved
data-order state: it asks for the next k.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from cclgan_lite.data.images import (
    ImageError,
    list_images,
    read_each,
    read_rgb,
    read_size,
    to_tensor,
)
from cclgan_lite.data.leaves import Leaves
from cclgan_lite.data.pairs import pair_files
from cclgan_lite.data.shower import Shower
from cclgan_lite.data.unpaired import recorded_kind
from cclgan_lite.validation import at_least, check

BEGINNING = 4096  # bytes by which a file is known again


@dataclass(frozen=True)
class Augment:
    """The paper's augmentation: resize, crop a square, flip (section IV-A)."""

    resize: int | None = 286  # squash to a square of this side first; None keeps size and aspect
    crop: int = 256  # side of the square that a step sees; a multiple of 4
    flip: bool = True  # mirror half of the crops left-right (the authors' code)
    zoom: float = 1.0  # crops of up to this many times the side, shrunk to it: finer structure

    def __post_init__(self):
        if self.crop % 4 or self.crop < 16:
            raise ValueError(f"crop must be a multiple of 4 and at least 16, not {self.crop}")
        check(self, zoom=at_least(1))
        if self.resize is not None and self.resize < self.crop:
            raise ValueError(f"resize ({self.resize}) must not be smaller than crop ({self.crop})")

    def __call__(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """uint8 [H, W, 3] of any size -> uint8 [crop, crop, 3]."""
        return self.cut(self.fit(rgb), rng)

    def fit(self, rgb: np.ndarray) -> np.ndarray:
        """The part without chance: resized, and large enough for a crop."""
        height, width = rgb.shape[:2]
        if self.resize is not None:
            return _resize(rgb, self.resize, self.resize)
        if min(height, width) >= self.crop:
            return rgb
        scale = self.crop / min(height, width)  # too small: enlarge, keeping the aspect
        return _resize(
            rgb, max(self.crop, round(height * scale)), max(self.crop, round(width * scale))
        )

    def cut(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The part that chance decides: size and place of the crop, flip."""
        side = self.crop
        if self.zoom > 1:
            side = min(round(side * self.zoom ** rng.random()), *rgb.shape[:2])
        y, x, flipped = self.place(*rgb.shape[:2], rng, side)
        rgb = rgb[y : y + side, x : x + side]
        if side > self.crop:
            rgb = _resize(rgb, self.crop, self.crop)
        return rgb[:, ::-1] if flipped else rgb

    def place(
        self, height: int, width: int, rng: np.random.Generator, side: int | None = None
    ) -> tuple[int, int, bool]:
        """Top and left of the crop, and whether it is flipped."""
        side = side or self.crop
        y = rng.integers(height - side + 1)
        x = rng.integers(width - side + 1)
        return int(y), int(x), self.flip and rng.random() < 0.5


def _resize(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))


class UnpairedFolders(Dataset):
    """`dataset[k]` -> {"rainy", "clean"}: unrelated scenes, [3, crop, crop] tensors in [-1, 1].

    With a `shower` whose share is above 0 also "rendered", the clean crop in rendered rain; with
    `leaves` "practice", what it rains on: the clean crop or dead leaves in its colours.
    Every epoch visits each rainy image once in a new order; the clean partner is drawn at random.
    Decoded and resized images are kept in memory up to `cache_bytes`. `recursive`: also the
    pictures of sub-folders. Raises ImageError that names the folder or all unusable files.
    """

    def __init__(
        self,
        rainy: Path | str,
        clean: Path | str,
        augment: Augment | None = None,
        seed: int = 0,
        length: int | None = None,
        cache_bytes: int = 2**30,
        shower: Shower | None = None,
        leaves: Leaves | None = None,
        recursive: bool = False,
    ):
        self.folders = {"rainy": Path(rainy), "clean": Path(clean)}
        self.files = {
            name: list_images(folder, recursive) for name, folder in self.folders.items()
        }
        # What is no picture is told now, not after hours.
        read_each([*self.files["rainy"], *self.files["clean"]], read_size)
        self.augment = augment or Augment()
        self.shower = shower or Shower()
        self.leaves = leaves or Leaves()
        self.seed = seed
        self.length = length if length is not None else len(self.files["rainy"])
        self.cache_bytes = cache_bytes
        self._cache: dict[Path, np.ndarray] = {}

    def fingerprint(self) -> str:
        """Changes when a file is added, removed, renamed or another: then item k is another item.

        Contents are told by their beginnings, which a picture that broke off has in common with
        the whole one that replaces it.
        """
        digest = sha256()
        for name, files in self.files.items():
            for path in files:
                place = path.relative_to(self.folders[name]).as_posix()
                with open(path, "rb") as file:
                    digest.update(repr((name, place, file.read(BEGINNING))).encode())
        return digest.hexdigest()

    def images(self) -> list[str]:
        """The names of the images of an item."""
        practice = ["practice"] * (self.leaves.share > 0)
        return ["rainy", "clean", *(["rendered", *practice] if self.shower.share else [])]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, k: int) -> dict[str, Tensor]:
        files, rng = self.choose(k)
        try:
            item = {
                name: self.augment.cut(self._read(path), self.stream(rng))
                for name, path in files.items()
            }
        except ImageError as error:  # found as late as this where a picture breaks off
            raise ImageError(
                f"{error} A training run goes on from its last checkpoint with --resume once a "
                "whole picture of the same name is there."
            ) from error
        if self.shower.share:
            if self.leaves.share:
                item["practice"] = self.leaves(item["clean"], rng)
            item["rendered"] = self.shower(item.get("practice", item["clean"]), rng)
        return {name: to_tensor(rgb) for name, rgb in item.items()}

    def choose(self, k: int) -> tuple[dict[str, Path], np.random.Generator]:
        """The two files of item k, and the generator that decides all the rest of it."""
        epoch, position = divmod(k, len(self.files["rainy"]))
        rng = np.random.default_rng([self.seed, 1, k])
        rainy = _order(self.seed, epoch, len(self.files["rainy"]))[position]
        clean = rng.integers(len(self.files["clean"]))
        return {"rainy": self.files["rainy"][rainy], "clean": self.files["clean"][clean]}, rng

    def stream(self, rng: np.random.Generator) -> np.random.Generator:
        """Where the next crop of an item draws its place from: each has one of its own."""
        return rng

    def _read(self, path: Path) -> np.ndarray:
        if path not in self._cache:
            rgb = self.augment.fit(read_rgb(path))
            self.cache_bytes -= rgb.nbytes
            if self.cache_bytes < 0:
                return rgb
            self._cache[path] = rgb
        return self._cache[path]


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, 0, epoch]).permutation(size)


class PairedCrops(UnpairedFolders):
    """The same of pairs: "clean" is the truth of "rainy", cut at the same place. For ceilings.

    Raises ImageError that lists whatever has no partner, and for folders that are unpaired.
    """

    def __init__(self, rainy: Path | str, clean: Path | str, *options, **more):
        super().__init__(rainy, clean, *options, **more)
        if recorded_kind(rainy, clean) == "strict":
            raise ImageError(
                f"{rainy} and {clean} show different scenes, and this method learns from pairs: "
                "give --rainy and --clean folders whose pictures pair by name"
            )
        if more.get("recursive"):
            raise ImageError("pairs are not looked for in sub-folders: leave out --recursive")
        pairs = pair_files(rainy, clean)
        self.files = {"rainy": [r for _, r, _ in pairs], "clean": [c for _, _, c in pairs]}

    def choose(self, k: int) -> tuple[dict[str, Path], np.random.Generator]:
        files, rng = super().choose(k)
        i = self.files["rainy"].index(files["rainy"])
        return {name: paths[i] for name, paths in self.files.items()}, rng

    def stream(self, rng: np.random.Generator) -> np.random.Generator:
        return deepcopy(rng)


class PairedFolders(Dataset):
    """`dataset[i]` -> {"name", "rainy", "clean"}: whole images, [3, H, W] tensors in [-1, 1].

    Pairs by name (`pair_files`); raises ImageError that lists whatever has no partner.
    """

    def __init__(self, rainy: Path | str, clean: Path | str):
        self.pairs = pair_files(Path(rainy), Path(clean))

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, i: int) -> dict[str, str | Tensor]:
        name, rainy, clean = self.pairs[i]
        return {
            "name": name,
            "rainy": to_tensor(read_rgb(rainy)),
            "clean": to_tensor(read_rgb(clean)),
        }
