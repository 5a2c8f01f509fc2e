"""The lessons as tests see them: what they build, and the solutions of their exercises."""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

_spec = importlib.util.spec_from_file_location("notebook_tool", NOTEBOOKS / "lessons.py")
lessons = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(lessons)


@lru_cache
def notebook(number: str):
    (path,) = lessons.lessons(number)
    return lessons.read(path)


def built(number: str) -> dict[str, Any]:
    """The names that a lesson builds: its cells with the tag `build`, run in a fresh namespace."""
    namespace: dict[str, Any] = {}
    for cell in lessons.tagged(notebook(number), "build"):
        exec(compile(cell.source, f"lesson {number}", "exec", dont_inherit=True), namespace)
    return namespace


def solution(number: str, name: str) -> str:
    """The source of the folded solution that defines `name`."""
    cells = [cell.source for cell in notebook(number).cells if cell.cell_type == "markdown"]
    blocks = [b for text in cells for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
    found = [b for b in blocks if re.search(rf"^(def|class) {name}\b|^{name} =", b, re.MULTILINE)]
    assert len(found) == 1, f"lesson {number} has {len(found)} solutions of {name}"
    return found[0]


def answer(number: str, name: str, *replacements: tuple[str, str]) -> Any:
    """`name` as its solution defines it, after (old, new) replacements in the source."""
    source = solution(number, name)
    for old, new in replacements:
        assert old in source, f"{old!r} is not in the solution of {name}"
        source = source.replace(old, new)
    namespace = built(number)
    exec(compile(source, f"solution of {name}", "exec", dont_inherit=True), namespace)
    return namespace[name]


def stub(number: str, name: str) -> Any:
    """`name` as the student finds it."""
    (cell,) = [
        cell
        for cell in lessons.tagged(notebook(number), "exercise")
        if re.search(rf"^(def|class) {name}\b|^{name} =", cell.source, re.MULTILINE)
    ]
    namespace = built(number)
    exec(compile(cell.source, f"stub of {name}", "exec", dont_inherit=True), namespace)
    return namespace[name]
