"""Keep the lessons in order: run, stamp, measure, check.

    python notebooks/lessons.py run            execute every lesson and store what it shows
    python notebooks/lessons.py run 03 05      only these
    python notebooks/lessons.py run --profile ci    measure another profile, store no outputs
    python notebooks/lessons.py check          what is wrong with the stored notebooks
    python notebooks/lessons.py table          code cells, words, times, memory, exercises

`run` is the only way a lesson is saved: it stamps the badge and the set-up cell, executes, and
normalises (counts 1..n, cell ids from the content, no widget state, no time stamps), so that
differences between two versions are differences of content. Stored outputs are those of profile
cpu; what varies between profiles and machines stands behind the sign ≈, where `nbval.cfg` hides
it from the comparison.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import time
import tomllib
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Repository"]  # forks change it there and run `stamp`
STORED = "cpu"  # the profile whose outputs are kept
CELL_TIMEOUT = 600  # seconds
LARGEST = 3_000_000  # bytes of a notebook file

BADGE = (
    "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    "(https://colab.research.google.com/github/{path}/blob/main/notebooks/{name})"
)
SETUP = """\
# Set-up, the same in every lesson.
import importlib.util
import subprocess
import sys
from importlib.metadata import version

spec = importlib.util.find_spec("cclgan_lite")
if spec is None or spec.origin is None:  # nothing, or a mere folder of the name
    if "google.colab" not in sys.modules:
        raise ModuleNotFoundError(
            "cclgan_lite is not installed in this kernel: see Start in README.md"
        )
    with open("kept.txt", "w") as file:  # Colab's builds and widgets stay
        for name in ("torch", "torchvision", "numpy"):
            print(f"{{name}}=={{version(name)}}", file=file)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "-c", "kept.txt",
         "cclgan_lite @ git+{repository}"],
        check=True,
    )
    importlib.invalidate_caches()
for name in ("torch", "matplotlib", "ipywidgets"):
    if importlib.util.find_spec(name) is None:
        raise ModuleNotFoundError(
            f"{{name}} is not installed in this kernel: see Start in README.md"
        )
print("cclgan_lite is ready")"""
MEASURED = re.compile(r"<!-- measured -->.*?<!-- /measured -->", re.DOTALL)
MEMORY = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
PROGRESS = re.compile(r"^.*(\d+%\|.*\||\d+(it|s/it| ?[a-z]+) \[).*$")
ABSOLUTE = re.compile(r"(?<![\w.])/(?:home|root|tmp|Users|work|opt|mnt)/\S*|\b[A-Z]:\\\w+")


def lessons(*numbers: str) -> list[Path]:
    """The lessons in order, or those whose two-digit numbers are given."""
    found = sorted(HERE.glob("[0-9][0-9]-*.ipynb"))
    if unknown := set(numbers) - {path.name[:2] for path in found}:
        raise SystemExit(f"no lesson {', '.join(sorted(unknown))} in {HERE}")
    return [path for path in found if not numbers or path.name[:2] in numbers]


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


# Stamping: what is the same in every lesson stands here once.


def stamp(notebook: NotebookNode, name: str) -> None:
    """Write the badge below the title, the set-up cell and the table of measured costs."""
    title, _, rest = notebook.cells[0].source.partition("\n")
    rest = re.sub(r"^\s*\[!\[Open in Colab\].*\n?", "", rest).strip("\n")
    badge = BADGE.format(path=REPOSITORY.removeprefix("https://github.com/"), name=name)
    notebook.cells[0].source = f"{title}\n\n{badge}\n\n{rest}"
    for cell in tagged(notebook, "setup"):
        cell.source = SETUP.format(repository=REPOSITORY)
    measured = notebook.metadata.get("cclgan_lite", {}).get("measured", {})
    table = costs(measured)
    for cell in notebook.cells[:3]:
        cell.source = MEASURED.sub(lambda _: table, cell.source)


def restamp(path: Path) -> None:
    """Stamp a stored lesson without running it: what the set-up cell does here stays the same.

    The seal is renewed only where it was whole.
    """
    notebook = read(path)
    whole = digest(notebook) == notebook.metadata.get("cclgan_lite", {}).get("digest")
    stamp(notebook, path.name)
    identify(notebook)
    if whole:
        notebook.metadata["cclgan_lite"]["digest"] = digest(notebook)
    nbformat.write(notebook, path)


def costs(measured: dict) -> str:
    """The table of time and memory per profile that was measured, for the head of a lesson."""
    lines = ["<!-- measured -->", "| profile | time | peak memory | on |", "|---|---|---|---|"]
    for profile in ("cpu", "ci", "gpu"):
        if found := measured.get(profile):
            memory = f"{found['memory_mb'] / 1000:.1f} GB"
            lines.append(f"| `{profile}` | {found['seconds']} s | {memory} | {found['on']} |")
    return "\n".join([*lines, "<!-- /measured -->"])


# Running


def run(path: Path, profile: str) -> None:
    """Execute a lesson; in profile cpu keep its outputs, in others only what it cost."""
    notebook = read(path)
    stamp(notebook, path.name)
    seconds, memory = execute(notebook, profile, path.parent)
    measured = notebook.metadata.get("cclgan_lite", {}).get("measured", {})
    measured[profile] = {"seconds": seconds, "memory_mb": memory, "on": hardware(profile)}
    if profile != STORED:
        measured_here, notebook = measured, read(path)
        notebook.metadata.setdefault("cclgan_lite", {})["measured"] = measured_here
    else:
        notebook.metadata["cclgan_lite"] = {"measured": measured}
        normalise(notebook)
        notebook.metadata["cclgan_lite"]["digest"] = digest(notebook)
    stamp(notebook, path.name)
    identify(notebook)
    nbformat.write(notebook, path)
    print(f"{path.name}: {profile} {seconds} s, {memory} MB, {path.stat().st_size / 1e6:.1f} MB")


def execute(notebook: NotebookNode, profile: str, folder: Path) -> tuple[int, int]:
    """Run all cells in place, in `folder`; seconds and the kernel's peak memory in MB."""
    os.environ["CCLGAN_PROFILE"] = profile
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        start = time.perf_counter()
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        seconds = time.perf_counter() - start
        memory = nbformat.v4.new_code_cell(MEMORY)
        notebook.cells.append(memory)
        client.execute_cell(memory, len(notebook.cells) - 1)
        notebook.cells.pop()
    kilobytes = int(memory.outputs[0].text)
    return round(seconds), round(kilobytes / 1000)


def hardware(profile: str) -> str:
    import torch

    if profile in ("gpu", "full") and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores"


def normalise(notebook: NotebookNode) -> None:
    """What does not belong to the content goes; the rest gets one form."""
    notebook.metadata = NotebookNode(
        cclgan_lite=notebook.metadata["cclgan_lite"],
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
    )
    for count, cell in enumerate(code_cells(notebook), 1):
        cell.execution_count = count
        cell.outputs = [output for output in map(_tidy, cell.outputs) if output]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = NotebookNode(tags=tags) if tags else NotebookNode()


def _tidy(output: NotebookNode) -> NotebookNode | None:
    """An output without progress bars and without the random names of widgets."""
    if output.output_type == "stream" and output.name == "stderr":
        lines = re.split(r"[\r\n]+", output.text)
        output.text = "\n".join(line for line in lines if line and not PROGRESS.match(line))
        return output if output.text else None
    if "data" in output:
        output.data.pop("application/vnd.jupyter.widget-view+json", None)
        output.metadata = NotebookNode()
    return output


def identify(notebook: NotebookNode) -> None:
    """Cell ids from the content: the same cell keeps its id wherever it moves."""
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"


def digest(notebook: NotebookNode) -> str:
    """A seal on code and outputs: it breaks where either is edited without running."""
    content = [[cell.source, cell.outputs] for cell in code_cells(notebook)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# Checking


def problems(path: Path) -> list[str]:
    """What is wrong with a stored lesson, a line each."""
    notebook, found = read(path), []
    cells = code_cells(notebook)
    outputs = [output for cell in cells for output in cell.outputs]
    html = [output.data.get("text/html", "") for output in outputs if "data" in output]
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]

    if [cell.execution_count for cell in cells] != list(range(1, len(cells) + 1)):
        found.append("not executed in order")
    if any(speaks(cell.source) and not cell.outputs for cell in cells):
        found.append("outputs are stripped")
    if digest(notebook) != notebook.metadata.get("cclgan_lite", {}).get("digest"):
        found.append("code or outputs were edited after the last run")
    stamped = read(path)
    stamp(stamped, path.name)
    identify(stamped)
    if [(c.id, c.source) for c in stamped.cells] != [(c.id, c.source) for c in notebook.cells]:
        found.append("not stamped: badge, set-up cell, measured costs or cell ids")
    if "widgets" in notebook.metadata or any(set(c.metadata) - {"tags"} for c in notebook.cells):
        found.append("not normalised: widget state or cell metadata")
    if path.stat().st_size > LARGEST:
        found.append(f"over {LARGEST / 1e6:.0f} MB")

    for output in outputs:
        if output.output_type == "error" or output.get("name") == "stderr":
            found.append(f"an error or a warning is stored: {str(output)[:200]}")
        if any(kind.startswith("image/") for kind in output.get("data", {})):
            found.append("a figure without alternative text: use show(figure, alt=...)")
    for text in prose + html:
        for tag in re.findall(r"<img\b[^>]*>", text):
            if not re.search(r'alt="[^"]{20,}"', tag):
                found.append("an <img> without alternative text of 20 characters")
    for text in prose:
        if any(len(alt) < 10 for alt in re.findall(r"!\[([^\]]*)\]", text)):
            found.append("a picture in the text without alternative text")
        for link in re.findall(r"\]\(([^)#\s]+)", text):
            if not re.match(r"https?:|mailto:", link) and not (path.parent / link).exists():
                found.append(f"a broken link: {link}")
    said = (
        [c.source for c in notebook.cells]
        + [o.get("text", "") for o in outputs]
        + [re.sub(r"base64,[^\"]*", "", text) for text in html]
    )
    for text in said:
        found += [f"an absolute path: {place}" for place in ABSOLUTE.findall(text)]
        if os.uname().nodename in text.split():
            found.append("the name of a machine")
    return found


def speaks(source: str) -> bool:
    """Whether a cell surely shows something."""
    return bool(re.search(r"^(show|claim|print|explore|check_\w+)\(", source, re.MULTILINE))


def statistics(path: Path) -> dict[str, object]:
    """One row of the table of lessons."""
    notebook = read(path)
    text = " ".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    code = "\n".join(c.source for c in code_cells(notebook))
    measured = notebook.metadata.get("cclgan_lite", {}).get("measured", {})
    return {
        "lesson": path.stem,
        "code cells": len(code_cells(notebook)),
        "words": len(re.findall(r"\b[A-Za-z]{2,}\b", text)),
        "cpu s": measured.get("cpu", {}).get("seconds"),
        "ci s": measured.get("ci", {}).get("seconds"),
        "peak MB": max((m["memory_mb"] for m in measured.values()), default=None),
        "figures": str(notebook).count("<img alt="),
        "claims": len(re.findall(r"^\s*claim\(", code, re.MULTILINE)),
        "exercises": len(tagged(notebook, "exercise")),
        "checks": len(re.findall(r"^check_\w+\(", code, re.MULTILINE)),
        "MB": round(path.stat().st_size / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=("run", "stamp", "check", "table"))
    parser.add_argument("numbers", nargs="*", help="two-digit numbers of lessons; default: all")
    parser.add_argument("--profile", default=STORED, choices=("ci", "cpu", "gpu", "full"))
    asked = parser.parse_args()
    paths = lessons(*asked.numbers)
    if asked.command == "run":
        for path in paths:
            run(path, asked.profile)
    elif asked.command == "stamp":
        for path in paths:
            restamp(path)
    elif asked.command == "check":
        found = [f"{path.name}: {problem}" for path in paths for problem in problems(path)]
        sys.exit("\n".join(found) or 0)
    else:
        rows = [statistics(path) for path in paths]
        print("| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|")
        for row in rows:
            print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
