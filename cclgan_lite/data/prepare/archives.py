"""Reading archives that strangers packed: nothing they say is believed.

An archive is listed and judged as a whole before a byte is written, and refused if it is hostile:
names that lead out of the folder, links, devices, doubled names, or a bomb (too many entries, too
many bytes, too much compression). Members are then copied one by one to paths that the caller
chose, so no name from an archive ever becomes a path.
"""

from __future__ import annotations

import io
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from cclgan_lite.files import write_atomically

ZIP = re.compile(r"\.zip(\.\d+)?$", re.IGNORECASE)
TAR = re.compile(r"\.(tar|tgz|tbz2|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
UNREADABLE = re.compile(r"\.(rar|7z|z\d\d)$", re.IGNORECASE)


class ArchiveError(ValueError):
    """An archive is hostile, damaged or incomplete; the message names it and the remedy."""


@dataclass(frozen=True)
class Limits:
    """What no set of pictures reaches: JPEG and PNG hardly shrink further, lists of names do."""

    entries: int = 3_000_000
    bytes: int = 500 * 2**30
    ratio: int = 250  # unpacked to packed; deflate packs zeros 1000:1
    free: int = 2**20  # up to this size a member or archive may have any ratio


LIMITS = Limits()


def find_archives(folder: Path) -> list[list[Path]]:
    """The archives directly in a folder, each a list of its parts (x.zip.00, x.zip.01, ...).

    Of a file instead of a folder: that archive.

    Raises:
        ArchiveError: a part is missing, or the folder holds .rar, .7z or .z01 files.
    """
    if folder.is_file():
        return [[folder]]
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if strange := [p.name for p in files if UNREADABLE.search(p.name)]:
        raise ArchiveError(
            f"{folder} holds {', '.join(strange)}, which Python cannot read: unpack it with your "
            "system's tool, move it away, and give the folder with the unpacked files."
        )
    whole = [[p] for p in files if TAR.search(p.name) or p.name.lower().endswith(".zip")]
    split: dict[str, list[Path]] = {}
    for path in files:
        if re.search(r"\.zip\.\d+$", path.name, re.IGNORECASE):
            split.setdefault(path.name.rpartition(".")[0], []).append(path)
    for name, parts in split.items():
        parts.sort(key=_part)
        wanted = range(min(_part(parts[0]), 1), _part(parts[-1]) + 1)
        if missing := sorted(set(wanted) - set(map(_part, parts))):
            raise ArchiveError(
                f"{folder / name}: part {', '.join(map(str, missing))} is missing; download it."
            )
    return whole + list(split.values())


def _part(path: Path) -> int:
    return int(path.suffix[1:])


def list_archive(parts: Sequence[Path], limits: Limits = LIMITS) -> dict[str, int]:
    """The files of an archive, {name with /: size in bytes}, after judging all of it.

    Raises:
        ArchiveError: it is hostile (see above), encrypted, damaged, or no archive.
    """
    packed = sum(path.stat().st_size for path in parts)
    found: dict[str, int] = {}
    total = 0
    with _opened(parts) as archive:
        for count, entry in enumerate(_entries(archive), 1):
            if entry.reason is None and not entry.folder and entry.name in found:
                entry = _Entry(entry.name, 0, 0, reason="is there twice")
            if entry.reason:
                raise _refusal(parts, f"{entry.name!r} {entry.reason}")
            total += entry.size
            if count > limits.entries:
                raise _refusal(parts, f"it has over {limits.entries:,} entries")
            if total > limits.bytes:
                raise _refusal(parts, f"it unpacks to over {limits.bytes:,} bytes")
            for what, big, small in (
                (repr(entry.name), entry.size, entry.packed),
                ("all of it", total, packed),
            ):
                if small is not None and big > limits.free and big > limits.ratio * small:
                    raise _refusal(parts, f"{what} unpacks {limits.ratio}-fold or more, a bomb")
            if not entry.folder:
                found[entry.name] = entry.size
    return found


def extract(parts: Sequence[Path], targets: Mapping[str, Path], limits: Limits = LIMITS) -> None:
    """Copy members to the given paths, each atomically; a target of the right size is kept.

    A zip member whose checksum is wrong is damaged: ArchiveError. So an interrupted extraction
    goes on where it was.

    Raises:
        ArchiveError: as in `list_archive`, or a member is missing or damaged.
        OSError: the disk is (or would be) full.
    """
    sizes = list_archive(parts, limits)
    if absent := [name for name in targets if name not in sizes]:
        raise ArchiveError(f"{parts[0]} holds no {absent[0]}.")
    todo = {
        name: path
        for name, path in targets.items()
        if not (path.exists() and path.stat().st_size == sizes[name])
    }
    if not todo:
        return
    folder = next(iter(todo.values())).parent
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(sizes[name] for name in todo)
    if (free := shutil.disk_usage(folder).free) < needed:
        raise OSError(
            f"{folder} has {free / 1e9:.1f} GB free, unpacking {parts[0].name} needs "
            f"{needed / 1e9:.1f} GB. Free some space, or choose another --out."
        )
    with _opened(parts) as archive:
        for entry in _entries(archive):
            if target := todo.get(entry.name):
                write_atomically(target, lambda out, e=entry: _copy(e, out, sizes[e.name]))


def _copy(entry: _Entry, out: Path, size: int) -> None:
    with entry.open() as source, open(out, "wb") as file:
        shutil.copyfileobj(source, file, 2**20)
        if file.tell() != size:
            raise EOFError(f"{entry.name} ends after {file.tell()} of {size} bytes")


def _refusal(parts: Sequence[Path], reason: str) -> ArchiveError:
    return ArchiveError(
        f"{parts[0]} is refused: {reason}. Download it again from its source; if you trust it, "
        "unpack it yourself and give the folder."
    )


@dataclass(frozen=True)
class _Entry:
    name: str
    size: int
    packed: int | None  # None: unknown, tar compresses all files together
    reason: str | None = None  # why it is refused
    folder: bool = False
    open: object = None  # () -> binary file


def _entries(archive: zipfile.ZipFile | tarfile.TarFile) -> Iterator[_Entry]:
    if isinstance(archive, zipfile.ZipFile):
        for info in archive.infolist():
            name = info.filename.replace("\\", "/")
            mode = info.external_attr >> 16
            reason = _bad_name(info.orig_filename.replace("\\", "/"))
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                reason = "is a link or a device"
            elif info.flag_bits & 1:
                reason = "is encrypted"
            yield _Entry(
                name,
                info.file_size,
                info.compress_size,
                reason,
                name.endswith("/"),
                lambda info=info: archive.open(info),
            )
    else:
        for info in archive:  # one by one, so that a bomb is judged before it is read through
            name = info.name.removeprefix("./")
            reason = None if info.isdir() and name in ("", ".") else _bad_name(name)
            if not (info.isreg() or info.isdir()) or info.issparse():
                reason = "is a link or a device"
            yield _Entry(
                name,
                info.size,
                None,
                reason,
                info.isdir(),
                lambda info=info: archive.extractfile(info),
            )


def _bad_name(name: str) -> str | None:
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "is an absolute path"
    if ".." in name.split("/"):
        return "leads out of the folder"
    if not name or any(ord(c) < 32 for c in name):
        return "is no file name"
    return None


@contextmanager
def _opened(parts: Sequence[Path]) -> Iterator[zipfile.ZipFile | tarfile.TarFile]:
    """The archive; whatever the readers raise on damaged files becomes an ArchiveError."""
    file: BinaryIO = open(parts[0], "rb") if len(parts) == 1 else io.BufferedReader(_Joined(parts))
    try:
        with file:
            if ZIP.search(parts[0].name):
                with zipfile.ZipFile(file) as archive:
                    yield archive
            else:
                with tarfile.open(fileobj=file) as archive:
                    yield archive
    except (ArchiveError, OSError) as error:
        if isinstance(error, ArchiveError) or error.errno is not None:  # a real one of the disk
            raise
        raise _damaged(parts, error) from error
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        raise _damaged(parts, error) from error


def _damaged(parts: Sequence[Path], error: Exception) -> ArchiveError:
    return ArchiveError(
        f"{', '.join(path.name for path in parts)} in {parts[0].parent} cannot be unpacked "
        f"({error}): truncated, damaged or a part is missing. Download it again."
    )


class _Joined(io.RawIOBase):
    """The parts of a split file as one, seekable and without copying them together."""

    def __init__(self, parts: Sequence[Path]):
        self.files = [open(path, "rb") for path in parts]
        self.starts = list(accumulate((p.stat().st_size for p in parts), initial=0))
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + (0, self.at, self.starts[-1])[whence]
        return self.at

    def readinto(self, buffer) -> int:
        if self.at >= self.starts[-1]:
            return 0
        i = bisect_right(self.starts, self.at) - 1
        self.files[i].seek(self.at - self.starts[i])
        count = self.files[i].readinto(buffer)
        self.at += count
        return count

    def close(self) -> None:
        for file in self.files:
            file.close()
        super().close()
