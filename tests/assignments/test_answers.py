"""Each coding task tells right from wrong, and says what is wrong."""

from __future__ import annotations

import importlib

import pytest

from tests.assignments import course  # noqa: F401  (puts the grader on the path)

pytest.importorskip("jupytext", reason="the extra [grading] is not installed")

from grader.inside import observe  # noqa: E402
from grader.judge import NOT_DONE, Choice, Task, judge, known  # noqa: E402
from grader.sheet import sheet, sheets  # noqa: E402

ALL = [(name, task) for name in sheets() for task in sheet(name).tasks]
CODING = [(n, t) for n, t in ALL if isinstance(sheet(n).tasks[t], Task)]
coding = pytest.mark.parametrize(("name", "task"), CODING, ids=lambda x: x)


def verdict(name, task, answer):
    return judge(sheet(name), task, observe(answer, getattr(sheet(name).questions, task)))


def variants(name):
    return importlib.import_module(f"tests.assignments.variants.{name}")


def test_there_are_five_with_three_coding_tasks_each():
    assert len(sheets()) == 5
    assert all(sum(n == name for n, _ in CODING) == 3 for name in sheets())


@coding
def test_the_solution_earns_everything_and_the_stub_nothing(name, task):
    truth, _ = known(sheet(name), task)
    assert not [look for look in truth.values() if isinstance(look, dict) and "error" in look]
    right = judge(sheet(name), task, truth)
    assert right.score == sheet(name).worth(task) and not right.hints
    stub = verdict(name, task, lambda *_: None)
    assert stub.score == 0
    assert judge(sheet(name), task, {}).hints.keys() == stub.hints.keys()


@coding
def test_each_known_mistake_costs_points_and_gets_its_hint(name, task):
    _, wrong = known(sheet(name), task)
    assert len(wrong) >= 5
    for seen, hint in wrong:
        found = judge(sheet(name), task, seen)
        assert found.score < sheet(name).worth(task), hint
        assert hint in found.hints.values(), (hint, found.hints)


@coding
def test_right_answers_in_another_hand_earn_everything(name, task):
    answers = variants(name).RIGHT[task]
    assert len(answers) >= 3
    for answer in answers:
        found = verdict(name, task, answer)
        assert not found.hints, (answer.__name__, found.hints)


@coding
def test_wrong_answers_in_another_hand_get_the_right_hint(name, task):
    for answer, part in variants(name).WRONG[task]:
        found = verdict(name, task, answer)
        assert any(part in hint for hint in found.hints.values()), (answer.__name__, found.hints)


@coding
def test_hints_do_not_give_the_answer(name, task):
    """No hint quotes code of the solution."""
    solution = sheet(name).solution(task)
    spec = sheet(name).tasks[task]
    for hint in [*(hint for *_, hint in spec.mistakes), *spec.hints.values()]:
        quoted = [word for word in hint.replace(",", " ").split() if "(" in word and ")" in word]
        assert not [word for word in quoted if word in solution], hint


def test_a_stub_is_told_so():
    assert set(judge(sheet("ps1"), "masked_psnr", {}).hints.values()) == {NOT_DONE}


@pytest.mark.parametrize("name", sheets())
def test_a_prediction_earns_its_points_by_being_made(name):
    task = sheet(name).tasks["prediction"]
    assert isinstance(task, Choice) and not task.right
    for chosen in zip(*[options[:2] for options in task.options.values()], strict=True):
        assert task.verdict(dict(zip(task.options, chosen, strict=True))).score == task.points
    assert task.verdict({}).score == task.verdict(dict.fromkeys(task.options, "?")).score == 0


@pytest.mark.parametrize("name", sheets())
def test_a_reading_is_graded_key_by_key(name):
    task = sheet(name).tasks["reading"]
    assert all(task.right[key] in options for key, options in task.options.items())
    first, *_ = task.right
    other = next(o for o in task.options[first] if o != task.right[first])
    found = task.verdict(task.right | {first: other})
    assert found.score == pytest.approx(task.points * 2 / 3) and list(found.hints) == [first]
    assert str(task.right[first]) not in found.hints[first].split()


@pytest.mark.parametrize("name", sheets())
def test_sheets_have_what_is_promised(name):
    text = "\n".join(cell.source for cell in sheet(name).notebook().cells)
    for part in ("**You will**", "your time", "**Integrity.**", "Open task", "Predict, then look"):
        assert part in text or (part == "Open task" and name == "ps5"), part
    nb = sheet(name).notebook()
    ids = [cell.metadata.nbgrader.grade_id for cell in nb.cells]
    assert len(ids) == len(set(ids))
    assert not [c for c in nb.cells if c.cell_type == "markdown" and "{total}" in c.source]
    assert {t for t in [*sheet(name).tasks, *sheet(name).manual]} <= set(ids)


@pytest.mark.slow
@pytest.mark.parametrize("name", sheets())
def test_a_solved_sheet_runs_to_its_end(name):
    from nbclient import NotebookClient

    NotebookClient(sheet(name).notebook(), timeout=300, kernel_name="python3").execute()
