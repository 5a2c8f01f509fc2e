"""The guard over stored lessons finds what must not be stored; the tool stores what may be."""

from __future__ import annotations

import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cclgan_lite.course.explore import RUN
from lessons.lesson import NOTEBOOKS, lessons

FIGURE = """import matplotlib.pyplot as plt
from cclgan_lite.course import claim, explore, pick, progress, show


def draw(height):
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.plot([0, height])
    return figure


explore(draw, alt="a line that rises to the chosen height", height=(0, 3, 1, 1))
show(draw(1), alt="a line that rises from zero to one")
for _ in progress(range(3), "counting"):
    pass
print(f"profile {len(pick(ci='12', cpu='12'))} ≈ {pick(ci=1.5, cpu=2.25):.2f}")
claim("one is more than zero", 1 > 0)"""


@pytest.fixture(scope="module")
def lesson(tmp_path_factory):
    """A small lesson, run and stored by the tool."""
    path = tmp_path_factory.mktemp("notebooks") / "42-answer.ipynb"
    head = "# 42 · The answer\n\nBy the end you will have shown that one is more than zero."
    notebook = new_notebook(
        cells=[
            new_markdown_cell(head),
            new_markdown_cell("<!-- measured -->\n<!-- /measured -->\n[itself](42-answer.ipynb)"),
            new_code_cell("# set-up", metadata={"tags": ["setup"]}),
            new_code_cell(FIGURE),
            new_code_cell("1 + 1", metadata={"collapsed": True}),
        ]
    )
    nbformat.write(notebook, path)
    before = os.environ.get("CCLGAN_PROFILE")
    lessons.run(path, "cpu")
    if before is None:
        del os.environ["CCLGAN_PROFILE"]
    return path


def stored(lesson, tmp_path):
    """A copy to spoil."""
    path = tmp_path / lesson.name
    path.write_bytes(lesson.read_bytes())
    return path, lessons.read(path)


@pytest.mark.slow
def test_what_the_tool_stores_passes_the_guard_and_nbval(lesson):
    assert lessons.problems(lesson) == []
    notebook = lessons.read(lesson)
    assert "colab.research.google.com" in notebook.cells[0].source
    assert "| `cpu` |" in notebook.cells[1].source
    assert notebook.cells[2].outputs[0].text == "cclgan_lite is ready\n"
    widget = notebook.cells[3].outputs[0].data  # its first picture, for readers without a kernel
    assert 'alt="a line that rises to the chosen height (height 1)"' in widget["text/html"]
    assert RUN in widget["text/html"] and not any("widget" in kind for kind in widget)
    texts = [output.get("text", "") for output in notebook.cells[3].outputs]
    assert not any("counting" in text for text in texts), "progress bars are not stored"
    assert "3 passed" in nbval(lesson)


def nbval(path) -> str:
    """What pytest says of a lesson, with the settings of notebooks/."""
    for name in ("pytest.ini", "nbval.cfg", "conftest.py"):
        (path.parent / name).write_text((NOTEBOOKS / name).read_text())
    command = [sys.executable, "-m", "pytest", "--nbval", path]  # from another folder
    return subprocess.run(command, cwd=path.parents[1], capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "old, new, verdict",
    [
        ("✓ one is more", "✓ one is less", "1 failed"),
        ('<img alt=\\"a line that rises', '<img alt=\\"a line that falls', "1 failed"),
        ("profile 2", "profile 3", "1 failed"),
        ("≈ 2.25", "≈ -7e-3", "3 passed"),
    ],
)
def test_comparison_sees_statements_not_measured_numbers(lesson, tmp_path, old, new, verdict):
    path = tmp_path / lesson.name
    text = lesson.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert verdict in nbval(path)


@pytest.mark.slow
def test_running_again_changes_nothing_but_the_times(lesson, tmp_path):
    path, before = stored(lesson, tmp_path)
    lessons.run(path, "cpu")
    after = lessons.read(path)
    for notebook in (before, after):
        notebook.metadata["cclgan_lite"]["measured"] = {}
        notebook.cells[1].source = lessons.MEASURED.sub("", notebook.cells[1].source)
        lessons.identify(notebook)
    assert before == after


def strip(notebook):
    for cell in lessons.code_cells(notebook):
        cell.outputs, cell.execution_count = [], None


def edit_text(notebook):
    cell = lessons.code_cells(notebook)[1]
    cell.outputs[-1].text = cell.outputs[-1].text.replace("2.25", "9.75")


def edit_code(notebook):
    lessons.code_cells(notebook)[2].source = "1 + 2"


def edit_setup(notebook):
    lessons.code_cells(notebook)[0].source += "\nprint('more')"


def forget_badge(notebook):
    notebook.cells[0].source = notebook.cells[0].source.replace("![Open in Colab]", "![Open]")


def change_an_id(notebook):
    notebook.cells[0].id = "abc"


def break_a_link(notebook):
    notebook.cells[1].source += "\n[gone](43-question.ipynb)"


def drop_alt(notebook):
    for output in lessons.code_cells(notebook)[1].outputs:
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = output.data["text/html"].replace("alt=", "title=")


def bare_figure(notebook):
    output = new_output("display_data", data={"image/png": "aaaa", "text/plain": "<Figure>"})
    lessons.code_cells(notebook)[1].outputs.append(output)


def warn(notebook):
    output = new_output("stream", name="stderr", text="DeprecationWarning: old\n")
    lessons.code_cells(notebook)[1].outputs.append(output)


def path_in_output(notebook):
    lessons.code_cells(notebook)[1].outputs[-1].text += "/home/someone/pictures\n"


def path_in_code(notebook):
    lessons.code_cells(notebook)[2].source = "open(r'C:\\Users\\me')"


def machine(notebook):
    lessons.code_cells(notebook)[1].outputs[-1].text += f"on {os.uname().nodename} today\n"


def widget_state(notebook):
    notebook.metadata["widgets"] = {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil, problem",
    [
        (strip, "outputs are stripped"),
        (strip, "not executed in order"),
        (edit_text, "edited after the last run"),
        (edit_code, "edited after the last run"),
        (edit_setup, "not stamped"),
        (forget_badge, "not stamped"),
        (change_an_id, "not stamped"),
        (break_a_link, "broken link: 43-question.ipynb"),
        (drop_alt, "without alternative text"),
        (bare_figure, "without alternative text"),
        (warn, "DeprecationWarning"),
        (path_in_output, "absolute path: /home/someone"),
        (path_in_code, "absolute path: C:"),
        (machine, "name of a machine"),
        (widget_state, "not normalised"),
    ],
)
def test_guard_finds(lesson, tmp_path, spoil, problem):
    path, notebook = stored(lesson, tmp_path)
    spoil(notebook)
    nbformat.write(notebook, path)
    assert any(problem in found for found in lessons.problems(path))


def test_stamping_keeps_a_broken_seal_broken(lesson, tmp_path):
    path, notebook = stored(lesson, tmp_path)
    edit_code(notebook)
    nbformat.write(notebook, path)
    lessons.restamp(path)
    assert any("edited" in found for found in lessons.problems(path))


def test_a_fork_is_stamped_from_one_place(lesson, tmp_path, monkeypatch):
    path, _ = stored(lesson, tmp_path)
    monkeypatch.setattr(lessons, "REPOSITORY", "https://github.com/someone/fork")
    assert any("not stamped" in found for found in lessons.problems(path))
    lessons.restamp(path)
    assert lessons.problems(path) == []
    text = path.read_text()
    assert "github/someone/fork/blob" in text and "git+https://github.com/someone/fork" in text


def test_missing_lesson():
    with pytest.raises(SystemExit, match="no lesson 99"):
        lessons.lessons("99")


@pytest.mark.parametrize("found, status", [([], 0), (["a problem"], 1)])
def test_check_tells_by_its_exit_status(monkeypatch, found, status):
    monkeypatch.setattr(lessons, "problems", lambda path: found)
    monkeypatch.setattr(sys, "argv", ["lessons.py", "check", "00"])
    with pytest.raises(SystemExit) as stopped:
        lessons.main()
    assert bool(stopped.value.code) == bool(status)
