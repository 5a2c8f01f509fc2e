"""The two steps that nbgrader is given: Restore before it looks at a submission, Grade after."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_locked
from traitlets import Integer

from grader import ask, inside
from grader.judge import NOT_DONE, Choice, Task, Verdict, judge
from grader.sandbox import confined
from grader.sheet import check_id, sheet
from grader.submission import grade_id, literal, restored, taken_out

PROGRAM = Path(inside.__file__)
SHOWN = ("image/png", "image/jpeg", "text/plain")  # nothing that a browser would run
TAG = re.compile(r"<(?=[a-zA-Z/!?])")
BASE64 = re.compile(r"[\w+/=\s]*", re.ASCII)
PICTURE = re.compile(r'<img alt="([^"]*)"[^>]*src="data:image/png;base64,([\w+/=]+)">')


class Restore(NbGraderPreprocessor):
    """The student's answers in our notebook, as it was released."""

    def preprocess(self, nb, resources):
        where = resources["nbgrader"]
        ours = Path("release", where["assignment"], f"{where['notebook']}.ipynb")
        return restored(nb, nbformat.read(ours, as_version=4)), resources


class Grade(NbGraderPreprocessor):
    """Runs the notebook in the sandbox, for human eyes, and grades each task on its own."""

    cell_seconds = Integer(60, help="A cell of the notebook may take, by the clock.").tag(
        config=True
    )
    task_seconds = Integer(20, help="A task may take, of the processor.").tag(config=True)

    def preprocess(self, nb, resources):
        nb = executed(nb, self.cell_seconds)
        ours = sheet(resources["nbgrader"]["assignment"])
        verdicts = grade(ours, nb, self.task_seconds)
        for cell in nb.cells:
            if cell.cell_type == "markdown" and not is_locked(cell):
                cell.source = TAG.sub("&lt;", cell.source)  # a text, not a page
            for task, verdict in verdicts.items():
                if grade_id(cell) == check_id(task):
                    cell.outputs = shown(verdict, ours.tasks[task])
        return nb, resources


def executed(nb, seconds: int):
    """The notebook as the sandbox ran it; where nothing came back, as it was."""
    answer = confined(
        PROGRAM, "notebook", str(seconds), given=json.dumps(nb).encode(), seconds=10 * seconds
    )
    try:
        ran = nbformat.from_dict(json.loads(answer))
        nbformat.validate(ran)
        outputs = [cell.get("outputs", []) for cell in ran.cells]
    except (ValueError, AttributeError, nbformat.ValidationError):
        return nb
    for cell, found in zip(nb.cells, outputs, strict=False):
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(_harmless, found) if output]
    return nb


def grade(ours, nb, seconds: int) -> dict[str, Verdict]:
    """{task: verdict} on a notebook, however broken."""
    answers = {
        name: code
        for name, task in ours.tasks.items()
        if isinstance(task, Task) and (code := taken_out(nb, name))
    }
    questions = ours.folder / "questions.py"
    text = confined(
        PROGRAM,
        *("tasks", str(seconds), str(questions)),
        given=json.dumps(answers).encode(),
        seconds=60 + 10 * seconds * len(answers),
        sees=[questions, Path(ask.__file__)],
    )
    try:
        seen = json.loads(text)
    except ValueError:
        seen = {}
    return {
        name: task.verdict(literal(nb, name))
        if isinstance(task, Choice)
        else judge(ours, name, seen.get(name) or {})
        for name, task in ours.tasks.items()
    }


def shown(verdict: Verdict, task: Task | Choice) -> list:
    """A verdict as outputs: text for the student, and the number that nbgrader takes as score."""
    lines, said = [], set()
    for name, points in verdict.points.items():
        hint = verdict.hints.get(name)
        mark = "✓" if hint is None else "☐" if hint == NOT_DONE else "✗"
        lines.append(f"{mark} {name}: {points:g} of {task.parts[name]:g}")
        lines[-1] += f": {'see above' if hint in said else hint}" if hint else ""
        said.add(hint)
    return [
        nbformat.v4.new_output("stream", name="stdout", text="\n".join(lines) + "\n"),
        nbformat.v4.new_output(
            "execute_result", data={"text/plain": f"{verdict.score:g}"}, execution_count=None
        ),
    ]


def _harmless(output):
    """An output without HTML and scripts; our figures become pictures."""
    if output.output_type == "error":
        return output
    if output.output_type == "stream":
        return nbformat.v4.new_output("stream", name="stdout", text=output.text)
    if found := PICTURE.search(output.data.get("text/html", "")):
        data, alt = {"image/png": found[2]}, {"image/png": {"alt": unescape(found[1])}}
        return nbformat.v4.new_output("display_data", data=data, metadata=alt)
    data = {kind: output.data[kind] for kind in SHOWN if kind in output.data}
    data = {k: v for k, v in data.items() if k == "text/plain" or BASE64.fullmatch(v)}
    return nbformat.v4.new_output("display_data", data=data) if data else None
