"""Which of the files that came out of the archives belong together, and in which split.

A rule turns the names of the files into items: `rule(names, read)`, where `read` gives the text of
one. What it cannot pair it reports, and never skips. `knows_scenes` says whether it knows which
pictures show the same scene; where it does not, the perceptual hash finds out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath

from cclgan_lite.data.images import natural_key

SPLITS = ("train", "val", "test")
RAINY = re.compile(r"(rain|rainy|input|lq|low_quality)([_ ]?im(g|age)s?)?", re.IGNORECASE)
CLEAN = re.compile(
    r"(no_?rain|clean|gt|hq|target|ground[_ ]?truth|label)([_ ]?im(g|age)s?)?", re.IGNORECASE
)
RAINY_FILE = re.compile(r"(rain|rainy|input)[-_]?\d|\w*[-_](in|input|rain|rainy)$", re.IGNORECASE)
CLEAN_FILE = re.compile(r"(no_?rain|clean|gt)[-_]?\d|\w*\d[-_]?(gt|clean)$", re.IGNORECASE)
OTHER_SCENES = "unpaired_clean"  # a folder of clean photographs that show none of the scenes


@dataclass(frozen=True)
class Picture:
    """A file, or the left or right half of one."""

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


Read = Callable[[str], str]
Found = tuple[list[Item], list[str]]  # and what is wrong with the rest


def _sorted(names: Iterable[str]) -> list[PurePosixPath]:
    pictures = (PurePosixPath(name) for name in names if not name.lower().endswith(".txt"))
    return sorted(pictures, key=natural_key)


def split_of(path: PurePosixPath) -> str | None:
    """The first folder (or archive) with exactly one of train, val, test in its name decides."""
    for part in path.parent.parts:
        words = [split for split in SPLITS if split in part.lower()]
        if len(words) == 1:
            return words[0]
    return None


def role_of(path: PurePosixPath) -> str | None:
    """rainy, clean or other: by the innermost folder with a telling name, else the file name."""
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
    """

    rainy: str = r"(\d+)(?:x\d+)?\D*$"
    clean: str = r"(\d+)(?:x\d+)?\D*$"
    versions: bool = False  # a clean photograph has several rainy ones
    spare_clean: bool = False  # truths are of a larger data set: of any split, and most unused
    roles: tuple[str, str] | None = None  # patterns of rainy and clean, where `role_of` fails

    @property
    def knows_scenes(self) -> bool:
        return self.versions

    def __call__(self, names: Iterable[str], read: Read | None = None) -> Found:
        items, problems = [], []
        rainy_of, clean_of = defaultdict(list), defaultdict(list)  # (split, key) to names
        for path in _sorted(names):
            name, role = str(path), self._role(path)
            match = re.search(self.clean if role == "clean" else self.rainy, path.stem)
            if role == "other":
                scene = f"other/{path.stem}"
                items.append(Item("train", path.stem, None, Picture(name), scene))
            elif role and match:
                key = int(match[1]) if match[1].isdecimal() else match[1]
                if role == "rainy":
                    rainy_of[split_of(path), key].append(name)
                else:
                    clean_of[None if self.spare_clean else split_of(path), key].append(name)
        lone = dict(clean_of)
        for (split, key), rainy in rainy_of.items():
            place = (None if self.spare_clean else split, key)
            lone.pop(place, None)
            scene = f"{key:03d}" if isinstance(key, int) else key
            if place not in clean_of:
                problems += [f"{name} has no clean partner" for name in rainy]
            elif self.versions or len(rainy) == 1:
                for name in rainy:
                    item = PurePosixPath(name).stem if self.versions else scene
                    clean = Picture(clean_of[place][0])
                    items.append(Item(split, item, Picture(name), clean, scene))
        if rainy_of and not clean_of:
            count = sum(map(len, rainy_of.values()))
            problems = [f"{count} rainy pictures, and not one truth: its files are missing"]
        if not self.spare_clean:
            problems += [f"{names[0]} has no rainy partner" for names in lone.values()]
        problems += [
            f"{' and '.join(same)} would be the same picture: move one away"
            for same in (*clean_of.values(), *(() if self.versions else rainy_of.values()))
            if len(same) > 1
        ]
        return items, problems

    def _role(self, path: PurePosixPath) -> str | None:
        if self.roles is None:
            return role_of(path)
        rainy, clean = (re.search(pattern, str(path)) for pattern in self.roles)
        return None if bool(rainy) == bool(clean) else "rainy" if rainy else "clean"


@dataclass(frozen=True)
class Halves:
    """One file holds both: the left half is `left` ("clean" or "rainy"), the right the other."""

    left: str = "clean"
    knows_scenes: bool = False

    def __call__(self, names: Iterable[str], read: Read | None = None) -> Found:
        items = []
        for path in _sorted(names):
            if (split := split_of(path)) and (number := re.search(r"\d+", path.stem)):
                halves = [Picture(str(path), half) for half in ("left", "right")]
                rainy, clean = halves if self.left == "rainy" else halves[::-1]
                scene = f"{int(number[0]):03d}"
                items.append(Item(split, scene, rainy, clean, scene))
        return items, []


@dataclass(frozen=True)
class ByList:
    """Pairs from list files with lines `rainy_path clean_path`."""

    lists: Mapping[str, str]  # split to a pattern of the list file's name
    scene: str  # pattern searched in the rainy path; group 1 is the scene
    knows_scenes: bool = True

    def __call__(self, names: Sequence[str], read: Read) -> Found:
        items, problems = [], []

        @cache
        def tails(count: int) -> dict[str, str]:
            """The last parts of a path, so many, to the name of the file."""
            return {"/".join(name.split("/")[-count:]): name for name in names}

        lines = (
            (split, name, line)
            for split, pattern in self.lists.items()
            for name in names
            if re.search(pattern, PurePosixPath(name).name)
            for line in read(name).splitlines()
            if line.strip()
        )
        for pattern in self.lists.values():
            if not any(re.search(pattern, PurePosixPath(name).name) for name in names):
                problems.append("the list " + re.sub(r"[\\^$]", "", pattern) + " is missing")
        for split, listing, line in lines:
            paths = [path.removeprefix("./").strip("/") for path in line.split()]
            files = [tails(path.count("/") + 1).get(path) for path in paths]
            if len(paths) != 2:
                problems.append(f"{listing}: not a rainy and a clean path: {line!r}")
            elif None in files:
                lost = [path for path, file in zip(paths, files, strict=True) if file is None]
                problems += [f"{path}, listed in {listing}, is not here" for path in lost]
            else:
                stem, scene = PurePosixPath(paths[0]).stem, re.search(self.scene, paths[0])
                scene = scene[1] if scene else stem
                items.append(Item(split, stem, *map(Picture, files), scene))
        return items, problems


@dataclass(frozen=True)
class Alone:
    """No pairs: a folder of rainy and one of clean photographs, of whatever scenes."""

    knows_scenes: bool = False

    def __call__(self, names: Iterable[str], read: Read | None = None) -> Found:
        items = []
        for path in _sorted(names):
            if role := role_of(path):
                picture, scene = Picture(str(path)), f"{role}/{path.stem}"
                pictures = (picture, None) if role == "rainy" else (None, picture)
                items.append(Item("train", path.stem, *pictures, scene))
        found = {"rainy": any(i.rainy for i in items), "clean": any(i.clean for i in items)}
        lost = [what for what, there in found.items() if not there]
        return items, [f"no folder named {what} with pictures" for what in lost]


def label_by_count(items: Sequence[Item], counts: Mapping[str, int]) -> list[Item]:
    """Put items without a split where their number says: 100 pairs of Rain100L are its test."""
    loose = sum(item.split is None for item in items)
    fits = [split for split, count in counts.items() if count == loose]
    fits = fits or list(counts) or ["train"]
    if loose and len(fits) != 1:
        raise ValueError(
            f"{loose} pairs lie in folders that say neither train nor test, and their number is "
            f"none of {dict(counts)}: move them into a folder named train or test."
        )
    return [item if item.split else replace(item, split=fits[0]) for item in items]
