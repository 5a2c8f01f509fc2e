"""What the user downloaded, as one list of files: unpacked folders and archives alike.

Only the files that a preparation asks for are unpacked, once, into a work folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath

from cclgan_lite.data.images import IMAGE_SUFFIXES, ImageError
from cclgan_lite.data.prepare.archives import TAR, ZIP, extract, find_archives, list_archive


@dataclass
class Tree:
    """The files under a folder and in its archives.

    Attributes:
        files: name to where it is, a Path or (number of the archive, member). A name is the path
            with `/`; that of an archived file begins with the archive's own name.
        archives: the parts of each archive.
        work: where archived files are unpacked to.
        unpacked: what lies there by now.
    """

    source: Path
    work: Path
    files: dict[str, Path | tuple[int, str]] = field(default_factory=dict)
    archives: list[list[Path]] = field(default_factory=list)
    unpacked: set[Path] = field(default_factory=set)

    @classmethod
    def read(cls, source: str | Path, work: Path) -> Tree:
        """List pictures and .txt files. ArchiveError, ImageError (nothing there)."""
        source = Path(source).absolute()
        if not source.exists():
            raise ImageError(
                f"There is no {source}: --source is an archive, or the folder with "
                "the archives or with what you unpacked from them."
            )
        tree = cls(source, work, archives=find_archives(source))
        for folder, folders, names in os.walk(source, followlinks=True):  # links of the user
            folders[:] = [f for f in folders if _visible(f)]
            for path in (Path(folder, name) for name in names):
                tree._add(path.relative_to(source).as_posix(), path)
        for number, parts in enumerate(tree.archives):
            stem = TAR.sub("", ZIP.sub("", parts[0].name))
            for member in list_archive(parts):
                tree._add(f"{stem}/{member}", (number, member))
        if not tree.pictures():
            raise ImageError(f"{source} holds neither pictures nor archives (.zip, .tar) of them.")
        return tree

    def _add(self, name: str, place: Path | tuple[int, str]) -> None:
        path = PurePosixPath(name)
        if path.suffix.lower() in IMAGE_SUFFIXES | {".txt"} and all(map(_visible, path.parts)):
            self.files[name] = place

    def pictures(self) -> list[str]:
        """The names of the pictures."""
        return [name for name in self.files if not name.lower().endswith(".txt")]

    def fetch(self, names: Iterable[str]) -> dict[str, Path]:
        """Where the files lie on disk; archived ones are unpacked first, if they are not yet."""
        paths, wanted = {}, {}
        for name in names:
            place = self.files[name]
            if isinstance(place, tuple):
                number, member = place
                safe = sha256(name.encode()).hexdigest()[:32] + PurePosixPath(name).suffix.lower()
                place = self.work / safe
                if place not in self.unpacked:
                    wanted.setdefault(number, {})[member] = place
            paths[name] = place
        for number, targets in wanted.items():
            extract(self.archives[number], targets)
            self.unpacked.update(targets.values())
        return paths


def _visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"
