"""What runs in the sandbox: `inside.py notebook SECONDS` or `inside.py tasks SECONDS QUESTIONS`.

Standard input and output are JSON. A task is a function of QUESTIONS, a questions.py; given the
student's function it returns what to observe, `{property: function without arguments}`.
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import os
import resource
import signal
import sys


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
    """`name` as the code defines it."""
    namespace = {}
    exec(compile(source, "<answer>", "exec"), namespace)
    return namespace[name]


def _task(source: str, name: str, task, seconds: int, pipe) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        seen = observe(load(source, name), task)
    except BaseException as error:  # noqa: B036
        seen = {"": {"error": f"{type(error).__name__}: {error}"[:300]}}
    pipe.send_bytes(json.dumps(seen).encode())


def tasks(answers: dict[str, str], questions, seconds: int) -> dict:
    """`{task: observations}`, each in a process of its own: one that hangs or dies harms no other.

    `seconds` are of the processor, so that a busy machine cuts nobody short.
    """
    found = {}
    fork = multiprocessing.get_context("fork")
    for name, source in answers.items():
        reader, writer = fork.Pipe(duplex=False)
        task = getattr(questions, name)
        child = fork.Process(target=_task, args=(source, name, task, seconds, writer))
        child.start()
        writer.close()
        error = "its process died: too much memory, or an exit?"
        try:
            if reader.poll(10 * seconds):
                found[name] = json.loads(reader.recv_bytes(2**20))
                continue
        except (EOFError, OSError, ValueError):
            child.join(1)
        finally:
            child.kill()
        if child.exitcode in (None, -signal.SIGXCPU, -signal.SIGKILL):
            error = f"not done after {seconds} s: is there a loop without end?"
        found[name] = {"": {"error": error}}
    return found


def notebook(nb: dict, seconds: int) -> dict:
    """The notebook, executed as far as it goes: errors and time-outs stay in their cells."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    nb = nbformat.from_dict(nb)
    text = f"stopped after {seconds} s: is there a loop without end?"
    error = {"ename": "TimeoutError", "evalue": text, "traceback": [text]}
    client = NotebookClient(
        nb,
        timeout=seconds,
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
    what, seconds, *paths = sys.argv[1:]
    given = json.load(sys.stdin)
    if what == "notebook":
        answer = notebook(given, int(seconds))
    else:
        spec = importlib.util.spec_from_file_location("questions", paths[0])
        questions = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(questions)
        answer = tasks(given, questions, int(seconds))
    json.dump(answer, out)
    out.flush()


if __name__ == "__main__":
    main()
