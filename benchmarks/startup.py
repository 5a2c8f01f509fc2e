"""Seconds until a new process has imported things, and what the lessons took when last run.

python benchmarks/startup.py --json startup.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from timing import compare, table, write

IMPORTS = {
    "torch": "import torch",
    "cclgan_lite": "import cclgan_lite",
    "derain": "from cclgan_lite.inference.derain import derain_image",
    "train": "from cclgan_lite.training.trainer import train",
    "command line": "from cclgan_lite import cli",
}
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def lessons() -> dict[str, dict]:
    """`{lesson: {profile: what its notebook's metadata say was measured}}`."""
    return {
        path.stem: json.loads(path.read_text("utf-8"))["metadata"]["cclgan_lite"]["measured"]
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    runs = {
        name: partial(subprocess.run, [sys.executable, "-c", code], check=True)
        for name, code in IMPORTS.items()
    }
    results = compare(runs, asked.rounds)
    print(table(results))
    for lesson, measured in lessons().items():
        print(f"{lesson}: {measured}")
    write(asked.json, {"imports": results, "lessons": lessons()})


if __name__ == "__main__":
    main()
