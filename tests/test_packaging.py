"""One place for each fact: packaging files agree with each other and with the package."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [
    Requirement(r) for r in PROJECT["dependencies"] + [r for e in EXTRAS.values() for r in e]
]

# Places that may also import what an extra installs.
OPTIONAL = {
    "course": "notebooks",
    "../data_scripts/prepare": "data",
    "evaluation/extras.py": "extras",
    "inference/export.py": "onnx",
}


def test_environment_yml_installs_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    tested = PROJECT["requires-python"].removeprefix(">=")  # the Python of constraints.txt
    assert f"python={tested}" in environment["dependencies"]
    (pip,) = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert f"-e .[{','.join(e for e in EXTRAS if e != 'extras')}]" in pip  # those are heavy
    assert "-c constraints.txt" in pip


def test_lower_bounds_and_no_upper_pins():
    for requirement in REQUIREMENTS:
        operators = {s.operator for s in requirement.specifier}
        assert operators == {">="}, f"{requirement}: a lower bound and nothing else"


def test_constraints_hold_every_requirement():
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    pinned = {name.lower().replace("_", "-"): Version(v) for name, v in pinned.items()}
    for requirement in REQUIREMENTS:
        name = requirement.name.lower().replace("_", "-")
        assert pinned[name] in requirement.specifier, requirement


def imports(path: Path) -> set[str]:
    """The top-level modules that a file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module.split(".")[0])
    return modules


def test_every_import_is_declared():
    """What the package imports is what pyproject.toml asks for, and the other way round."""
    names = {
        "PIL": "pillow",
        "skimage": "scikit-image",
        "open_clip": "open-clip-torch",
        "huggingface_hub": "huggingface-hub",
        "lazy_loader": "lazy-loader",
    }

    def imported(paths) -> set[str]:
        return {
            names.get(module, module).lower()
            for path in paths
            for module in imports(path)
            if module not in sys.stdlib_module_names | {"cclgan_lite", "prepare"}
        }

    def declared(requirements) -> set[str]:
        return {Requirement(r).name.replace("_", "-") for r in requirements}

    package = ROOT / "cclgan_lite"
    base, optional = declared(PROJECT["dependencies"]), set()
    for place, extra in OPTIONAL.items():
        files = set((package / place).rglob("*.py")) or {package / place}
        assert imported(files) - base <= declared(EXTRAS[extra]), place
        optional |= files
    assert imported(set(package.rglob("*.py")) - optional) == base


def test_imports_run_in_one_direction():
    order = [
        "device",
        "files",
        "templates",
        "validation",
        "networks",
        "data",
        "losses",
        "methods",
        "serialization",
        "inference",
        "training",
        "recipes",
        "evaluation",
        "demo",
        "course",
        "cli",
    ]
    allowed = {layer: set(order[: i + 1]) for i, layer in enumerate(order)}
    allowed["networks"] = {"validation", "networks"}
    allowed["data"] = {"files", "validation", "data"}
    allowed["losses"] = {"validation", "networks", "losses"}
    for path in (ROOT / "cclgan_lite").rglob("*.py"):
        layer = path.relative_to(ROOT / "cclgan_lite").parts[0].removesuffix(".py")
        if layer in allowed:
            used = set(re.findall(r"(?:from|import) cclgan_lite\.(\w+)", path.read_text()))
            assert used <= allowed[layer], f"{path.name} imports {used - allowed[layer]}"


def test_importing_the_package_is_light():
    code = "import cclgan_lite, sys; print(cclgan_lite.__version__, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == [PROJECT["version"], "False"]
