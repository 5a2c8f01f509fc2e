"""The assignments as tests see them: the grader on the path, and made submissions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat

ASSIGNMENTS = Path(__file__).parents[2] / "notebooks" / "assignments"
sys.path.insert(0, str(ASSIGNMENTS))


def command(folder: Path, *words: str) -> str:
    """What `course.py` printed; raises AssertionError where it failed."""
    done = subprocess.run(
        [sys.executable, str(ASSIGNMENTS / "course.py"), "--course", str(folder), *words],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ASSIGNMENTS.parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def cell(nb, grade_id: str):
    (found,) = [c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id]
    return found


def solved(sheet, released):
    """The released notebook with all solutions filled in, as a student would."""
    nb = nbformat.from_dict(released.copy())
    for task in [*sheet.tasks, *sheet.manual]:
        cell(nb, task).source = sheet.solution(task)
    return nb
