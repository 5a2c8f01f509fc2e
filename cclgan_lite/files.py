"""Writing files so that a crash, Ctrl-C or a full disk never costs what was there before."""

from __future__ import annotations

import errno
import json
import os
import shutil
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
    temporary = path.with_name(f".{uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # the content must be on the disk before the name is
        os.replace(temporary, path)
    except BaseException as error:
        full = isinstance(error, Exception) and _disk_full(path.parent, error)
        temporary.unlink(missing_ok=True)
        if full:
            raise _no_space(path) from error
        raise


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
