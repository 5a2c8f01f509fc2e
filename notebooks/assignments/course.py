"""A course from release to feedback. Each command prints the nbgrader commands that it is made of.

    python course.py build                  sheets -> source/ -> release/, solutions taken out
    python course.py roster students.csv    id, first_name, last_name, email
    python course.py release ps1            handout/ps1/STUDENT.zip, one for each student
    python course.py collect ps1 UPLOADS    zips or notebooks named by student -> submitted/
    python course.py grade ps1              points and hints; code runs in a sandbox
    python course.py formgrade              JupyterLab, where free texts are graded by hand
    python course.py export grades.csv      points of all students, for an LMS
    python course.py feedback ps1           returned/ps1/STUDENT.html

Everything lies in one folder, `--course` or CCLGAN_COURSE; without either, runs/course.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from grader.sheet import sheet, sheets  # noqa: E402

LARGEST = 50_000_000  # bytes of an upload, unpacked


def nbgrader(*words: str) -> int:
    print("$ nbgrader", *words, flush=True)
    return subprocess.call([sys.executable, "-m", "nbgrader", *words], cwd=HERE)


def build(course: Path, names: list[str]) -> int:
    for name in names:
        folder = course / "source" / name
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(sheet(name).notebook(), folder / f"{name}.ipynb")
    return max(nbgrader("generate_assignment", name, "--force") for name in names)


def release(course: Path, name: str) -> int:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db", "cclgan") as gradebook:
        students = [student.id for student in gradebook.students]
    if not students:
        sys.exit("nobody is on the roster: python course.py roster students.csv")
    folder = course / "handout" / name
    folder.mkdir(parents=True, exist_ok=True)
    for student in students:
        nb = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
        nb.metadata["cclgan_lite"] = {"student": student}
        with zipfile.ZipFile(folder / f"{student}.zip", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(f"{name}.ipynb", nbformat.writes(nb))
    print(f"{len(students)} zips in {folder}")
    return 0


def collect(course: Path, name: str, uploads: Path) -> int:
    """nbgrader's zip_collect, after a look at what was uploaded."""
    archive = course / "downloaded" / name / "archive"
    shutil.rmtree(archive, ignore_errors=True)
    shutil.copytree(uploads, archive)
    for path in [path for path in archive.rglob("*") if path.is_file()]:
        if problem := unfit(path):
            print(f"left out, ask for another: {path.name}: {problem}")
            path.unlink()
    if code := nbgrader("zip_collect", name, "--force"):
        return code
    for path in sorted((course / "submitted").glob(f"*/{name}/{name}.ipynb")):
        owner = _stamp(path)
        if owner != path.parts[-3]:
            print(f"look at this: {path.parts[-3]} handed in a notebook given to {owner}")
    return 0


def unfit(path: Path) -> str | None:
    """Why an upload cannot be graded."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as file:
                if sum(info.file_size for info in file.infolist()) > LARGEST:
                    return f"over {LARGEST // 10**6} MB unpacked"
                for info in file.infolist():
                    if info.filename.endswith(".ipynb"):
                        nbformat.reads(file.read(info).decode(), as_version=4)
        elif path.suffix == ".ipynb":
            nbformat.read(path, as_version=4)
    except Exception as error:  # whatever a broken file makes its reader raise
        return f"{type(error).__name__}: {error}"[:200]
    return None


def _stamp(path: Path) -> str | None:
    return nbformat.read(path, as_version=4).metadata.get("cclgan_lite", {}).get("student")


def feedback(course: Path, name: str) -> int:
    code = nbgrader("generate_feedback", name, "--force")
    folder = course / "returned" / name
    folder.mkdir(parents=True, exist_ok=True)
    for page in (course / "feedback").glob(f"*/{name}/{name}.html"):
        shutil.copy(page, folder / f"{page.parts[-3]}.html")
    return code


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    root = os.environ.get("CCLGAN_COURSE", HERE.parents[1] / "runs" / "course")
    parser.add_argument("--course", type=Path, default=root, help="folder (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build").add_argument("names", nargs="*", metavar="NAME")
    commands.add_parser("roster").add_argument("file", type=Path)
    for command in ("release", "grade", "feedback", "collect"):
        arguments = commands.add_parser(command)
        arguments.add_argument("name", choices=sheets())
    arguments.add_argument("uploads", type=Path)
    commands.add_parser("formgrade")
    commands.add_parser("export").add_argument("file", type=Path)
    asked, more = parser.parse_known_args()
    course = Path(asked.course).resolve()
    course.mkdir(parents=True, exist_ok=True)
    os.environ["CCLGAN_COURSE"] = str(course)
    os.environ["PATH"] = (
        f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # alembic
    )
    match asked.command:
        case "build":
            return build(course, asked.names or sheets())
        case "roster":
            return nbgrader("db", "student", "import", str(asked.file.resolve()))
        case "release":
            return release(course, asked.name)
        case "collect":
            return collect(course, asked.name, asked.uploads)
        case "grade":
            return nbgrader("autograde", asked.name, "--force", *more)
        case "formgrade":
            return subprocess.call([sys.executable, "-m", "jupyter", "lab"], cwd=HERE)
        case "export":
            return nbgrader("export", "--to", str(asked.file.resolve()))
        case "feedback":
            return feedback(course, asked.name)


if __name__ == "__main__":
    sys.exit(main())
