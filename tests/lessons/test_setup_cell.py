"""The set-up cell, the same in every lesson, in an environment without the package."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version

import pytest

from lessons.lesson import lessons

CELL = lessons.SETUP.format(repository=lessons.REPOSITORY)
COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n"
# Stands in for pip: notes what it was asked and installs an empty package.
PIP = """import json, pathlib, sys
pathlib.Path("asked.json").write_text(json.dumps(sys.argv[1:]))
pathlib.Path("cclgan_lite.py").write_text("here = True")
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python with all libraries but without cclgan_lite.

    A path file adds the folder of this environment's libraries, but path files inside that folder
    are not followed, and so the editable installation is not there.
    """
    root = tmp_path_factory.mktemp("bare")
    venv.create(root, with_pip=False)
    config = {"base": str(root), "platbase": str(root)}
    libraries = sysconfig.get_path("purelib", "venv", config)
    with open(f"{libraries}/libraries.pth", "w") as file:
        file.write(sysconfig.get_path("purelib"))
    return sysconfig.get_path("scripts", "venv", config) + "/python"


def run(python, code, folder):
    return subprocess.run([python, "-c", code], cwd=folder, capture_output=True, text=True)


def test_outside_colab_it_says_what_to_do(python, tmp_path):
    done = run(python, CELL, tmp_path)
    assert done.returncode != 0
    assert "cclgan_lite is not installed in this kernel: see Start in README.md" in done.stderr


def test_in_colab_it_installs_and_keeps_torch(python, tmp_path):
    (tmp_path / "pip.py").write_text(PIP)
    done = run(python, COLAB + CELL + "\nimport cclgan_lite; assert cclgan_lite.here", tmp_path)
    assert done.stdout.endswith("cclgan_lite is ready\n"), done.stderr
    asked = (tmp_path / "asked.json").read_text()
    assert f"git+{lessons.REPOSITORY}" in asked and '"-c", "kept.txt"' in asked
    assert f"torch=={version('torch')}\n" in (tmp_path / "kept.txt").read_text()


def test_in_colab_a_clone_beside_the_notebook_is_no_package(python, tmp_path):
    (tmp_path / "pip.py").write_text(PIP)
    (tmp_path / "cclgan_lite/notebooks").mkdir(parents=True)
    done = run(python, COLAB + CELL + "\nimport cclgan_lite; assert cclgan_lite.here", tmp_path)
    assert done.stdout.endswith("cclgan_lite is ready\n"), done.stderr
    assert '"cclgan_lite @ git+' in (tmp_path / "asked.json").read_text()


def test_what_else_the_lessons_need_is_named(tmp_path):
    hidden = "import sys; sys.modules['ipywidgets'] = None\n"
    done = run(sys.executable, hidden + CELL, tmp_path)
    assert "ipywidgets is not installed in this kernel: see Start" in done.stderr


@pytest.mark.parametrize("start", ["", COLAB])
def test_where_the_package_is_nothing_is_installed(start, tmp_path):
    (tmp_path / "pip.py").write_text("raise SystemExit('pip was called')")
    done = run(sys.executable, start + CELL, tmp_path)
    assert done.stdout == "cclgan_lite is ready\n", done.stderr
    assert not (tmp_path / "kept.txt").exists()
