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

from cclgan_lite.data.images import natural_key
from cclgan_lite.data.prepare.pair_rules import Item, Picture
from cclgan_lite.data.unpaired import same_scenes


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


def merge_scenes(items: Sequence[Item], hashes: Mapping[Picture, np.ndarray]) -> list[Item]:
    """Give one scene to all items whose clean (else rainy) pictures look alike, that of the first.

    Items whose picture is not in `hashes` stay as they are.
    """
    known = [item for item in items if (item.clean or item.rainy) in hashes]
    if not known:
        return list(items)
    stack = np.stack([hashes[item.clean or item.rainy] for item in known])
    first = list(range(len(known)))  # union-find: towards the first item of the same scene

    def root(i: int) -> int:
        while first[i] != i:
            i = first[i]
        return i

    for i, j in same_scenes(stack, stack):
        low, high = sorted((root(i), root(j)))
        first[high] = low
    scenes = {item: known[root(i)].scene for i, item in enumerate(known)}
    return [replace(item, scene=scenes.get(item, item.scene)) for item in items]


def leaks(items: Sequence[Item]) -> list[Item]:
    """Items of train and val whose scene is also in a later split (train < val < test)."""
    later = {split: {i.scene for i in items if i.split == split} for split in ("val", "test")}
    later["train"] = later["val"] | later["test"]
    later["val"] = later["test"]
    return [i for i in items if i.split != "test" and i.scene in later[i.split]]


def hold_out(items: Sequence[Item], scenes: int, seed: int, last: bool = False) -> list[Item]:
    """Make val of so many scenes of train: by lot, or the last ones in natural order.

    A split that has its own val, or not more than so many scenes to train on, stays as it is.
    """
    pairs = [item for item in items if item.split == "train" and item.rainy and item.clean]
    names = {item.scene for item in pairs}
    if any(item.split == "val" for item in items) or len(names) <= scenes:
        return list(items)
    order = (
        sorted(names, key=lambda n: natural_key(PurePosixPath(n)))[::-1]
        if last
        else (drawn(seed, names))
    )
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
        for item in part:
            by_scene[item.scene].append(item)
        scenes = [s for s in drawn(seed, by_scene) if len(by_scene[s]) >= (take.each or 1)]
        if take.scenes and len(scenes) < take.scenes:
            raise ValueError(
                f"{split} has {len(scenes)} scenes of {take.each or 1} files or "
                f"more, the subset takes {take.scenes}."
            )
        chosen = []
        for scene in scenes[: take.scenes]:
            chosen += sorted(by_scene[scene], key=lambda i: lot(seed, i.name))[: take.each]
        if take.files and len(chosen) < take.files:
            raise ValueError(f"{split} has {len(chosen)} files, the subset takes {take.files}.")
        chosen = set(sorted(chosen, key=lambda i: lot(seed, i.name))[: take.files])
        kept += [item for item in part if item in chosen]
    return kept


def part_scenes(items: Sequence[Item], seed: int) -> list[Item]:
    """Make train strictly unpaired: no scene gives both a rainy and a clean picture.

    Where train has clean pictures of its own (without a rainy partner), the pairs give their
    rainy pictures and these the clean ones, but for those that show a rainy scene. Otherwise half
    of the scenes, by lot, give their rainy pictures and the others their clean ones.
    """
    train = [item for item in items if item.split == "train"]
    rest = [item for item in items if item.split != "train"]
    alone = [item for item in train if item.rainy is None]
    rainy = [item for item in train if item.rainy]
    if not alone:
        order = drawn(seed, (item.scene for item in rainy))
        second = set(order[len(order) // 2 :])
        alone = [replace(item, rainy=None) for item in rainy if item.scene in second]
        rainy = [item for item in rainy if item.scene not in second]
    seen = {item.scene for item in rainy}
    return (
        [replace(item, clean=None) for item in rainy]
        + [item for item in alone if item.scene not in seen]
        + rest
    )
