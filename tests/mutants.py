"""How many small faults, planted one at a time, the tests notice (pip install 'mutmut<3'):

python tests/mutants.py --sample 200

Each mutant is a copy of the package with one change by mutmut's operators, tried in a fork of this
process, which has torch imported, with the fast tests of the modules that should notice. Changes
of the text of messages are left out. Needs fork, so no Windows.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import mutmut
import pytest

ROOT = Path(__file__).parents[1]
TERMS = (
    "losses terms textbook every_field_is_heard step family onset rehearsal recipes fair_runs "
    "deterministic new_methods"
)
RUNS = "inputs step onset deterministic resident fair_runs recipes rehearsal parallel run"
TESTS = {  # what is mutated: modules of tests, the quick ones first
    "losses/*.py": TERMS,
    "methods/*.py": TERMS,
    "training/adapt.py": "adapt",
    "training/[!a]*.py": RUNS,
    "evaluation/metrics.py": "metrics evaluate",
    "data/pairs.py": "evaluate cli",
}
IMPORTED = (
    "accelerate hypothesis matplotlib.pyplot open_clip scipy.stats skimage.metrics torch tyro"
)
MESSAGE = re.compile(r"""["']XX.* .*XX["']""")  # a string of words


def context(path: Path, source: str, mutation=mutmut.ALL) -> mutmut.Context:
    return mutmut.Context(
        source=source, filename=str(path), mutation_id=mutation, dict_synonyms=[], config=None
    )


def mutants() -> list[tuple[Path, str, str, str]]:
    """(file, what is changed, its new content, tests) of each."""
    found = []
    for pattern, tests in TESTS.items():
        for path in sorted((ROOT / "cclgan_lite").glob(pattern)):
            source = path.read_text()
            for mutation in mutmut.list_mutations(context(path, source)):
                content, _ = mutmut.mutate(context(path, source, mutation))
                before, after = mutation.line.strip(), changed(source, content)
                if not MESSAGE.search(after):
                    what = f"{mutation.line_number + 1}: {before} -> {after}"
                    found.append((path.relative_to(ROOT), what, content, tests))
    return found


def changed(source: str, content: str) -> str:
    """The first new line."""
    old, new = source.splitlines(), content.splitlines()
    return next((b.strip() for a, b in zip(old, new, strict=False) if a != b), "")


def noticed(tree: Path, tests: str, seconds: float) -> str | None:
    """The test that fails on the package in `tree`, or "time"; None if all pass."""
    out = tree / "out.txt"
    if not (child := os.fork()):
        os.chdir(tree)
        sys.path[:0] = [str(tree), str(tree / "tests")]
        os.environ["PYTHONPATH"] = str(tree)
        sys.dont_write_bytecode = True
        file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        names = [f"tests/test_{name}.py" for name in tests.split()]
        options = ["-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--tb=no"]
        os._exit(pytest.main([*options, *names]))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            lines = re.findall(r"^(?:FAILED|ERROR) (\S+)", out.read_text(errors="replace"), re.M)
            return (lines or ["error"])[0] if status else None
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "time"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("(")[0])
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", type=int, default=0, dest="first", help="go on at this mutant")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    asked = parser.parse_args()
    end = time.monotonic() + 60 * asked.minutes
    every = mutants()
    sample = random.Random(asked.seed).sample(every, min(asked.sample, len(every)))
    for name in IMPORTED.split():
        import_module(name)
    import_module("torch").set_num_threads(1)
    counts = Counter()
    with TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        hidden = shutil.ignore_patterns(".*", "runs", "build", "__pycache__")
        shutil.copytree(ROOT, tree, ignore=hidden, symlinks=True)
        for tests in () if asked.first else set(TESTS.values()):
            assert not (test := noticed(tree, tests, 600)), f"{test} fails without a mutant"
        for number, (path, what, content, tests) in enumerate(sample[asked.first :], asked.first):
            if time.monotonic() > end:
                print(f"stopped: go on with --from {number}")
                break
            (tree / path).write_text(content)
            began, test = time.monotonic(), noticed(tree, tests, 240)
            shutil.copy(ROOT / path, tree / path)
            counts["noticed" if test else "survived"] += 1
            print(
                f"{number} {path}:{what}: {test or 'SURVIVED'} ({time.monotonic() - began:.0f} s)",
                flush=True,
            )
    print(f"{dict(counts)} of {len(every)} mutants", flush=True)


if __name__ == "__main__":
    main()
