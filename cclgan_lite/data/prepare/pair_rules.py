"""Which of the files that came out of the archives belong together, and in which split.

A rule turns the names of a `Tree` into items: `rule(names, read)`. What it cannot pair it reports,
and never skips. `knows_scenes` says whether it knows which pictures show the same scene; where it
does not, the perceptual hash finds out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from cclgan_lite.data.images import natural_key

Read = Callable[[str], str]  # the text of a file of the tree

SPLITS = ("train", "val", "test")
RAINY = re.compile(r"rain|rainy|input|rainy_images?", re.IGNORECASE)
CLEAN = re.compile(r"no_?rain|clean|gt|target|ground_?truth|label", re.IGNORECASE)
RAINY_FILE = re.compile(r"(rain|rainy|input)[-_]?\d|\w*[-_](in|input|rain|rainy)$", re.IGNORECASE)
CLEAN_FILE = re.compile(r"(no_?rain|clean|gt)[-_]?\d|\w*\d[-_]?(gt|clean)$", re.IGNORECASE)
OTHER_SCENES = "unpaired_clean"  # a folder of clean photographs that show none of the scenes


@dataclass(frozen=True)
class Picture:
    """A file of the tree, or the left or right half of one."""

    file: str
    half: str | None = None


@dataclass(frozen=True)
class Item:
    """A rainy picture and its truth; one of them is None where there is no partner.

    `scene` is what the picture shows: items of one scene never part company between splits.
    """

    split: str | None
    name: str
    rainy: Picture | None
    clean: Picture | None
    scene: str


@dataclass
class Found:
    """What a rule found: items, and what is wrong with the rest."""

    items: list[Item] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def _sorted(names: Iterable[str]) -> list[str]:
    pictures = (name for name in names if not name.lower().endswith(".txt"))
    return sorted(pictures, key=lambda name: natural_key(PurePosixPath(name)))


def split_of(name: str) -> str | None:
    """The first folder (or archive) with exactly one of train, val, test in its name decides."""
    for part in PurePosixPath(name).parent.parts:
        words = [split for split in SPLITS if split in part.lower()]
        if len(words) == 1:
            return words[0]
    return None


def role_of(name: str) -> str | None:
    """rainy, clean or other: by the innermost folder with a telling name, else the file name."""
    path = PurePosixPath(name)
    for part in reversed(path.parent.parts):
        if part.lower() == OTHER_SCENES:
            return "other"
        for role, pattern in (("rainy", RAINY), ("clean", CLEAN)):
            if pattern.fullmatch(part):
                return role
    for role, pattern in (("clean", CLEAN_FILE), ("rainy", RAINY_FILE)):
        if pattern.match(path.stem):
            return role
    return None


@dataclass(frozen=True)
class ByName:
    """Pairs by what the names of a rainy and of a clean file have in common.

    Roles and splits come from folder and file names, in the spellings that are in use. The key
    is group 1 of a pattern searched in the file name without suffix; numbers count by value, so
    that norain-001, rain-1 and norain-1x2 are one.

    Attributes:
        rainy, clean: patterns of the keys.
        versions: whether a clean photograph has several rainy versions.
        spare_clean: whether the truths come from a larger data set: then they are looked for in
            all splits, and those without a rainy version are left out.
        roles: patterns of the names of rainy and clean files, where `role_of` does not fit.
    """

    rainy: str = r"(\d+)(?:x\d+)?\D*$"
    clean: str = r"(\d+)(?:x\d+)?\D*$"
    versions: bool = False
    spare_clean: bool = False
    roles: tuple[str, str] | None = None

    @property
    def knows_scenes(self) -> bool:
        return self.versions

    def __call__(self, names: Iterable[str], read: Read | None = None) -> Found:
        found = Found()
        files: dict = {"rainy": defaultdict(list), "clean": {}}
        for name in _sorted(names):
            role = self._role(name)
            stem = PurePosixPath(name).stem
            match = re.search(self.clean if role == "clean" else self.rainy, stem)
            if role == "other":
                item = Item("train", stem, None, Picture(name), f"other/{stem}")
                found.items.append(item)
            elif role and match:
                split = None if self.spare_clean and role == "clean" else split_of(name)
                key = int(match[1]) if match[1].isdecimal() else match[1]
                if role == "rainy":
                    files[role][split, key].append(name)
                elif (other := files[role].setdefault((split, key), name)) != name:
                    found.missing.append(
                        f"{name} and {other} would be the same picture: move one away"
                    )
        used = set()
        for (split, key), rainy in files["rainy"].items():
            place = (None, key) if self.spare_clean else (split, key)
            used.add(place)
            scene = f"{key:03d}" if isinstance(key, int) else key
            clean = files["clean"].get(place)
            if clean is None:
                found.missing += [f"{name} has no clean partner" for name in rainy]
                continue
            if len(rainy) > 1 and not self.versions:
                found.missing.append(
                    f"{' and '.join(rainy)} would be the same picture: move one away"
                )
                continue
            for name in rainy:
                item = PurePosixPath(name).stem if self.versions else scene
                found.items.append(Item(split, item, Picture(name), Picture(clean), scene))
        spare = [name for place, name in files["clean"].items() if place not in used]
        if not self.spare_clean:
            found.missing += [f"{name} has no rainy partner" for name in spare]
        return found

    def _role(self, name: str) -> str | None:
        if self.roles is None:
            return role_of(name)
        found = [bool(re.search(pattern, name)) for pattern in self.roles]
        return "rainy" if found == [True, False] else "clean" if found == [False, True] else None


@dataclass(frozen=True)
class Halves:
    """One file holds both: the left half is `left` ("clean" or "rainy"), the right the other."""

    left: str = "clean"
    knows_scenes: bool = False

    def __call__(self, names: Iterable[str], read: Read | None = None) -> Found:
        found = Found()
        for name in _sorted(names):
            split, number = split_of(name), re.search(r"\d+", PurePosixPath(name).stem)
            if split is None or number is None:
                continue
            halves = Picture(name, "left"), Picture(name, "right")
            clean, rainy = halves if self.left == "clean" else halves[::-1]
            scene = f"{int(number[0]):03d}"
            found.items.append(Item(split, scene, rainy, clean, scene))
        return found


@dataclass(frozen=True)
class ByList:
    """Pairs from list files with lines `rainy_path clean_path`.

    Attributes:
        lists: split to a pattern of the list file's name.
        scene: pattern searched in the rainy path; group 1 is the scene.
    """

    lists: dict[str, str]
    scene: str
    knows_scenes: bool = True

    def __call__(self, names: Iterable[str], read: Read) -> Found:
        found, names = Found(), list(names)
        tails: dict[int, dict[str, str]] = {}  # number of path parts -> last parts -> name
        for split, pattern in self.lists.items():
            for listing in (n for n in names if re.search(pattern, PurePosixPath(n).name)):
                for line in filter(None, map(str.strip, read(listing).splitlines())):
                    paths = [p.removeprefix("./").strip("/") for p in line.split()]
                    if len(paths) != 2:
                        found.missing.append(f"{listing}: not a rainy and a clean path: {line!r}")
                        continue
                    files = [self._find(path, names, tails) for path in paths]
                    for path, file in zip(paths, files, strict=True):
                        if file is None:
                            found.missing.append(f"{path}, listed in {listing}, is not here")
                    if None not in files:
                        rainy, clean = map(Picture, files)
                        scene = re.search(self.scene, paths[0])
                        stem = PurePosixPath(paths[0]).stem
                        found.items.append(
                            Item(split, stem, rainy, clean, scene[1] if scene else stem)
                        )
        return found

    @staticmethod
    def _find(path: str, names: list[str], tails: dict[int, dict[str, str]]) -> str | None:
        count = path.count("/") + 1
        if count not in tails:
            tails[count] = {"/".join(n.split("/")[-count:]): n for n in names}
        return tails[count].get(path)


@dataclass(frozen=True)
class Alone:
    """No pairs: a folder of rainy and one of clean photographs, of whatever scenes."""

    knows_scenes: bool = False

    def __call__(self, names: Iterable[str], read: Read | None = None) -> Found:
        found = Found()
        for name in _sorted(names):
            role, stem = role_of(name), PurePosixPath(name).stem
            if role == "rainy":
                found.items.append(Item("train", stem, Picture(name), None, f"rainy/{stem}"))
            elif role:
                found.items.append(Item("train", stem, None, Picture(name), f"clean/{stem}"))
        for what in ("rainy", "clean"):
            if not any(getattr(item, what) for item in found.items):
                found.missing.append(f"no folder named {what} with pictures")
        return found


def label_by_count(found: Found, counts: dict[str, int]) -> Found:
    """Put items without a split where their number says: 100 pairs of Rain100L are its test."""
    loose = sum(item.split is None for item in found.items)
    if not loose:
        return found
    fits = [split for split, count in counts.items() if count == loose]
    fits = fits or list(counts) or ["train"]
    if len(fits) != 1:
        raise ValueError(
            f"{loose} pairs lie in folders that say neither train nor test, and their number is "
            f"none of {counts}: move them into a folder named train or test."
        )
    items = [i if i.split else replace(i, split=fits[0]) for i in found.items]
    return replace(found, items=items)
