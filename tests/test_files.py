"""write_atomically: the target holds the old content or the new one, never anything else."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from cclgan_lite.files import write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def half_written(error: BaseException):
    def write(path: Path) -> None:
        path.write_text("half")
        raise error

    return write


def test_writes_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "deep" / "er" / "a.txt"
    for content in ("one", "two"):
        write_atomically(path, lambda out, content=content: out.write_text(content))
        assert path.read_text() == content
    assert names(path.parent) == ["a.txt"]


def test_temporary_file_is_a_hidden_neighbour_with_the_same_suffix(tmp_path):
    seen = []
    write_atomically(tmp_path / "a.npy", lambda out: (seen.append(out), out.touch()))
    assert seen[0].parent == tmp_path and seen[0].suffix == ".npy" and seen[0].name[0] == "."


def test_others_may_read_it_as_any_new_file(tmp_path):
    (tmp_path / "ordinary").touch()
    write_atomically(tmp_path / "atomic", lambda out: out.touch())
    modes = [os.stat(tmp_path / name).st_mode for name in ("ordinary", "atomic")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt()])
def test_failure_keeps_the_old_file_and_leaves_no_other(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)):
        write_atomically(path, half_written(error))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_named(tmp_path, code):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(OSError, match="disk is full.*a.txt.*Nothing already there was lost"):
        write_atomically(path, half_written(OSError(code, "full")))
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_full_disk_is_recognised_without_its_errno(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 100, 0))
    with pytest.raises(OSError, match="disk is full") as caught:
        write_atomically(tmp_path / "a.pt", half_written(RuntimeError("unexpected pos 64")))
    assert caught.value.errno == errno.ENOSPC


def test_other_os_errors_pass_through(tmp_path):
    with pytest.raises(PermissionError):
        write_atomically(tmp_path / "a", half_written(PermissionError(errno.EACCES, "no")))
