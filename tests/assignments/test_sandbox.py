"""What a hostile submission can do: nothing to others, to the solutions and to the machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.assignments import course

pytest.importorskip("jupytext", reason="the extra [grading] is not installed")
if not shutil.which("bwrap"):
    pytest.skip("needs bubblewrap: apt-get install bubblewrap", allow_module_level=True)

from grader import ask, inside, sandbox  # noqa: E402
from grader.judge import judge  # noqa: E402
from grader.sheet import sheet  # noqa: E402

pytestmark = pytest.mark.slow

HOSTILE = """
import json, os, pathlib, socket, sys, time
found = {}

def attempt(name, act):
    try:
        found[name] = act()
    except BaseException as error:
        found[name] = type(error).__name__

def bomb():
    born = 0
    try:
        for _ in range(10_000):
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            born += 1
    except OSError:
        return born

def fill():
    with open("/tmp/fill", "wb") as file:
        for _ in range(2000):
            file.write(b"x" * 10**6)

secret, port, here, answers = sys.argv[1:]
attempt("gradebook", lambda: open(secret).read())
attempt("neighbours", lambda: os.listdir(os.path.dirname(secret)))
attempt("answers", lambda: open(answers).read()[:20])
attempt("write beside", lambda: open(os.path.join(os.path.dirname(secret), "mine"), "w"))
attempt("write package", lambda: open(here, "a"))
attempt("write home", lambda: open(os.path.expanduser("~root/mine"), "w"))
attempt("write root", lambda: open("/mine", "w"))
attempt("write device", lambda: open("/dev/mine", "w"))
attempt("connect", lambda: socket.create_connection(("127.0.0.1", int(port)), 2))
attempt("away", lambda: socket.create_connection(("192.0.2.1", 80), 2))
attempt("processes", lambda: len([p for p in os.listdir("/proc") if p.isdigit()]))
attempt("memory", lambda: len(bytearray(32 * 2**30)))
attempt("disk", fill)
attempt("user", os.getuid)
attempt("become root", lambda: os.setuid(0))
attempt("environment", lambda: sorted(os.environ))
attempt("bomb", bomb)
print(json.dumps(found))
"""


def test_a_hostile_program(tmp_path):
    secret = tmp_path / "gradebook.db"
    secret.write_text("grades of others")
    program = tmp_path / "program" / "hostile.py"
    program.parent.mkdir()
    program.write_text(HOSTILE)
    answers = sheet("ps1").folder / "answers.py"
    package = sandbox.PACKAGE / "__init__.py"
    before = package.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = str(server.getsockname()[1])
        told = sandbox.confined(
            program, str(secret), port, str(package), str(answers), given=b"", seconds=60
        )
        with pytest.raises(TimeoutError):
            server.accept()
    found = json.loads(told)
    bombs, processes = found.pop("bomb"), found.pop("processes")
    names = found.pop("environment")
    assert found.pop("user") != 0
    assert found.pop("neighbours") in ("FileNotFoundError", ["program"])  # what was given to it
    assert found == {
        "gradebook": "FileNotFoundError",
        "answers": "FileNotFoundError",
        "write beside": found["write beside"],
        "write package": found["write package"],
        "write home": found["write home"],
        "write device": found["write device"],
        "write root": found["write root"],
        "connect": "ConnectionRefusedError",
        "away": "OSError",
        "memory": "MemoryError",
        "disk": "OSError",
        "become root": "PermissionError",
    }
    refusals = ("FileNotFoundError", "PermissionError", "OSError")
    assert all(found[name] in refusals for name in found if name.startswith("write"))
    assert bombs < sandbox.PROCESSES and processes < 10
    assert not {"USER", "SSH_AUTH_SOCK", "CCLGAN_COURSE"} & set(names)
    assert secret.read_text() == "grades of others" and package.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["gradebook.db", "program"]


def test_a_bomb_is_gone_when_its_time_is_up(tmp_path):
    program = tmp_path / "bomb-of-the-test.py"
    program.write_text(
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    )
    start = time.monotonic()
    assert sandbox.confined(program, given=b"", seconds=3) == b""
    assert time.monotonic() - start < 60
    time.sleep(1)
    left = [p for p in Path("/proc").glob("[0-9]*/cmdline") if program.name in _text(p)]
    assert not left


def _text(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def test_a_flood_of_output_is_cut(tmp_path):
    program = tmp_path / "flood.py"
    program.write_text("while True:\n    print('x' * 100_000)")
    assert len(sandbox.confined(program, given=b"", seconds=30)) <= sandbox.ANSWER


CHEATS = {
    "patches the grader": "import __main__\n"
    "__main__.plain = lambda value: {'shape': [], 'dtype': 'torch.float32', 'numbers': [1.0]}\n",
    "says right": "class Right(float):\n    __eq__ = lambda *_: True\n",
    "looks for the solution": "import glob\nassert glob.glob('/**/answers.py', recursive=True)\n",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_earns_nothing(cheat):
    """The right values are not in the box, so that no code in there can return them."""
    ours, name = sheet("ps3"), "symmetric_nce"
    body = "    return Right(1)" if "Right" in CHEATS[cheat] else "    return torch.ones(())"
    code = f"import torch\n{CHEATS[cheat]}def {name}(a, b, t):\n{body}"
    questions = ours.folder / "questions.py"
    told = sandbox.confined(
        Path(inside.__file__),
        *("tasks", "4", str(questions)),
        given=json.dumps({name: code}).encode(),
        seconds=300,
        sees=[questions, Path(ask.__file__)],
    )
    assert judge(ours, name, json.loads(told)[name]).score == 0


def test_without_bubblewrap_nothing_is_run(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda tool: None)
    with pytest.raises(sandbox.Unavailable, match="apt-get install bubblewrap"):
        sandbox.confined(tmp_path, given=b"", seconds=1)


def test_the_program_that_runs_inside_imports_no_solution():
    code = f"import sys; sys.path.insert(0, {str(course.ASSIGNMENTS)!r}); import grader.inside; "
    code += "print([m for m in sys.modules if m.startswith('grader.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "['grader.inside']"
