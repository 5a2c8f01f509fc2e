"""Prepared data sets by name: ROOT/NAME/{train,val,test}/{rainy,clean}, as data_scripts/ write.

ROOT is the folder in the environment variable CCLGAN_DATA, else `data` in the current folder. A
name is that of the folder or the one in its manifest; case and punctuation do not count, so that
rain100l finds data/rain100L. The data sets `bundled`, `bundled-veil`, `bundled-haze` and so on,
for every kind of degradation, are made when they are asked for.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.degradations.kinds import KINDS
from cclgan_lite.data.images import ImageError
from cclgan_lite.data.pairs import Pair, pair_files
from cclgan_lite.data.unpaired import read_manifest


def plain_name(name: str) -> str:
    """A data set's name without case and punctuation."""
    return re.sub("[^a-z0-9]", "", name.lower())


def find_dataset(name_or_folder: str | Path) -> Path:
    """The folder of a prepared data set.

    Raises:
        ImageError: there is none of that name, or several.
    """
    if (folder := Path(name_or_folder)).is_dir():
        return folder
    root, name = Path(os.environ.get("CCLGAN_DATA", "data")), plain_name(str(name_or_folder))
    if name == "bundled":
        return bundled_data(root / "bundled")
    if (kind := name.removeprefix("bundled")) in KINDS:
        return bundled_data(root / f"bundled-{kind}", kind=kind)
    folders = sorted(path for path in root.glob("*") if path.is_dir())
    found = [
        path
        for path in folders
        if name in (plain_name(path.name), plain_name(read_manifest(path).get("dataset", "")))
    ]
    if len(found) == 1:
        return found[0]
    here = ", ".join(str(path) for path in found or folders) or "nothing"
    raise ImageError(
        f"{'Several' if found else 'No'} data sets {name_or_folder} in {root} (there: {here}). "
        "Give its folder, or set CCLGAN_DATA to the folder of your data sets; data_scripts/ "
        "prepare them."
    )


def dataset_pairs(name_or_folder: str | Path, split: str = "test") -> tuple[dict, list[Pair]]:
    """What results record of a data set, `dataset`, `subset` and `split`; and its pairs.

    Raises:
        ImageError: there is no such data set or split, or its pictures do not pair up.
    """
    folder = find_dataset(name_or_folder)
    rainy, clean = folder / split / "rainy", folder / split / "clean"
    if not (rainy.is_dir() and clean.is_dir()):
        raise ImageError(f"{folder} holds no {split}/rainy and {split}/clean.")
    manifest = read_manifest(folder)
    about = {
        "dataset": manifest.get("dataset", folder.resolve().name),
        "subset": manifest.get("settings", {}).get("subset"),
        "split": split,
    }
    return about, pair_files(rainy, clean)


def training_data(rainy: Path) -> str:
    """What a run was trained on, from its folder of rainy images, in words for a footnote."""
    manifest = read_manifest(rainy.parent.parent)
    if "dataset" not in manifest:
        return str(rainy)
    subset = manifest.get("settings", {}).get("subset")
    how = {"strict": "strictly unpaired", "same scenes": "unaligned, same scenes"}
    parts = [manifest["dataset"], subset and f"subset {subset}", how.get(manifest.get("unpaired"))]
    return ", ".join(part for part in parts if part)


def refuse_leaks(rainy: Path, dataset: str) -> None:
    """Raise ValueError if who trained on `rainy` is known to have seen the tests of `dataset`."""
    manifest = read_manifest(rainy.parent.parent)
    for leak in manifest.get("known_leaks", []):
        test, _, what = leak.partition(": ")
        if test == dataset:
            raise ValueError(
                f"trained on {manifest['dataset']}, which must not be tested on {dataset}: "
                f"{what}. Test on another data set, or prepare this one with --keep-out."
            )
