"""Archives from strangers: read where they are honest, refused as a whole where they are not."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile

import pytest
from prepare.archives import ArchiveError, extract, find_archives, list_archive

FILES = {"a/1.png": b"one", "a/b/2.png": os.urandom(5000), "list.txt": b"x y\n"}


def zipped(files=FILES, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(files=FILES, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def put(path, content):
    path.write_bytes(content)
    return path


def targets(folder, names=FILES):
    return {name: folder / str(i) for i, name in enumerate(names)}


@pytest.mark.parametrize(
    "name, content",
    [
        ("x.zip", zipped()),
        ("x.tar.gz", tarred()),
        ("x.tgz", tarred()),
        ("x.tar", tarred(mode="w")),
        ("x.tar.xz", tarred(mode="w:xz")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_honest_archives_come_out_as_they_went_in(tmp_path, name, content):
    (parts,) = find_archives(put(tmp_path / name, content).parent)
    assert list_archive(parts) == {name: len(content) for name, content in FILES.items()}
    paths = targets(tmp_path / "out")
    extract(parts, paths)
    assert {name: path.read_bytes() for name, path in paths.items()} == FILES
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0", "1", "2"]


def test_only_what_is_asked_for_is_unpacked_and_only_once(tmp_path):
    parts = [put(tmp_path / "x.zip", zipped())]
    target = tmp_path / "out" / "one"
    extract(parts, {"a/1.png": target})
    assert [p.name for p in target.parent.iterdir()] == ["one"]
    before = target.stat()
    extract(parts, {"a/1.png": target})
    assert target.stat() == before
    target.write_bytes(b"o")  # of another size: not what belongs here
    extract(parts, {"a/1.png": target})
    assert target.read_bytes() == b"one"


@pytest.mark.parametrize("first", [0, 1])
def test_split_zip_needs_no_joining_and_every_part(tmp_path, first):
    whole = zipped()
    size = len(whole) // 11 + 1  # 11 parts: .10 must come after .9
    for i in range(11):
        (tmp_path / f"x.zip.{i + first:02d}").write_bytes(whole[i * size : (i + 1) * size])
    (parts,) = find_archives(tmp_path)
    paths = targets(tmp_path / "out")
    extract(parts, paths)
    assert {name: path.read_bytes() for name, path in paths.items()} == FILES

    last = parts[-1].read_bytes()
    parts[-1].unlink()  # nobody can know how many parts there should be: the zip does
    with pytest.raises(ArchiveError, match="part is missing"):
        list_archive(find_archives(tmp_path)[0])
    parts[-1].write_bytes(last)
    parts[4].unlink()
    with pytest.raises(ArchiveError, match=f"part {4 + first} is missing"):
        find_archives(tmp_path)


BOTH = [("x.zip", zipped), ("x.tar.gz", tarred)]
HOSTILE_NAMES = (
    "../evil.png",
    "a/../../evil.png",
    "..\\evil.png",
    "/etc/evil.png",
    "C:/evil.png",
    "a/e\nvil.png",
)


@pytest.mark.parametrize("file, make", BOTH)
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_names_that_lead_elsewhere_are_refused_before_anything_is_written(
    tmp_path, file, make, name
):
    parts = [put(tmp_path / file, make({"good.png": b"x", name: b"evil"}))]
    with pytest.raises(ArchiveError, match="leads out of the folder or is no file name"):
        extract(parts, {"good.png": tmp_path / "out" / "good"})
    assert [p.name for p in tmp_path.rglob("*")] == [file]


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "../../x"},
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.BLKTYPE},
        {"type": tarfile.FIFOTYPE},
    ],
)
def test_links_and_devices_in_tar_are_refused(tmp_path, attributes):
    info = tarfile.TarInfo("a/thing.png")
    for key, value in attributes.items():
        setattr(info, key, value)
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.addfile(info)
    with pytest.raises(ArchiveError, match="link or a device"):
        list_archive([tmp_path / "x.tar"])


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_zip_are_refused(tmp_path, kind):
    info = zipfile.ZipInfo("a/thing.png")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ArchiveError, match="link or a device"):
        list_archive([tmp_path / "x.zip"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.png", "seen by the check")
        archive.writestr("a.png", "unpacked afterwards")
    with pytest.raises(ArchiveError, match="twice"):
        list_archive([tmp_path / "x.zip"])


@pytest.mark.parametrize("name, make", BOTH)
@pytest.mark.parametrize(
    "files",
    [{"zeros.png": bytes(4_000_000)}, {f"{i}.png": bytes(500_000) for i in range(8)}],
    ids=["one", "many small ones together"],
)
def test_bombs_are_refused(tmp_path, monkeypatch, name, make, files):
    path = put(tmp_path / name, make(files))
    with pytest.raises(ArchiveError, match="a bomb"):
        list_archive([path])
    monkeypatch.setattr("prepare.archives.RATIO", 10**6)  # the ratio was the reason
    assert list_archive([path]) == {name: len(content) for name, content in files.items()}


def test_a_tar_bomb_is_not_read_to_its_end(tmp_path):
    """A header that announces a petabyte is judged when it is read."""
    info = tarfile.TarInfo("huge.png")
    info.size = 2**50
    (tmp_path / "x.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ArchiveError, match="a bomb"):
        list_archive([tmp_path / "x.tar"])


@pytest.mark.parametrize("name, make", BOTH)
def test_truncated_and_foreign_files_are_named(tmp_path, name, make):
    path, content = tmp_path / name, make()
    for broken in (content[: len(content) // 2], b"<html>404</html>", b""):
        path.write_bytes(broken)
        with pytest.raises(ArchiveError, match=f"{name} .*(truncated|bomb)"):
            list_archive([path])


def test_a_zip_member_with_a_wrong_checksum_is_damage_and_leaves_no_file(tmp_path):
    content = zipped(method=zipfile.ZIP_STORED)
    path = put(tmp_path / "x.zip", content.replace(b"one", b"two", 1))
    with pytest.raises(ArchiveError, match="CRC"):
        extract([path], {"a/1.png": tmp_path / "out"})
    assert not (tmp_path / "out").exists()


def test_encrypted_zip_is_named(tmp_path):
    content = bytearray(zipped())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        content[at + offset] |= 1
    with pytest.raises(ArchiveError, match="encrypted"):
        list_archive([put(tmp_path / "x.zip", content)])


def test_archives_that_python_cannot_read_are_named(tmp_path):
    (tmp_path / "rain.rar").write_bytes(b"Rar!")
    with pytest.raises(ArchiveError, match=r"rain\.rar.*unpack it"):
        find_archives(tmp_path)


def test_no_room_is_told_before_unpacking(tmp_path, monkeypatch):
    parts = [put(tmp_path / "x.zip", zipped())]
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match="GB free"):
        extract(parts, targets(tmp_path / "out"))
    assert not list((tmp_path / "out").iterdir())
