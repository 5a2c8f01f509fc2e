"""Choosing scenes and files by lot, so that everybody who names the seed gets the same list.

The lot of a name is the SHA-256 of "seed/name": it depends on no other file, on no order of a
directory and on no library. What is chosen is what has the smallest lots. All choices are by
scene first, so that no scene comes to lie in two splits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import PurePosixPath

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cclgan_lite.data.images import natural_key
from cclgan_lite.data.unpaired import same_scenes
from prepare.pair_rules import Item


@dataclass(frozen=True)
class Take:
    """How much of a split a subset takes: so many scenes, files of each scene, files in all."""

    scenes: int | None = None
    each: int | None = None
    files: int | None = None


def lot(seed: int, name: str) -> str:
    """The place of a name in the draw, a hexadecimal number."""
    return sha256(f"{seed}/{name}".encode()).hexdigest()


def drawn(seed: int, names: Iterable[str]) -> list[str]:
    """Different names in the order of their lots."""
    return sorted(set(names), key=lambda name: lot(seed, name))


def merge_scenes(items: Sequence[Item], hashes: np.ndarray) -> list[Item]:
    """Give items that look alike, by their hashes, bool [N, 256], the scene of the first."""
    like = np.array(list(same_scenes(hashes, hashes)), np.int32).reshape(-1, 2).T
    graph = coo_array((np.ones(like.shape[1]), like), shape=(len(items), len(items)))
    scenes: dict[int, str] = {}
    return [
        replace(item, scene=scenes.setdefault(group, item.scene))
        for item, group in zip(items, connected_components(graph)[1], strict=True)
    ]


def leaks(items: Sequence[Item]) -> list[Item]:
    """Items of train and val whose scene is also in a later split (train < val < test)."""
    val, test = ({i.scene for i in items if i.split == split} for split in ("val", "test"))
    later = {"train": val | test, "val": test, "test": ()}
    return [item for item in items if item.scene in later[item.split]]


def hold_out(items: Sequence[Item], scenes: int, seed: int, last: bool = False) -> list[Item]:
    """Make val of so many scenes of train: by lot, or the last ones in natural order.

    A split that has its own val, or not more than so many scenes to train on, stays as it is.
    """
    names = {item.scene for item in items if item.split == "train" and item.rainy and item.clean}
    if any(item.split == "val" for item in items) or len(names) <= scenes:
        return list(items)
    if last:
        order = sorted(names, key=lambda name: natural_key(PurePosixPath(name)), reverse=True)
    else:
        order = drawn(seed, names)
    chosen = set(order[:scenes])
    return [
        replace(i, split="val") if i.split == "train" and i.scene in chosen else i for i in items
    ]


def choose(items: Sequence[Item], subset: Mapping[str, Take], seed: int) -> list[Item]:
    """Draw a subset of each split it names; other splits stay whole, absent ones absent.

    Raises:
        ValueError: a split has too few scenes or files.
    """
    kept = []
    for split in dict.fromkeys(item.split for item in items):
        part = [item for item in items if item.split == split]
        take = subset.get(split, Take())
        by_scene = defaultdict(list)
        for item in sorted(part, key=lambda i: lot(seed, i.name)):
            by_scene[item.scene].append(item)
        scenes = [s for s in drawn(seed, by_scene) if len(by_scene[s]) >= (take.each or 1)]
        files = [i for scene in scenes[: take.scenes] for i in by_scene[scene][: take.each]]
        enough = f"scenes of {take.each or 1} files or more"
        for what, there, taken in ((enough, scenes, take.scenes), ("files", files, take.files)):
            if taken and len(there) < taken:
                raise ValueError(f"{split} has {len(there)} {what}, the subset takes {taken}.")
        chosen = set(sorted(files, key=lambda i: lot(seed, i.name))[: take.files])
        kept += [item for item in part if item in chosen]
    return kept


def part_scenes(items: Sequence[Item], seed: int) -> list[Item]:
    """Make train strictly unpaired: no scene gives both a rainy and a clean picture.

    Where train has clean pictures of its own (without a rainy partner), the pairs give their
    rainy pictures and these the clean ones, but for those that show a rainy scene. Otherwise half
    of the scenes, by lot, give their rainy pictures and the others their clean ones.
    """
    train = [item for item in items if item.split == "train"]
    clean = [item for item in train if item.rainy is None]
    rainy = [item for item in train if item.rainy]
    if not clean:
        order = drawn(seed, (item.scene for item in rainy))
        second = set(order[len(order) // 2 :])
        clean = [replace(item, rainy=None) for item in rainy if item.scene in second]
        rainy = [item for item in rainy if item.scene not in second]
    seen = {item.scene for item in rainy}
    return [
        *(replace(item, clean=None) for item in rainy),
        *(item for item in clean if item.scene not in seen),
        *(item for item in items if item.split != "train"),
    ]
