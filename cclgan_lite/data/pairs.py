"""Which rainy picture belongs to which clean one."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cclgan_lite.data.images import ImageError, list_images, read_size

Pair = tuple[str, Path, Path]  # name, rainy file, clean file


def pair_files(rainy_dir: str | Path, clean_dir: str | Path) -> list[Pair]:
    """Pair the pictures of two folders, in natural order of the rainy names.

    Pictures pair by their names without suffix. Where no name is in both folders, they pair by
    the last number in the name: rain-001 and norain-001, 001 and 001gt; the streak strength of
    Rain100, as in norain-1x2, is no part of the name.

    Raises:
        ImageError: lists every picture without partner, every doubled name or number, every
            unreadable file, and every pair of different sizes.
    """
    rainy, clean = list_images(rainy_dir), list_images(clean_dir)
    key = _number if {p.stem for p in rainy}.isdisjoint(p.stem for p in clean) else _name
    problems: list[str] = []
    rainy_of, clean_of = _index(rainy, key, problems), _index(clean, key, problems)
    problems += [f"{rainy_of[k]} has no clean partner" for k in rainy_of if k not in clean_of]
    problems += [f"{clean_of[k]} has no rainy partner" for k in clean_of if k not in rainy_of]
    pairs = [(path.stem, path, clean_of[k]) for k, path in rainy_of.items() if k in clean_of]
    for _, one, two in pairs:
        try:
            if (size := read_size(one)) != (other := read_size(two)):
                problems.append(f"{one} is {size[1]}x{size[0]}, {two} is {other[1]}x{other[0]}")
        except ImageError as error:
            problems.append(str(error))
    if problems:
        head = f"The pictures of {rainy_dir} and {clean_dir} do not pair up:"
        raise ImageError("\n  ".join([head, *problems]))
    return pairs


def refuse_equal_files(pairs: Iterable[Pair]) -> None:
    """ImageError that lists the pairs whose files hold the same: no rain, or no truth."""
    if same := [(a, b) for _, a, b in pairs if filecmp.cmp(a, b, shallow=False)]:
        lines = [f"{one} and {two} are the same file" for one, two in same]
        raise ImageError("\n  ".join(["There is no rain, or no truth, in these pairs:", *lines]))


def equal_contents(first: Sequence[Path], second: Sequence[Path]) -> bool:
    """Whether two lists of files hold the same contents in the same order."""
    if len(first) != len(second) or any(
        a.stat().st_size != b.stat().st_size for a, b in zip(first, second, strict=True)
    ):
        return False
    return all(filecmp.cmp(a, b, shallow=False) for a, b in zip(first, second, strict=True))


def _name(path: Path) -> str:
    return path.stem


def _number(path: Path) -> int | str:
    numbers = re.findall(r"\d+", re.sub(r"(?<=\d)x\d+$", "", path.stem))
    return int(numbers[-1]) if numbers else path.stem


def _index(paths: list[Path], key: Callable, problems: list[str]) -> dict:
    index: dict = {}
    for path in paths:
        if index.setdefault(key(path), path) is not path:
            problems.append(f"{path} and {index[key(path)]} would be the same picture")
    return index
