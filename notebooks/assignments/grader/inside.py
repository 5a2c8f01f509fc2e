"""What runs in the sandbox: `inside.py notebook` or `inside.py tasks questions.py`.

Standard input and output are JSON. A task is a function of questions.py; given the student's
function it returns what to observe, `{property: function without arguments}`.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import sys
from pathlib import Path

CELL_SECONDS = 60  # a cell of a notebook may take
TASK_SECONDS = 20  # a task may take


def observe(answer, task) -> dict:
    """`{property: what the answer did}` as JSON takes it; an error is a thing to observe, too."""
    seen = {}
    for name, look in task(answer).items():
        try:
            seen[name] = plain(look())
        except BaseException as error:  # noqa: B036  (a student may raise SystemExit)
            seen[name] = {"error": f"{type(error).__name__}: {error}"[:300]}
    return seen


def plain(value):
    """A tensor, number, string or container of them as JSON."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        numbers = value.double().flatten().tolist() if value.numel() <= 10_000 else "too large"
        return {"shape": [*value.shape], "dtype": str(value.dtype), "numbers": numbers}
    if hasattr(value, "dtype"):  # NumPy's
        import torch

        return plain(torch.as_tensor(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else repr(value)[:100]


def load(source: str, name: str):
    """`name` as the student's code defines it; the names that the sheet gives are there already."""
    import math

    import numpy
    import torch
    import torch.nn.functional as F

    given = {"torch": torch, "F": F, "nn": torch.nn, "math": math, "np": numpy}
    exec(compile(source, "<answer>", "exec"), given)
    return given[name]


def _task(source: str, name: str, task, pipe) -> None:
    try:
        seen = observe(load(source, name), task)
    except BaseException as error:  # noqa: B036
        seen = {"": {"error": f"{type(error).__name__}: {error}"[:300]}}
    pipe.send_bytes(json.dumps(seen).encode())


def tasks(answers: dict[str, str], questions) -> dict:
    """`{task: observations}`, each in a process of its own: one that hangs or dies harms no other."""
    found = {}
    fork = multiprocessing.get_context("fork")
    for name, source in answers.items():
        reader, writer = fork.Pipe(duplex=False)
        child = fork.Process(target=_task, args=(source, name, getattr(questions, name), writer))
        child.start()
        writer.close()
        try:
            late = not reader.poll(TASK_SECONDS)
            text = b"{}" if late else reader.recv_bytes(2**20)
            error = f"not done after {TASK_SECONDS} s: is there a loop without end?"
            found[name] = {"": {"error": error}} if late else json.loads(text)
        except (EOFError, OSError, ValueError):
            found[name] = {"": {"error": "its process died: too much memory, or an exit"}}
        child.kill()
    return found


def notebook(nb: dict) -> dict:
    """The notebook, executed as far as it goes: errors and time-outs stay in their cells."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    nb = nbformat.from_dict(nb)
    error = {"ename": "TimeoutError", "evalue": f"over {CELL_SECONDS} s", "traceback": []}
    error["traceback"] = [f"stopped after {CELL_SECONDS} s: is there a loop without end?"]
    client = NotebookClient(
        nb,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout=error,
        record_timing=False,
    )
    try:
        client.execute()
    except (DeadKernelError, RuntimeError) as stopped:
        print(stopped, file=sys.stderr)
    return nb


def main() -> None:
    out = os.fdopen(os.dup(1), "w")  # what others print stays out of the answer
    os.dup2(2, 1)
    given = json.load(sys.stdin)
    if sys.argv[1] == "notebook":
        answer = notebook(given)
    else:
        path = Path(sys.argv[2])
        spec = importlib.util.spec_from_file_location("questions", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        answer = tasks(given, module)
    json.dump(answer, out)
    out.flush()


if __name__ == "__main__":
    main()
