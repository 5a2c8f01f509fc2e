"""What the user downloaded, unpacked folders and archives alike, as one list of files.

Archives come from strangers. Each is listed and judged as a whole before a byte is written, and
refused if it is hostile: names that lead out of the folder, links, devices, doubled names, bombs.
Members are then copied to paths of our own, so no name from an archive ever becomes a path.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import tarfile
import zipfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import sha256
from itertools import accumulate
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from cclgan_lite.data.images import IMAGE_SUFFIXES, ImageError
from cclgan_lite.files import write_atomically

ARCHIVE = re.compile(
    r"(?P<stem>.+)\.(?P<kind>zip|tar|t(ar\.)?(gz|bz2|xz))(?P<part>\.\d+)?", re.IGNORECASE
)
UNREADABLE = re.compile(r"\.(rar|7z|z\d\d)$", re.IGNORECASE)
# Unpacked to packed. Pictures hardly shrink further; deflate packs zeros 1000:1. Small archives
# may have any ratio: lists of names do.
RATIO, ANY_RATIO = 250, 2**20
SPECIAL = "is a link or a device"


class ArchiveError(ValueError):
    """An archive is hostile, damaged or incomplete; the message names it and the remedy."""


class Source:
    """The pictures and .txt files of a folder and of the archives in it, or of one archive.

    Attributes:
        files: name to where it lies on disk, once `unpack` was asked for it. A name is the path
            with `/`; that of an archived file begins with the archive's own name.
        archives: the parts of each archive.

    Raises:
        ArchiveError: an archive is hostile, damaged or incomplete.
        ImageError: there are no pictures.
    """

    def __init__(self, folder: Path, work: Path):
        if not folder.exists():
            raise ImageError(
                f"There is no {folder}: --source is an archive, or the folder with the archives "
                "or with what you unpacked from them."
            )
        self.folder, self.archives = folder, find_archives(folder)
        self.files: dict[str, Path] = {}
        self.packed: dict[str, tuple[int, str]] = {}  # name to number of the archive and member
        for root, _, names in os.walk(folder, followlinks=True):  # links of the user
            for path in (Path(root, name) for name in names):
                if _wanted(name := path.relative_to(folder).as_posix()):
                    self.files[name] = path
        loose = set(self.files)
        for number, parts in enumerate(self.archives):
            match = ARCHIVE.fullmatch(parts[0].name)
            for member in list_archive(parts):
                path = PurePosixPath(match["stem"] if match else parts[0].name, member)
                if _wanted(name := str(path)):
                    if loose & {name, member} and path.suffix.lower() != ".txt":
                        raise ArchiveError(
                            f"{parts[0]} and its unpacked copy are both here: move one away."
                        )
                    safe = sha256(name.encode()).hexdigest()[:32] + path.suffix.lower()
                    self.files[name] = work / safe
                    self.packed[name] = number, member
        self.pictures = [name for name in self.files if not name.lower().endswith(".txt")]
        if not self.pictures:
            raise ImageError(f"{folder} holds neither pictures nor archives (.zip, .tar) of them.")

    def unpack(self, names: Iterable[str]) -> None:
        """Make sure that these files are on disk, once; errors as in `extract`."""
        todo: dict[int, dict[str, Path]] = defaultdict(dict)
        for name in self.packed.keys() & set(names):
            number, member = self.packed.pop(name)
            todo[number][member] = self.files[name]
        for number, targets in todo.items():
            extract(self.archives[number], targets)


def _wanted(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in IMAGE_SUFFIXES | {".txt"} and not hidden


def find_archives(folder: Path) -> list[list[Path]]:
    """The archives directly in a folder, each a list of its parts (x.zip.00, x.zip.01, ...).

    Of a file instead of a folder: that archive.

    Raises:
        ArchiveError: a part is missing, or the folder holds .rar, .7z or .z01 files.
    """
    if folder.is_file():
        return [[folder]]
    names = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name[0] != ".")
    if strange := list(filter(UNREADABLE.search, names)):
        raise ArchiveError(
            f"{folder} holds {', '.join(strange)}, which Python cannot read: unpack it with your "
            "system's tool, move it away, and give the folder with the unpacked files."
        )
    found: dict[tuple[bool, str], dict[int, Path]] = defaultdict(dict)
    for name in names:
        if match := ARCHIVE.fullmatch(name):
            part = match["part"] or ""
            found[bool(part), name.removesuffix(part)][int(part[1:] or 0)] = folder / name
    for (_, name), parts in found.items():
        if missing := sorted(set(range(min(1, *parts), max(parts))) - set(parts)):
            raise ArchiveError(
                f"{folder / name}: part {', '.join(map(str, missing))} is missing; download it."
            )
    return [[parts[i] for i in sorted(parts)] for _, parts in sorted(found.items())]


def list_archive(parts: Sequence[Path]) -> dict[str, int]:
    """The files of an archive, {name with /: size in bytes}, after judging all of it.

    Raises:
        ArchiveError: it is hostile (see above), encrypted, damaged, or no archive.
    """
    packed = sum(path.stat().st_size for path in parts)
    found: dict[str, int] = {}
    with _opened(parts) as archive:
        total = 0
        for name, size, why, _ in _members(archive):
            total += size
            path = PureWindowsPath(name)  # knows both separators, and drives
            if path.anchor or ".." in path.parts or re.search(r"[\0-\x1f]", name):
                why = "is an absolute path, leads out of the folder or is no file name"
            elif name in found:
                why = "is there twice"
            elif total > max(ANY_RATIO, RATIO * packed):
                why = f"makes it unpack {RATIO}-fold or more, a bomb"
            if why:
                raise ArchiveError(
                    f"{parts[0]} is refused: {name!r} {why}. Download it again from its source; "
                    "if you trust it, unpack it yourself and give the folder."
                )
            found[name] = size
    return found


def extract(parts: Sequence[Path], targets: Mapping[str, Path]) -> None:
    """Copy members to the given paths, each atomically; a target of the right size is kept.

    So an interrupted extraction goes on where it was.

    Raises:
        ArchiveError: as in `list_archive`; a member is damaged (zip has checksums).
        OSError: the disk is (or would be) full.
    """
    sizes = list_archive(parts)
    todo = {
        name: path
        for name, path in targets.items()
        if not (path.exists() and path.stat().st_size == sizes[name])
    }
    for folder in {path.parent for path in todo.values()}:
        folder.mkdir(parents=True, exist_ok=True)
        free, needed = shutil.disk_usage(folder).free, sum(sizes[name] for name in todo)
        if free < needed:
            raise OSError(
                f"{folder} has {free / 1e9:.1f} GB free, unpacking {parts[0].name} needs "
                f"{needed / 1e9:.1f} GB. Free some space, or choose another --out."
            )
    with _opened(parts) as archive:
        for name, _, _, open_member in _members(archive):
            if name in todo:
                write_atomically(todo[name], partial(_copy, open_member))


def _copy(open_member: Callable[[], BinaryIO], out: Path) -> None:
    with open_member() as member, open(out, "wb") as file:
        shutil.copyfileobj(member, file, 2**20)


def _members(archive: zipfile.ZipFile | tarfile.TarFile) -> Iterator[tuple]:
    """(name, size, why it is refused, how it is opened) of each file, listed one by one.

    So a bomb is judged by its header, before it is read through.
    """
    if isinstance(archive, zipfile.ZipFile):
        for info in archive.infolist():
            special = stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG)
            why = SPECIAL if special else "is encrypted" if info.flag_bits & 1 else None
            if not info.is_dir():
                name = info.orig_filename.replace("\\", "/")
                yield name, info.file_size, why, partial(archive.open, info)
    else:
        for info in archive:
            why = None if info.isreg() else SPECIAL
            if not info.isdir():
                name = info.name.removeprefix("./")
                yield name, info.size, why, partial(archive.extractfile, info)


@contextmanager
def _opened(parts: Sequence[Path]) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    """The archive; whatever the readers raise on damaged files becomes an ArchiveError."""
    match = ARCHIVE.fullmatch(parts[0].name)
    is_zip = match and match["kind"].lower() == "zip"
    try:
        with ExitStack() as stack:
            file = io.BufferedReader(_Joined([stack.enter_context(open(p, "rb")) for p in parts]))
            archive = zipfile.ZipFile(file) if is_zip else tarfile.open(fileobj=file)
            yield stack.enter_context(archive)
    except ArchiveError:
        raise
    except Exception as error:  # damaged files raise a zoo of exceptions
        if isinstance(error, OSError) and error.errno is not None:  # a real one, of the disk
            raise
        raise ArchiveError(
            f"{', '.join(path.name for path in parts)} in {parts[0].parent} cannot be unpacked "
            f"({error}): truncated, damaged or a part is missing. Download it again."
        ) from error


class _Joined(io.RawIOBase):
    """The parts of a split file as one, without copying them together."""

    def __init__(self, files: Sequence[BinaryIO]):
        self.files, self.at = files, 0
        self.ends = list(accumulate(file.seek(0, io.SEEK_END) for file in files))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + (0, self.at, self.ends[-1])[whence]
        return self.at

    def readinto(self, buffer) -> int:
        part = bisect_right(self.ends, self.at)
        if part == len(self.files):
            return 0
        self.files[part].seek(self.at - self.ends[part], io.SEEK_END)
        count = self.files[part].readinto(buffer)
        self.at += count
        return count
