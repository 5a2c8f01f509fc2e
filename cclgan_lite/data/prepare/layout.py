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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np

from cclgan_lite.data.images import ImageError, Photo, read_rgb, write_photo
from cclgan_lite.data.prepare.archives import find_archives
from cclgan_lite.data.prepare.checks import Checked, check, cut, parallel
from cclgan_lite.data.prepare.known_leaks import known_leaks
from cclgan_lite.data.prepare.pair_rules import SPLITS, ByName, Item, Picture, label_by_count
from cclgan_lite.data.prepare.selection import (
    Take,
    choose,
    hold_out,
    leaks,
    merge_scenes,
    part_scenes,
)
from cclgan_lite.data.prepare.tree import Tree
from cclgan_lite.data.unpaired import hash_folder, read_manifest, same_scenes
from cclgan_lite.files import sha256_of, write_atomically

FORMAT = 1  # raise it when the same sources and settings give another data set
FOLDERS = [f"{split}/{kind}" for split in SPLITS for kind in ("rainy", "clean")]
MANIFEST = "manifest.json"
WORK = ".unfinished"  # unpacked files and the settings of a preparation under way
LISTED = 20  # problems that an error shows; there may be thousands


@dataclass(frozen=True)
class DataSet:
    """What a script declares of a public data set.

    Attributes:
        name: as in the literature; known leaks go by it.
        licence: what its makers allow, in a line.
        rule: which files belong together (`pair_rules`).
        counts: rainy pictures in each split; what differs is an error.
        pairs: rainy pictures in all splits together, where only that is published.
        splits: published name of a split to ours, where they differ.
        val: scenes of train held out for validation, if the data set has no val of its own.
        val_last: take the last scenes, not scenes by lot.
        subsets: name to what it takes of each split.
        drop_leaks: leave out training pictures that show a scene of the test set.
        ignore: pattern of names to leave aside.
        links: public addresses of its archives that need no registration.
    """

    name: str
    licence: str
    rule: object = field(default_factory=ByName)
    counts: Mapping[str, int] = field(default_factory=dict)
    pairs: int | None = None
    splits: Mapping[str, str] = field(default_factory=dict)
    val: int = 0
    val_last: bool = False
    subsets: Mapping[str, Mapping[str, Take]] = field(default_factory=dict)
    drop_leaks: bool = False
    ignore: str | None = None
    links: tuple[str, ...] = ()


def prepare(
    dataset: DataSet,
    source: str | Path,
    out: str | Path,
    *,
    subset: str | None = None,
    seed: int = 0,
    unpaired: bool = False,
    keep_out: Sequence[str | Path] = (),
    keep_leaks: bool = False,
    allow_incomplete: bool = False,
    progress: bool = True,
) -> dict:
    """Write `dataset` from the folder (or archive) `source` into `out`; return the manifest.

    Args:
        subset: one of `dataset.subsets`.
        seed: decides what the subset, the validation scenes and the halves of `unpaired` are.
        unpaired: make train strictly unpaired (`selection.part_scenes`).
        keep_out: folders of pictures whose scenes must not be in train or val.
        keep_leaks: keep what `dataset.drop_leaks` would leave out.
        allow_incomplete: leave out what is missing, damaged or unpaired instead of refusing.

    Raises:
        ArchiveError: an archive is hostile, damaged or incomplete.
        ImageError: pictures are missing, damaged, without partner or of another size than it, or
            their number is not the published one. Every problem is counted, 20 are listed.
        ValueError: the settings do not fit the data set, or what `out` was made with.
        FileExistsError: `out` holds something else.
    """
    source, out = Path(source).absolute(), Path(out).absolute()
    if subset is not None and subset not in dataset.subsets:
        raise ValueError(
            f"{dataset.name} has no subset {subset!r}; there are: "
            f"{', '.join(dataset.subsets) or 'none'}"
        )
    if out == source or source in out.parents:
        raise ValueError(f"{out} lies in {source}: choose an --out outside of --source.")
    settings = {
        "format": FORMAT,
        "dataset": dataset.name,
        "subset": subset,
        "seed": seed,
        "unpaired": unpaired,
        "keep_out": [str(Path(f).absolute()) for f in keep_out],
        "keep_leaks": keep_leaks,
        "allow_incomplete": allow_incomplete,
    }
    if finished := _begin(out, settings, source):
        return finished

    # What is there.
    tree = Tree.read(source, out / WORK)
    items, dropped, ignored = _items(dataset, tree, allow_incomplete)
    checked: dict[Picture, Checked] = {}

    def drop(gone: Sequence[Item], why: str) -> None:
        dropped.extend(f"{item.split}/{item.name}: {why}" for item in gone)
        gone = set(gone)
        items[:] = [item for item in items if item not in gone]

    def look_at(pictures: Sequence[Picture]) -> None:
        """Check pictures once; items with a damaged one are an error, or dropped."""
        new = [p for p in dict.fromkeys(pictures) if p and p not in checked]
        good, bad = check(new, tree.fetch(p.file for p in new), progress)
        checked.update(good)
        _complain(list(bad.values()), allow_incomplete, "Pictures are damaged:")
        drop([i for i in items if i.rainy in bad or i.clean in bad], "damaged")

    # What is chosen, by scene.
    if keep_out or not dataset.rule.knows_scenes:
        look_at([i.clean or i.rainy for i in items])
    hashes = {picture: seen.hash for picture, seen in checked.items()}
    if not dataset.rule.knows_scenes:
        items[:] = merge_scenes(items, hashes)
    for folder in keep_out:
        drop(_like(items, hashes, folder), f"shows a scene of {folder}")
    if dataset.drop_leaks and not keep_leaks:
        drop(leaks(items), "shows a scene of the test set")
    items[:] = hold_out(items, dataset.val, seed, dataset.val_last)
    drop([i for i in items if i.split == "val" and not i.rainy], "shows a validation scene")
    if subset:
        items[:] = choose(items, dataset.subsets[subset], seed)
    if unpaired or not any(i.split == "train" and i.rainy and i.clean for i in items):
        unpaired_kind = "strict"
        parted = part_scenes(items, seed)
        gone = {item for item in items if not item.rainy} - set(parted)
        drop([item for item in items if item in gone], "shows a rainy scene of train")
        items[:] = parted
    else:
        unpaired_kind = "same scenes"
        items[:] = [item for item in items if item.rainy]  # no clean pictures of other scenes

    # Whether it is sound.
    look_at([p for item in items for p in (item.rainy, item.clean)])
    unequal = [
        i for i in items if i.rainy and i.clean and checked[i.rainy].size != checked[i.clean].size
    ]
    _complain(
        [f"{i.rainy.file} and {i.clean.file} differ in size" for i in unequal],
        allow_incomplete,
        "Pairs differ in size:",
    )
    drop(unequal, "rainy and clean differ in size")

    # Writing it, the manifest last.
    files = _write(_plan(items), tree, out, progress)
    kept_out = {read_manifest(Path(f).absolute().parent.parent).get("dataset") for f in keep_out}
    counts = Counter(path.rpartition("/")[0] for path in files)
    manifest = {
        "dataset": dataset.name,
        "settings": settings,
        "licence": dataset.licence,
        "sources": [
            {"name": p.name, "bytes": p.stat().st_size, "sha256": sha256_of(p)}
            for parts in tree.archives
            for p in parts
        ],
        "folder": source.name,
        "pair_rule": repr(dataset.rule),
        "unpaired": unpaired_kind if counts["train/rainy"] else None,
        "counts": {folder: counts[folder] for folder in FOLDERS},
        "subset_list": subset
        and {split: [item.name for item in items if item.split == split] for split in SPLITS},
        "list_sha256": sha256("\n".join(sorted(files)).encode()).hexdigest(),
        "dropped": dropped,
        "ignored_files": ignored,
        "shared_with_test": _shared_with_test(items, checked),
        "known_leaks": [
            f"{leak.test}: {leak.what}"
            for leak in known_leaks(dataset.name)
            if leak.test not in kept_out and (keep_leaks or not dataset.drop_leaks)
        ],
        "files": files,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    write_atomically(out / MANIFEST, lambda path: path.write_text(text, encoding="utf-8"))
    shutil.rmtree(out / WORK)
    return manifest


def _begin(out: Path, settings: dict, source: Path) -> dict | None:
    """The manifest, if all is there already; else mark `out` as ours and unfinished."""
    marker = out / WORK / "settings.json"
    if (out / MANIFEST).exists():
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        made = manifest["settings"]
        other = {k: made.get(k) for k in settings if made.get(k) != settings[k]}
        if other:
            asked = {k: settings[k] for k in other}
            raise ValueError(
                f"{out} holds a data set made with {other}, not {asked}: name "
                "another folder, or delete this one to make it again."
            )
        if source.exists():
            now = [[p.name, p.stat().st_size] for parts in find_archives(source) for p in parts]
            if now and now != [[s["name"], s["bytes"]] for s in manifest["sources"]]:
                raise ValueError(
                    f"{out} was made from other archives than those in {source}: "
                    "name another folder, or delete this one to make it again."
                )
        if all((out / path).exists() for path in manifest["files"]):
            shutil.rmtree(out / WORK, ignore_errors=True)  # of a call that was stopped at its end
            return manifest
    elif marker.exists():
        if json.loads(marker.read_text(encoding="utf-8")) != settings:
            raise ValueError(
                f"{out} holds an unfinished preparation with other settings: name "
                "another folder, or delete this one."
            )
    elif out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty and holds no {MANIFEST}: name a new folder.")
    write_atomically(marker, lambda path: path.write_text(json.dumps(settings), encoding="utf-8"))
    (out / MANIFEST).unlink(missing_ok=True)
    return None


def _items(
    dataset: DataSet, tree: Tree, allow_incomplete: bool
) -> tuple[list[Item], list[str], int]:
    """The items, what is wrong with the data set, and how many pictures are no part of it."""
    ignore = re.compile(dataset.ignore or r"(?!)", re.IGNORECASE)
    names = [name for name in tree.files if not ignore.search(name)]

    def read(name: str) -> str:
        return tree.fetch([name])[name].read_text(encoding="utf-8", errors="replace")

    found = dataset.rule(names, read)
    ours = [replace(i, split=dataset.splits.get(i.split, i.split)) for i in found.items]
    found = label_by_count(replace(found, items=ours), dict(dataset.counts))
    counts = Counter(item.split for item in found.items if item.rainy)
    problems = found.missing + [
        f"{split}: {counts[split]} rainy pictures, published are {expected}"
        for split, expected in dataset.counts.items()
        if counts[split] not in (0, expected)
    ]
    if dataset.pairs and counts.total() != dataset.pairs:
        problems.append(f"{counts.total()} pairs, published are {dataset.pairs}")
    _complain(problems, allow_incomplete, f"{dataset.name} is not complete in {tree.source}:")
    if not found.items:
        raise ImageError(
            f"{tree.source} holds {len(tree.pictures())} pictures, but no pair of {dataset.name} "
            f"among them, such as {tree.pictures()[0]}. See the layout in --help."
        )
    items = [replace(item, scene=f"{item.split}/{item.scene}") for item in found.items]
    used = {p.file for item in items for p in (item.rainy, item.clean) if p}
    return items, problems, len(set(tree.pictures()) - used)


def _complain(problems: Sequence[str], allowed: bool, head: str) -> None:
    if problems and not allowed:
        shown = list(problems[:LISTED])
        if len(problems) > LISTED:
            shown.append(f"... and {len(problems) - LISTED} more")
        remedy = (
            "Download or unpack what is wrong again, or leave it out with "
            "--allow-incomplete (the manifest then lists it)."
        )
        raise ImageError("\n  ".join([head, *shown, remedy]))


def _like(
    items: Sequence[Item], hashes: Mapping[Picture, np.ndarray], folder: str | Path
) -> list[Item]:
    """The items of train and val that show a scene of a folder."""
    mine = [i for i in items if i.split != "test"]
    if not mine:
        return []
    stack = np.stack([hashes[i.clean or i.rainy] for i in mine])
    return [mine[i] for i in sorted({i for i, _ in same_scenes(stack, hash_folder(folder)[1])})]


def _shared_with_test(items: Sequence[Item], checked: Mapping[Picture, Checked]) -> list[str]:
    """Pictures of train and val that look like a scene of test, by the perceptual hash."""
    photos = {}  # each photograph once, whatever its versions
    for item in items:
        photos.setdefault((item.split, item.clean or item.rainy), item)
    mine = [item for item in photos.values() if item.split != "test"]
    test = [item for item in photos.values() if item.split == "test"]
    if not mine or not test:
        return []
    stacks = [np.stack([checked[i.clean or i.rainy].hash for i in part]) for part in (mine, test)]
    return [
        f"{mine[i].split}/{mine[i].name} = test/{test[j].name}" for i, j in same_scenes(*stacks)
    ]


def _plan(items: Sequence[Item]) -> dict[str, Picture]:
    """Where every picture goes: path in the data set to picture."""
    plan: dict[str, Picture] = {}
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
            if plan.setdefault(path, picture) != picture:
                raise ImageError(
                    f"{plan[path].file} and {picture.file} would both become {path}: "
                    "rename one, or give a folder that holds only one of them."
                )
    return plan


def _write(plan: Mapping[str, Picture], tree: Tree, out: Path, progress: bool) -> dict[str, str]:
    """Make the files of the plan that are not there yet; path to SHA-256."""
    for folder in FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    present = {p.relative_to(out).as_posix() for p in out.glob("*/*/*") if p.name[0] != "."}
    if strange := sorted(present - set(plan)):
        raise FileExistsError(
            f"{out} holds {len(strange)} files that are no part of this data "
            f"set, such as {strange[0]}: delete it and start again."
        )
    paths = tree.fetch(picture.file for picture in plan.values())

    def place(path: str) -> str:
        picture, target = plan[path], out / path
        source = paths[picture.file].resolve()
        if picture.half:
            if not target.exists():
                rgb = cut(read_rgb(source), picture.half)
                write_photo(target, Photo(rgb), rgb)
        else:
            _link(source, target)
        return sha256_of(target)

    return dict(zip(plan, parallel(place, plan, "writing", progress), strict=True))


def _link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`, or a copy of it on another file system."""
    if target.exists():
        if target.samefile(source) or target.stat().st_size == source.stat().st_size:
            return
        target.unlink()
    try:
        os.link(source, target)
    except OSError:
        write_atomically(target, lambda out: shutil.copyfile(source, out))
