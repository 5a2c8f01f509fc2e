"""From what was downloaded to one uniform layout, with a manifest that says how it came about.

    out/train/rainy  out/train/clean     the clean picture of a scene once
    out/val/rainy    out/val/clean       pairs of equal names
    out/test/rainy   out/test/clean      pairs of equal names
    out/manifest.json                    written last: without it, the data set is unfinished

Files are hard links where the file system has them, so a data set takes no more room than what
was downloaded, and copies elsewhere. Every step can be repeated: an interrupted preparation goes
on when it is started again, and a finished one is left untouched.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cclgan_lite.data.images import ImageError, Photo, read_rgb, write_photo
from cclgan_lite.data.unpaired import hash_folder, read_manifest, same_scenes, scene_hash
from cclgan_lite.files import sha256_of, write_atomically, write_json
from prepare.archives import Source, find_archives
from prepare.pair_rules import SPLITS, ByName, Found, Item, Picture, Read, label_by_count
from prepare.selection import Take, choose, hold_out, leaks, merge_scenes, part_scenes

FORMAT = 1  # raise it when the same sources and settings give another data set
FOLDERS = [f"{split}/{kind}" for split in SPLITS for kind in ("rainy", "clean")]
MANIFEST = "manifest.json"
WORK = ".unfinished"  # unpacked files and the settings of a preparation under way
LISTED = 20  # problems that an error shows; there may be thousands


@dataclass(frozen=True)
class DataSet:
    """What a script declares of a public data set."""

    name: str  # as in the literature
    licence: str  # what its makers allow, in a line
    rule: Callable[[Sequence[str], Read], Found] = field(default_factory=ByName)
    counts: Mapping[str, int] = field(default_factory=dict)  # published rainy pictures by split
    pairs: int | None = None  # of all splits together, where only that is published
    splits: Mapping[str, str] = field(default_factory=dict)  # published name to ours
    val: int = 0  # scenes of train that are held out, if the data set has no val of its own
    val_last: bool = False  # the last scenes, not scenes by lot
    subsets: Mapping[str, Mapping[str, Take]] = field(default_factory=dict)  # of splits, by name
    drop_leaks: bool = False  # leave out training pictures that show a scene of the test set
    known_leaks: Mapping[str, str] = field(default_factory=dict)  # test set given away to how
    ignore: str | None = None  # pattern of names to leave aside
    links: tuple[str, ...] = ()  # public addresses of archives that need no registration


@dataclass(frozen=True)
class Settings:
    """What a user chooses."""  # the comments are the help of the command line

    subset: str | None = None  # A named part of the data set, where it has one.
    seed: int = 0  # Decides subset, validation scenes and the halves of --unpaired.
    unpaired: bool = False  # Make training strictly unpaired, no scene both rainy and clean.
    keep_out: tuple[Path, ...] = ()  # Folders of (test) pictures whose scenes are not trained on.
    keep_leaks: bool = False  # Keep training pictures that show test scenes, as the literature.
    allow_incomplete: bool = False  # Leave out what is missing or damaged; the manifest lists it.


class Seen(NamedTuple):
    """What is kept of a picture that can be decoded."""

    size: tuple[int, int]  # height and width
    hash: np.ndarray  # of its scene
    detail: float  # of a half: summed differences of neighbouring pixels


def prepare(
    dataset: DataSet,
    source: str | Path,
    out: str | Path,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    progress: bool = True,
) -> dict:
    """Write `dataset` from the folder (or archive) `source` into `out`; return the manifest.

    Raises:
        ArchiveError: an archive is hostile, damaged or incomplete.
        ImageError: pictures are missing, damaged, without partner or of another size than it, or
            their number is not the published one. Every problem is counted, 20 are listed.
        ValueError: the settings do not fit the data set, or what `out` was made with.
        FileExistsError: `out` holds something else.
    """
    source, out = Path(source).absolute(), Path(out).absolute()
    if settings.subset not in (None, *dataset.subsets):
        raise ValueError(
            f"{dataset.name} has no subset {settings.subset!r}; there are: "
            f"{', '.join(dataset.subsets) or 'none'}"
        )
    if out == source or source in out.parents:
        raise ValueError(f"{out} lies in {source}: choose an --out outside of --source.")
    made_with = {"format": FORMAT, "dataset": dataset.name, **asdict(settings)}
    made_with["keep_out"] = [str(Path(folder).absolute()) for folder in settings.keep_out]
    if finished := _begin(out, made_with, source):
        return finished

    # What is there.
    files = Source(source, out / WORK)
    items, dropped = _items(dataset, files, settings.allow_incomplete)
    used = {p.file for item in items for p in (item.rainy, item.clean) if p}
    ignored = len(set(files.pictures) - used)
    seen: dict[Picture, Seen] = {}

    def drop(gone: Iterable[Item], why: str) -> None:
        gone = set(gone)
        dropped.extend(f"{item.split}/{item.name}: {why}" for item in items if item in gone)
        items[:] = [item for item in items if item not in gone]

    def look_at(pictures: Iterable[Picture | None]) -> None:
        """Check pictures once; items with a damaged one are an error, or dropped."""
        new = [p for p in dict.fromkeys(pictures) if p and p not in seen]
        files.unpack(p.file for p in new)
        found = _parallel(lambda p: _look(p, files.files[p.file]), new, "checking", progress)
        results = dict(zip(new, found, strict=True))
        bad = {p: result for p, result in results.items() if isinstance(result, str)}
        _complain(list(bad.values()), settings.allow_incomplete, "Pictures are damaged:")
        seen.update((p, result) for p, result in results.items() if p not in bad)
        drop([i for i in items if i.rainy in bad or i.clean in bad], "damaged")

    def hashes(of: Sequence[Item]) -> np.ndarray:
        return np.array([seen[i.clean or i.rainy].hash for i in of], bool).reshape(-1, 256)

    # What is chosen, by scene.
    if settings.keep_out or not dataset.rule.knows_scenes:
        look_at(item.clean or item.rainy for item in items)
    if not dataset.rule.knows_scenes:
        items[:] = merge_scenes(items, hashes(items))
    for folder in settings.keep_out:
        mine = [item for item in items if item.split != "test"]
        like = same_scenes(hashes(mine), hash_folder(folder)[1])
        drop([mine[i] for i, _ in like], f"shows a scene of {folder}")
    if dataset.drop_leaks and not settings.keep_leaks:
        drop(leaks(items), "shows a scene of the test set")
    items[:] = hold_out(items, dataset.val, settings.seed, dataset.val_last)
    drop([i for i in items if i.split == "val" and not i.rainy], "shows a validation scene")
    if settings.subset:
        items[:] = choose(items, dataset.subsets[settings.subset], settings.seed)
    paired = any(i.split == "train" and i.rainy and i.clean for i in items)
    if strict := settings.unpaired or not paired:
        parted = part_scenes(items, settings.seed)
        gone = {item for item in items if not item.rainy} - set(parted)
        drop(gone, "shows a rainy scene of train")
        items[:] = parted
    else:
        items[:] = [item for item in items if item.rainy]  # no clean pictures of other scenes

    # Whether it is sound.
    look_at(p for item in items for p in (item.rainy, item.clean))
    pairs = [item for item in items if item.rainy and item.clean]
    unequal = [item for item in pairs if seen[item.rainy].size != seen[item.clean].size]
    problems = [f"{i.rainy.file} and {i.clean.file} differ in size" for i in unequal]
    _complain(problems, settings.allow_incomplete, "Pairs differ in size:")
    drop(unequal, "rainy and clean differ in size")
    halves = [item for item in pairs if item.rainy.half]  # only their place says which is rainy
    smooth = sum(seen[i.rainy].detail < seen[i.clean].detail for i in halves)
    photos: dict = {}  # each photograph once, whatever its versions
    for item in items:
        photos.setdefault((item.split, item.clean or item.rainy), item)
    mine, test = ([i for i in photos.values() if (i.split == "test") == t] for t in (False, True))
    shared = [(mine[i], test[j]) for i, j in same_scenes(hashes(mine), hashes(test))]

    # Writing it, the manifest last.
    written = _write(_plan(items), files, out, progress)
    counts = Counter(path.rpartition("/")[0] for path in written)
    known = dataset.known_leaks if settings.keep_leaks or not dataset.drop_leaks else {}
    kept_out = [read_manifest(Path(f).parents[1]).get("dataset") for f in made_with["keep_out"]]
    manifest = {
        "dataset": dataset.name,
        "settings": made_with,
        "licence": dataset.licence,
        "sources": [
            {"name": p.name, "bytes": p.stat().st_size, "sha256": sha256_of(p)}
            for parts in files.archives
            for p in parts
        ],
        "folder": source.name,
        "pair_rule": repr(dataset.rule),
        "unpaired": ("strict" if strict else "same scenes") if counts["train/rainy"] else None,
        "counts": {folder: counts[folder] for folder in FOLDERS},
        "subset_list": settings.subset
        and {split: [item.name for item in items if item.split == split] for split in SPLITS},
        "list_sha256": sha256("\n".join(sorted(written)).encode()).hexdigest(),
        "dropped": dropped,
        "ignored_files": ignored,
        "swapped": f"{smooth} of {len(halves)}" if smooth > len(halves) / 2 else None,
        "shared_with_test": [f"{i.split}/{i.name} = test/{j.name}" for i, j in shared],
        "known_leaks": [f"{t}: {what}" for t, what in known.items() if t not in kept_out],
        "files": written,
    }
    write_json(out / MANIFEST, manifest)
    shutil.rmtree(out / WORK)
    return manifest


def _begin(out: Path, settings: dict, source: Path) -> dict | None:
    """The manifest, if all is there already; else mark `out` as ours and unfinished."""
    marker, manifest = out / WORK / "settings.json", read_manifest(out)
    if marker.exists() and not manifest:
        what, made = "an unfinished data set", settings
        if any(path.name != WORK for path in out.iterdir()):  # not only what was unpacked
            made = json.loads(marker.read_text(encoding="utf-8"))
    elif not manifest and out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty and holds no {MANIFEST}: name a new folder.")
    else:
        what, made = "a data set", manifest.get("settings", {}) if manifest else settings
    if other := {key: made.get(key) for key in settings if made.get(key) != settings[key]}:
        asked = {key: settings[key] for key in other}
        raise ValueError(
            f"{out} holds {what} made with {other}, not {asked}: name "
            "another folder, or delete this one to make it again."
        )
    archives = find_archives(source) if manifest and source.exists() else []
    now = [{"name": p.name, "bytes": p.stat().st_size} for parts in archives for p in parts]
    if now and now != [{k: s[k] for k in ("name", "bytes")} for s in manifest["sources"]]:
        raise ValueError(
            f"{out} was made from other archives than those in {source}: "
            "name another folder, or delete this one to make it again."
        )
    if manifest and all((out / path).exists() for path in manifest["files"]):
        shutil.rmtree(out / WORK, ignore_errors=True)  # of a call that was stopped at its end
        return manifest
    write_json(marker, settings)
    (out / MANIFEST).unlink(missing_ok=True)
    return None


def _items(
    dataset: DataSet, source: Source, allow_incomplete: bool
) -> tuple[list[Item], list[str]]:
    """The items, and what is wrong with the data set."""
    ignore = re.compile(dataset.ignore or r"(?!)", re.IGNORECASE)

    def read(name: str) -> str:
        source.unpack([name])
        return source.files[name].read_text(encoding="utf-8", errors="replace")

    found, problems = dataset.rule([n for n in source.files if not ignore.search(n)], read)
    ours = [replace(item, split=dataset.splits.get(item.split, item.split)) for item in found]
    ours = label_by_count(ours, dataset.counts)
    counts = Counter(item.split for item in ours if item.rainy)
    problems += [
        f"{split}: {counts[split]} rainy pictures, published are {expected}"
        for split, expected in dataset.counts.items()
        if counts[split] not in (0, expected)
    ]
    if dataset.pairs and counts.total() != dataset.pairs:
        problems.append(f"{counts.total()} pairs, published are {dataset.pairs}")
    _complain(problems, allow_incomplete, f"{dataset.name} is not complete in {source.folder}:")
    if not ours:
        folders = sorted({str(PurePosixPath(name).parent) for name in source.pictures})
        raise ImageError(
            f"{source.folder} holds {len(source.pictures)} pictures, but no pair of "
            f"{dataset.name} among them; folders: {', '.join(folders[:8])}. Rename those of rainy "
            "pictures to rainy and those of their truths to clean, or see the layout in --help."
        )
    return [replace(item, scene=f"{item.split}/{item.scene}") for item in ours], problems


def _complain(problems: Sequence[str], allowed: bool, head: str) -> None:
    if problems and not allowed:
        more = [f"... and {len(problems) - LISTED} more"] if len(problems) > LISTED else []
        remedy = (
            "Download or unpack what is wrong again, or leave it out with "
            "--allow-incomplete (the manifest then lists it)."
        )
        raise ImageError("\n  ".join([head, *problems[:LISTED], *more, remedy]))


def _look(picture: Picture, path: Path) -> Seen | str:
    """Decode a picture in full; what is wrong with it, if it is damaged."""
    try:
        rgb = _read(picture, path)
        detail = 0.0
        if picture.half:
            grey = rgb.mean(-1)
            detail = sum(np.abs(np.diff(grey, axis=axis)).sum() for axis in (0, 1))
        return Seen(rgb.shape[:2], scene_hash(rgb), detail)
    except ImageError as error:
        return str(error).replace(str(path), picture.file)


def _read(picture: Picture, path: Path) -> np.ndarray:
    """uint8 [H, W, 3], the half that the picture is; ImageError."""
    rgb = read_rgb(path)
    if picture.half and rgb.shape[1] % 2:
        raise ImageError(f"{path} is {rgb.shape[1]} pixels wide, which cannot be halved.")
    middle = rgb.shape[1] // 2
    return {None: rgb, "left": rgb[:, :middle], "right": rgb[:, middle:]}[picture.half]


def _parallel(work: Callable, things: Sequence, title: str, progress: bool) -> Iterator:
    """`map` over threads (decoding and hashing leave Python's lock), in order."""
    pool = ThreadPool()
    try:
        found = pool.imap(work, things)
        yield from tqdm(found, title, len(things), unit="picture", disable=not progress)
    finally:
        pool.terminate()
        pool.join()  # what is being written is finished or taken back


def _plan(items: Sequence[Item]) -> dict[str, Picture]:
    """Where every picture goes: path in the data set to picture."""
    plan: dict[str, Picture] = {}
    spelled: dict[str, str] = {}  # names that differ in case alone are one on some systems
    users = Counter(item.clean for item in items if item.split == "train")
    for item in items:
        for kind, picture in (("rainy", item.rainy), ("clean", item.clean)):
            if picture is None:
                continue
            source = PurePosixPath(picture.file)
            # In train, the truth of many rainy versions is there once: training draws from it.
            once = kind == "clean" and item.split == "train" and users[picture] > 1
            suffix = ".png" if picture.half else source.suffix.lower()
            path = f"{item.split}/{kind}/{source.stem if once else item.name}{suffix}"
            path = spelled.setdefault(path.casefold(), path)
            if plan.setdefault(path, picture) != picture:
                raise ImageError(
                    f"{plan[path].file} and {picture.file} would both become {path}: "
                    "rename one, or give a folder that holds only one of them."
                )
    return plan


def _write(
    plan: Mapping[str, Picture], source: Source, out: Path, progress: bool
) -> dict[str, str]:
    """Make the files of the plan that are not there yet; path to SHA-256."""
    for folder in FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    present = {p.relative_to(out).as_posix() for p in out.glob("*/*/*") if p.name[0] != "."}
    if strange := sorted(present - set(plan)):
        raise FileExistsError(
            f"{out} holds {len(strange)} files that are no part of this data "
            f"set, such as {strange[0]}: delete it and start again."
        )
    source.unpack(picture.file for picture in plan.values())

    def place(path: str) -> str:
        picture, target = plan[path], out / path
        file = source.files[picture.file].resolve()
        if not picture.half:
            _link(file, target)
        elif not target.exists():
            rgb = _read(picture, file)
            write_photo(target, Photo(rgb), rgb)
        return sha256_of(target)

    return dict(zip(plan, _parallel(place, list(plan), "writing", progress), strict=True))


def _link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy of it on another file system."""
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        write_atomically(target, lambda out: shutil.copyfile(source, out))
