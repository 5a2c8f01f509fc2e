"""A student's answers are found whatever became of the notebook."""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.assignments import course  # noqa: F401  (puts the grader on the path)

from grader.submission import grade_id, literal, restored, taken_out  # isort: skip


def marked(source, name, solution=False, kind=new_code_cell):
    mark = {"grade_id": name, "solution": solution, "grade": False, "locked": not solution}
    return kind(source, metadata={"nbgrader": mark})


def ours():
    cells = [marked("import math", "setup"), marked("...", "f", True), marked("f(1)", "f-points")]
    return new_notebook(cells=[*cells, marked("text", "why", True, new_markdown_cell)])


def sources(nb):
    return [cell.source for cell in nb.cells]


def test_moved_deleted_duplicated_and_tampered_cells():
    theirs = new_notebook(
        cells=[
            marked("because", "why", True, new_markdown_cell),
            new_code_cell("helper = 1"),
            marked("def f(x): return 1", "f", True),
            marked("def f(x): return 2", "f", True),
            marked("...", "f", True),
            marked("print('easy')", "f-points"),
        ]
    )
    whole = restored(theirs, ours())
    assert sources(whole) == ["import math", "def f(x): return 2", "f(1)", "because", "helper = 1"]
    assert [grade_id(c) for c in whole.cells] == ["setup", "f", "f-points", "why", None]
    nbformat.validate(whole)


def test_metadata_that_is_no_metadata():
    strange = new_code_cell("1")
    strange.metadata["nbgrader"] = "yes"
    assert sources(restored(new_notebook(cells=[strange]), ours()))[0] == "1"


def notebook(*cells):
    return new_notebook(cells=[new_code_cell(text) for text in cells])


def run(code, name):
    namespace = {}
    exec(code, namespace)
    return namespace[name]


def test_a_function_is_taken_out_of_a_broken_notebook():
    nb = notebook(
        "%matplotlib inline\nimport math as m",
        "while True: pass",
        "K = 2\nunused = 1 / 0",
        "def helper(x):\n    return K * x",
        "def f(x:\n",
        "def f(x):\n    return m.sqrt(helper(x))",
        "raise SystemExit",
    )
    code = taken_out(nb, "f")
    assert run(code, "f")(8) == 4
    assert "unused" not in code and "while" not in code and "raise" not in code


def test_a_local_name_does_not_drag_in_a_global_one():
    nb = notebook(
        "for groups in range(3):\n    print(groups)", "def f(groups):\n    return groups"
    )
    assert "print" not in taken_out(nb, "f")


def test_the_last_definition_counts():
    nb = notebook("def f(): return 1", "def g(): return f()", "def f(): return 2")
    assert run(taken_out(nb, "g"), "g")() == 2
    assert taken_out(nb, "h") is None


def test_names_bound_by_statements_of_all_kinds():
    nb = notebook(
        "try:\n    import math\nexcept ImportError:\n    math = None",
        "a, (b, *c) = 1, (2, 3)\nb += 1",
        "for i in range(3):\n    last = i",
        "class Base:\n    pass\nclass Own(Base):\n    x = math.pi",
        "def f():\n    return a, b, c, last, Own.x > 3",
    )
    assert run(taken_out(nb, "f"), "f")() == (1, 3, [3], 2, True)


def test_a_literal_is_read_and_nothing_is_run():
    nb = notebook(
        "p = {'a': ...}",
        "p = {'a': 1, 'b': 'x'}",
        "p = __import__('os').system('touch here')",
        "p = [1]" if False else "q = 1",
    )
    assert literal(nb, "p") == {"a": 1, "b": "x"}
    assert literal(nb, "q") == literal(nb, "r") == {}
