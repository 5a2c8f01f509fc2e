"""Writing files so that a crash, Ctrl-C or a full disk never costs what was there before."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path
from typing import Any
from uuid import uuid4


def write_atomically(path: str | Path, write: Callable[[Path], None]) -> None:
    """Let `write(temporary)` make a file, then move it to `path` in one step.

    The temporary file is a hidden neighbour of `path` with the same suffix, so the move stays
    within one file system; missing parent folders are made. Whatever goes wrong, `path` holds
    either its old content or the complete new one, and the temporary file is removed.

    Raises:
        OSError: with the file's name and a remedy, if the disk is full; anything else that
            `write` raises passes through.
    """
    path = Path(path)
    # A short name: paths end at 260 characters on Windows.
    temporary = path.with_name(f".{uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # the content must be on the disk before the name is
        _replace(temporary, path)
    except BaseException as error:
        full = isinstance(error, Exception) and _disk_full(path.parent, error)
        temporary.unlink(missing_ok=True)
        if full:
            raise _no_space(path) from error
        raise


def _replace(temporary: Path, path: Path) -> None:
    """os.replace, which Windows refuses while a viewer or virus scanner looks at the old file."""
    for waited in (0.1, 0.2, 0.4, 0.8):
        try:
            return os.replace(temporary, path)
        except PermissionError:
            time.sleep(waited)
    os.replace(temporary, path)


def ignores_case(folder: Path) -> bool:
    """Whether a.png and A.png are one file there, as on Windows and macOS."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    other = there.with_name(there.name.swapcase())
    return other != there and other.exists() and other.samefile(there)


def identity(path: Path) -> tuple[int, int]:
    """The same for all names of one file or folder, however they are spelled."""
    found = path.stat()
    return found.st_dev, found.st_ino


def refuse_unwritable(*paths: str | Path | None, folder: bool = False) -> None:
    """Raise OSError where a file, or files in a `folder`, could not be written."""
    for path in (Path(path).absolute() for path in paths if path is not None):
        if path.exists() and path.is_dir() is not folder:
            found, wanted = ("file", "folder") if folder else ("folder", "file")
            raise OSError(f"{path} is a {found}; name a {wanted} to write")
        there = path if folder else path.parent
        while not there.exists():
            there = there.parent
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise OSError(f"{path} cannot be written: {there} is no folder that may be written to")


def append(path: Path, text: str) -> None:
    """Add `text` to a file; a full disk is told as in `write_atomically`."""
    try:
        with open(path, "a") as file:
            file.write(text)
    except OSError as error:
        if _disk_full(path.parent, error):
            raise _no_space(path) from error
        raise


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; errors as in `write_atomically`."""
    text = json.dumps(value, indent=2) + "\n"
    write_atomically(path, lambda out: out.write_text(text))


def sha256_of(path: str | Path) -> str:
    """The checksum of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _no_space(path: Path) -> OSError:
    return OSError(
        errno.ENOSPC,
        f"The disk is full, {path} was not written. Nothing already there was lost; "
        "free some space and run the command again",
    )


def _disk_full(folder: Path, error: Exception) -> bool:
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return True
    # torch.save reports a full disk without its errno: look at the disk itself.
    return folder.is_dir() and shutil.disk_usage(folder).free < 2**20
