"""Untrusted code under bubblewrap: no network, nothing of the host writable, four limits.

bubblewrap (https://github.com/containers/bubblewrap) gives the program its own file system, made
of the interpreter, `cclgan_lite` and what is named in `sees`, all read-only; its own processes;
and a network without connections. prlimit bounds memory and processes, tmpfs the disk, and the
clock the rest. What the program has to say comes back on its standard output.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cclgan_lite

MEMORY = 6 * 2**30  # bytes of address space of one process; PyTorch alone maps half of it
PROCESSES = 128  # and threads, of the whole box
DISK = 256 * 2**20  # bytes that may be written, in memory
ANSWER = 32 * 2**20  # bytes of one file, standard output included
NOBODY = "64321"  # a user that owns nothing: limits on processes do not bind root
PACKAGE = Path(cclgan_lite.__file__).parent


class Unavailable(RuntimeError):
    """There is no sandbox here, so that nothing may be run."""


def confined(program: Path, *arguments: str, given: bytes, seconds: float, sees=()) -> bytes:
    """Standard output of `python program arguments`, run in the box with `given` on its input.

    Empty or cut short where the program was stopped: after `seconds`, or by a limit.

    Raises:
        Unavailable: bubblewrap, setpriv or prlimit is missing or may not be used here.
    """
    if missing := [tool for tool in ("bwrap", "prlimit", "setpriv") if not shutil.which(tool)]:
        raise Unavailable(
            f"submissions are run in a sandbox, which needs {', '.join(missing)}: "
            "apt-get install bubblewrap util-linux"
        )
    command = [*_box([program, *sees]), sys.executable, str(program), *arguments]
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        stdin.write(given)
        stdin.seek(0)
        try:
            done = subprocess.run(
                command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, timeout=seconds
            )
        except subprocess.TimeoutExpired:  # bubblewrap takes all its processes along
            done = None
        stdout.seek(0)
        answer = stdout.read()
    if done and not answer and done.stderr.startswith((b"bwrap:", b"setpriv:", b"prlimit:")):
        raise Unavailable(f"the sandbox does not start: {done.stderr.decode().strip()}")
    return answer


def _box(sees) -> list[str]:
    root = os.getuid() == 0
    visible = ["/usr", "/etc/alternatives", "/etc/fonts", sys.prefix, sys.base_prefix, PACKAGE]
    visible = sorted({Path(path).resolve() for path in (*visible, *sees)} | {Path(sys.prefix)})
    parents = sorted({parent for path in visible for parent in path.parents})
    return [
        "bwrap",
        *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session"),
        *(("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID") if root else ["--unshare-user"]),
        "--clearenv",
        *(word for pair in _environment().items() for word in ("--setenv", *pair)),
        *("--proc", "/proc", "--dev", "/dev"),
        *(
            w
            for d in ("/tmp", "/dev/shm")
            for w in ("--perms", "1777", "--size", str(DISK), "--tmpfs", d)
        ),
        *(
            word
            for p in parents
            if str(p) not in ("/", "/tmp")
            for word in ("--perms", "0755", "--dir", str(p))
        ),
        *(word for p in visible if p.exists() for word in ("--ro-bind", str(p), str(p))),
        *(w for d in ("bin", "lib", "lib64") for w in ("--symlink", f"usr/{d}", f"/{d}")),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp", "--"),
        *(("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups") if root else ()),
        *("setpriv", "--no-new-privs"),
        *("prlimit", f"--nproc={PROCESSES}", f"--as={MEMORY}", f"--fsize={ANSWER}", "--core=0"),
    ]


def _environment() -> dict[str, str]:
    """One thread, or two graders on two cores would share each of them."""
    return {
        "PATH": f"{sys.prefix}/bin:/usr/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{PACKAGE.parent}:{Path(__file__).parents[1]}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "CCLGAN_PROFILE": "ci",
    }
