"""A course from release to feedback: made submissions and the points that they deserve."""

from __future__ import annotations

import copy
import csv
import shutil
import zipfile

import nbformat
import pytest

from tests.assignments.course import cell, command, solved

pytest.importorskip("nbgrader", reason="the extra [grading] is not installed")
pytest.importorskip("jupytext", reason="the extra [grading] is not installed")
if not shutil.which("bwrap"):
    pytest.skip("needs bubblewrap: apt-get install bubblewrap", allow_module_level=True)

from grader.sheet import sheet  # noqa: E402

pytestmark = pytest.mark.slow
SHEET = sheet("ps3")


def answer(nb, task, text):
    cell(nb, task).source = text


def perfect(nb):
    """Everything as in the solution."""


def empty(nb):
    for task in [*SHEET.tasks, *SHEET.manual]:
        answer(nb, task, cell(RELEASED, task).source)


def naive(nb):
    """Plausible and wrong: temperature the wrong way round, twins repel, the positive counted."""
    answer(nb, "symmetric_nce", SHEET.solution("symmetric_nce").replace("/ temp", "* temp"))
    answer(nb, "masked_nce", SHEET.solution("masked_nce").replace("same & ~own", "same & False"))
    answer(nb, "effective_negatives", SHEET.solution("effective_negatives").replace("[:, 1:]", ""))
    answer(nb, "reading", 'reading = {"chance": "A", "sees_itself": "C", "places": 256}')


def crashed(nb):
    """A cell in the middle that raises, and one that is not even Python."""
    for text in ("1 / 0", "def half(:"):
        nb.cells.insert(6, nbformat.v4.new_code_cell(text))


def endless(nb):
    """One function never returns, and a cell of its own neither."""
    answer(nb, "masked_nce", "def masked_nce(q, k, groups, t):\n    while True:\n        pass")
    nb.cells.insert(2, nbformat.v4.new_code_cell("while True:\n    pass"))


def shuffled(nb):
    """Checks deleted, an answer moved to the end, one copied with its stub behind it."""
    gone = ("masked_nce-points", "reading-points")
    nb.cells = [c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in gone]
    moved = cell(nb, "symmetric_nce")
    nb.cells.remove(moved)
    nb.cells.append(moved)
    nb.cells.append(copy.deepcopy(cell(RELEASED, "effective_negatives")))


def tampered(nb):
    """Checks that always pass, more points, a wrong answer marked as a test."""
    empty(nb)
    for task in SHEET.tasks:
        check = cell(nb, f"{task}-points")
        check.source, check.metadata.nbgrader["points"] = "44", 44
    mark = cell(nb, "symmetric_nce").metadata.nbgrader
    mark |= {"grade": True, "points": 100, "solution": False}


def otherwise(nb):
    """Right, in another hand: loops, helpers in cells of its own, constants of the notebook."""
    nb.cells.insert(
        3,
        nbformat.v4.new_code_cell(
            "WAYS = 2\n\ndef unit(x):\n    return x / x.norm(dim=-1, keepdim=True)"
        ),
    )
    answer(
        nb,
        "symmetric_nce",
        """
def one_way(x, y, t):
    total = 0
    for q, k in zip(x, y):
        scores = torch.einsum("pc,kc->pk", unit(q), unit(k.detach())) / t
        total = total + F.cross_entropy(scores, torch.arange(len(q)))
    return total / len(x)

def symmetric_nce(a, b, temperature):
    return (one_way(a, b, temperature) + one_way(b, a, temperature)) / WAYS
""",
    )


def hard_coded(nb):
    """Whatever the visible checks want to see, nothing else, and scripts for the teacher."""
    answer(nb, "why_both", "Because. <script>alert('text')</script>")
    show = "from IPython.display import HTML, display\n"
    show += "display(HTML(\"<script>alert('output')</script>\"))"
    nb.cells.append(nbformat.v4.new_code_cell(show))
    answer(nb, "symmetric_nce", "def symmetric_nce(a, b, t):\n    return math.log(math.e + 2) - 1")
    answer(
        nb,
        "masked_nce",
        "def masked_nce(q, k, g, t):\n"
        "    return (2 * math.log(math.e + 1) + math.log(math.e + 2)) / 3 - 1",
    )
    answer(
        nb, "effective_negatives", "def effective_negatives(s, t):\n    return torch.tensor([4.0])"
    )


# What the machine gives; texts wait for a person.
FULL = sum(SHEET.worth(task) for task in SHEET.tasks)
EXPECTED = {
    perfect: FULL,
    empty: 0,
    naive: FULL - 9 - 9 - 4 - 4,  # a shape is right, and a value at the coldest temperature
    crashed: FULL,
    endless: FULL - SHEET.worth("masked_nce"),
    shuffled: FULL,
    tampered: 0,
    otherwise: FULL,
    hard_coded: FULL - 9 - 9 - 6,
}
RELEASED = None  # the notebook as students get it


def test_a_course_from_release_to_feedback(tmp_path):
    """One test, as one cycle takes a minute or two."""
    run_the_cycle(tmp_path)
    a_release_has_no_solutions(tmp_path)
    an_unreadable_upload_is_named(tmp_path)
    points_are_as_deserved(tmp_path)
    feedback_names_the_misconception_and_not_the_answer(tmp_path)
    nothing_of_a_student_runs_in_a_browser(tmp_path)
    texts_wait_for_a_person(tmp_path)


def run_the_cycle(folder):
    global RELEASED
    names = [make.__name__ for make in EXPECTED]
    roster = folder / "students.csv"
    roster.write_text("id,first_name\n" + "".join(f"{name},{name}\n" for name in names))
    command(folder, "build", "ps3")
    command(folder, "roster", str(roster))
    command(folder, "release", "ps3")
    RELEASED = nbformat.read(folder / "release" / "ps3" / "ps3.ipynb", as_version=4)
    uploads = folder / "uploads"
    uploads.mkdir()
    for make in EXPECTED:
        nb = solved(SHEET, handed_out(folder, make))
        make(nb)
        with zipfile.ZipFile(uploads / f"{make.__name__}.zip", "w") as file:
            file.writestr("ps3.ipynb", nbformat.writes(nb))
    (uploads / "broken.ipynb").write_text("{")
    (folder / "collected").write_text(command(folder, "collect", "ps3", str(uploads)))
    command(folder, "grade", "ps3", "--Grade.cell_seconds=15", "--Grade.task_seconds=4")
    command(folder, "export", str(folder / "grades.csv"))
    command(folder, "feedback", "ps3")


def handed_out(course, make):
    with zipfile.ZipFile(course / "handout" / "ps3" / f"{make.__name__}.zip") as handout:
        return nbformat.reads(handout.read("ps3.ipynb").decode(), as_version=4)


def page(course, make) -> str:
    return (course / "returned" / "ps3" / f"{make.__name__}.html").read_text()


def a_release_has_no_solutions(course):
    text = (course / "release" / "ps3" / "ps3.ipynb").read_text()
    assert "SOLUTION" not in text and "logsumexp" not in text
    assert "cclgan_lite" not in RELEASED.metadata  # the stamp is in the handouts only
    assert handed_out(course, naive).metadata["cclgan_lite"]["student"] == "naive"


def an_unreadable_upload_is_named(course):
    assert "broken.ipynb" in (course / "collected").read_text()


def points_are_as_deserved(course):
    with open(course / "grades.csv") as file:
        rows = list(csv.DictReader(file))
    scores = {row["student_id"]: float(row["score"]) for row in rows}
    assert scores == {make.__name__: points for make, points in EXPECTED.items()}
    assert {float(row["max_score"]) for row in rows} == {SHEET.total()}


def feedback_names_the_misconception_and_not_the_answer(course):
    text = page(course, naive)
    assert "the temperature acts the wrong way round" in text
    assert "nothing is masked: places of one group still repel" in text
    assert "the positive is not a negative: where is it?" in text
    assert "how large is the loss of a guess" in text
    assert "not done yet" in page(course, empty) and "logsumexp" not in page(course, empty)
    assert "is there a loop without end?" in page(course, endless)
    assert "ZeroDivisionError" in page(course, crashed)


def nothing_of_a_student_runs_in_a_browser(course):
    text = page(course, hard_coded)
    assert "Because." in text
    assert "<script>alert" not in text


def texts_wait_for_a_person(course):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db", "cclgan") as book:

        def waiting(student):
            (notebook,) = book.find_submission("ps3", student).notebooks
            return {grade.name for grade in notebook.grades if grade.needs_manual_grade}

        assert waiting("perfect") == set(SHEET.manual) and not waiting("empty")
