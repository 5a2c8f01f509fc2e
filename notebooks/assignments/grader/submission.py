"""What a student handed in, whatever became of the notebook on the way."""

from __future__ import annotations

import ast
import copy
import re
import symtable
from collections import defaultdict

from nbformat import NotebookNode


def grade_id(cell: NotebookNode) -> str | None:
    mark = cell.metadata.get("nbgrader")
    return mark.get("grade_id") if isinstance(mark, dict) else None


def is_answer(cell: NotebookNode) -> bool:
    return cell.metadata.get("nbgrader", {}).get("solution", False)


def restored(theirs: NotebookNode, ours: NotebookNode) -> NotebookNode:
    """Our released notebook with the student's answers in it, and their own cells between.

    Answers are found by grade_id, so that cells may have been moved. Of several copies the last
    that was changed counts. What was deleted is there again, what was tampered with is ours.
    """
    known = {grade_id(cell) for cell in ours.cells}
    answers, extra, place = defaultdict(list), defaultdict(list), None
    for cell in theirs.cells:
        name = grade_id(cell)
        if name in known:
            answers[name].append(cell.source)
            place = name
        elif cell.cell_type in ("code", "markdown") and cell.source.strip():
            new = copy.deepcopy(cell)
            new.metadata = NotebookNode()
            extra[place].append(new)
    whole, cells = copy.deepcopy(ours), [*extra[None]]
    for cell in whole.cells:
        if is_answer(cell):
            changed = [text for text in answers[grade_id(cell)] if text != cell.source]
            cell.source = changed[-1] if changed else cell.source
        cells += [cell, *extra[grade_id(cell)]]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    whole.cells = cells
    return whole


def statements(nb: NotebookNode) -> list[ast.stmt]:
    """The top-level statements of all code cells that Python can read, in order."""
    found = []
    for cell in nb.cells:
        if cell.cell_type == "code":
            text = re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE)
            try:
                found += ast.parse(text).body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
    return found


def taken_out(nb: NotebookNode, name: str) -> str | None:
    """The code that defines `name`: its last definition and, in order, what that one needs.

    None of the rest of the notebook is in it, so that it works where the notebook is broken.
    None where `name` is defined nowhere.
    """
    lines = statements(nb)
    bound = defaultdict(list)  # name -> numbers of the statements that give it a value
    for number, line in enumerate(lines):
        for word in _binds(line):
            bound[word].append(number)
    if name not in bound:
        return None
    needed, open_words = set(), {name}
    while open_words:
        word = open_words.pop()
        numbers = bound[word][-1:] if word == name or _defines(lines, bound[word]) else bound[word]
        for number in set(numbers) - needed:
            needed.add(number)
            open_words |= _words(lines[number]) & set(bound)
    return ast.unparse(ast.Module([lines[number] for number in sorted(needed)], []))


def literal(nb: NotebookNode, name: str) -> dict:
    """The last literal that the notebook assigns to `name`, read without running anything."""
    value = {}
    for line in statements(nb):
        if isinstance(line, ast.Assign) and name in _binds(line):
            try:
                value = ast.literal_eval(line.value)
            except (ValueError, TypeError, MemoryError, RecursionError):
                continue
    return value if isinstance(value, dict) else {}


def _defines(lines, numbers) -> bool:
    return bool(numbers) and isinstance(lines[numbers[-1]], ast.FunctionDef | ast.ClassDef)


def _binds(line: ast.stmt) -> set[str]:
    """The names that a statement gives a value to; functions are not looked into."""
    if isinstance(line, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {line.name}
    if isinstance(line, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in line.names}
    names = set()
    for node in ast.iter_child_nodes(line):
        if isinstance(node, ast.stmt):
            names |= _binds(node)
        else:
            names |= {
                n.id
                for n in ast.walk(node)
                if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
    return names


def _words(line: ast.stmt) -> set[str]:
    """The global names that a statement looks up, also from within its functions."""

    def looked_up(table: symtable.SymbolTable) -> set[str]:
        top = table.get_type() == "module"
        own = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
        mine = {n for n in own if top or table.lookup(n).is_global()}
        return mine.union(*map(looked_up, table.get_children()))

    return looked_up(symtable.symtable(ast.unparse(line), "<answer>", "exec"))
