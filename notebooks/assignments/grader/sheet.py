"""A problem set: a folder with sheet.md, questions.py and answers.py.

sheet.md is Jupytext's Markdown. Cells for nbgrader say what they are in their first line:

    ```python kind="answer" task="square"       what students write, with ### BEGIN SOLUTION
    ```python kind="check" task="square"        the visible check; points are those of answers.py
    <!-- #region kind="manual" task="why" -->   a free text, graded by hand, with a model answer

In the text {square} becomes the points of a task, {square.parts} those of its properties, {total}
the sum, {graded} what graded.md says to all students. All other code is locked: it is ours again
when a submission is graded.
"""

from __future__ import annotations

import importlib.util
import re
from functools import cached_property, lru_cache
from pathlib import Path
from types import ModuleType

import jupytext
from nbformat import NotebookNode

HERE = Path(__file__).parents[1]
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


class Sheet:
    """A problem set by its name, the folder's."""

    def __init__(self, name: str):
        self.name, self.folder = name, HERE / name

    @cached_property
    def questions(self) -> ModuleType:
        return _module(self.folder / "questions.py")

    @cached_property
    def tasks(self) -> dict:
        """{task: Task or Choice}, in the order of the sheet."""
        return _module(self.folder / "answers.py").TASKS

    @cached_property
    def manual(self) -> dict[str, float]:
        """{free text: points}."""
        return _module(self.folder / "answers.py").MANUAL

    def notebook(self) -> NotebookNode:
        """The source for nbgrader, with solutions."""
        nb = jupytext.read(self.folder / "sheet.md")
        nb.metadata = NotebookNode(kernelspec=KERNEL, language_info={"name": "python"})
        for number, cell in enumerate(nb.cells):
            kind, task = cell.metadata.get("kind"), cell.metadata.get("task")
            mark = {"schema_version": 3, "grade_id": task or f"given-{number}", "task": False}
            mark |= {"grade": False, "solution": False, "locked": True}
            if kind == "answer":
                mark |= {"solution": True, "locked": False}
            elif kind == "check":
                mark |= {"grade": True, "grade_id": check_id(task), "points": self.worth(task)}
            elif kind == "manual":
                mark |= {"grade": True, "solution": True, "locked": False}
                mark |= {"points": self.manual[task]}
            if cell.cell_type == "markdown":
                cell.source = re.sub(r"\{(\w+)(\.parts)?\}", self._points, cell.source)
            cell.metadata = NotebookNode(nbgrader=NotebookNode(mark))
            cell.id = mark["grade_id"].replace("_", "-")
        return nb

    def worth(self, task: str) -> float:
        return sum(self.tasks[task].parts.values())

    def total(self) -> float:
        return sum(map(self.worth, self.tasks)) + sum(self.manual.values())

    def _points(self, found: re.Match) -> str:
        """What stands for {task}, {task.parts}, {total} or {graded} in the text."""
        name, parts = found.groups()
        if parts:
            return ", ".join(f"{k} {v:g}" for k, v in self.tasks[name].parts.items())
        if name == "graded":
            return (HERE / "graded.md").read_text().strip()
        if name == "total":
            return f"{self.total():g}"
        points = self.manual.get(name) or (self.worth(name) if name in self.tasks else None)
        return found[0] if points is None else f"{points:g}"

    @cached_property
    def imports(self) -> str:
        """The set-up cell, the first one with code."""
        return next(cell.source for cell in self.notebook().cells if cell.cell_type == "code")

    def solution(self, task: str) -> str:
        """The source of the cell that answers a task, as published to nobody."""
        (cell,) = [
            c
            for c in jupytext.read(self.folder / "sheet.md").cells
            if c.metadata.get("kind") in ("answer", "manual") and c.metadata["task"] == task
        ]
        return re.sub(r"^ *### (BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.MULTILINE)


def check_id(task: str) -> str:
    """The grade_id of a task's check cell."""
    return f"{task}-points"


@lru_cache
def sheet(name: str) -> Sheet:
    return Sheet(name)


def sheets() -> list[str]:
    """The names of all problem sets."""
    return sorted(path.parent.name for path in HERE.glob("*/sheet.md"))


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
