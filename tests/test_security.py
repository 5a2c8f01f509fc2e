"""Nothing from a stranger is executed, and nothing is asked of the network unasked."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from noise import noise_folders
from test_run import TINY

from cclgan_lite import cli
from cclgan_lite.training.run import Run

ROOT = Path(__file__).parents[1]


class Trap:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def trap(tmp_path) -> Trap:
    return Trap(tmp_path / "sprung")


def hostile(path: Path, trap: Trap) -> None:
    """A pickle of the trap, in the manner of the file's suffix."""
    if path.suffix == ".npy":
        np.save(path, np.array([trap], dtype=object), allow_pickle=True)
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(trap))
    else:
        torch.save({"state": trap}, path)


@pytest.mark.parametrize(
    "name", ["a.pth", "a.npy", "a.pkl", "a.safetensors", "latest_net_G_A.pth"]
)
def test_hostile_weights_are_never_unpickled(tmp_path, trap, name):
    noise_folders(tmp_path)
    hostile(tmp_path / name, trap)
    for command in (
        ["derain", str(tmp_path / "rainy"), "--out", str(tmp_path / "out")],
        ["evaluate", "--rainy", str(tmp_path / "rainy"), "--clean", str(tmp_path / "clean")],
    ):
        with pytest.raises(SystemExit, match=name):
            cli.main([*command, "--weights", str(tmp_path / name)])
    assert not trap.path.exists()


def test_hostile_checkpoints_are_never_unpickled(tmp_path, trap, monkeypatch):
    run = Run.create(tmp_path / "run", TINY, *noise_folders(tmp_path))
    save = torch.save
    monkeypatch.setattr(torch, "save", lambda state, path: save({"step": trap}, path))
    run.save(2, {"x": torch.ones(1)}, {})
    with pytest.raises(SystemExit, match="000002 cannot be read"):
        cli.main(["train", "--resume", "--out", str(run.folder)])
    assert not trap.path.exists()


def test_nothing_asks_for_pickles():
    """No `pickle`, and no loader that would take one, anywhere in what is installed."""
    for path in ROOT.glob("cclgan_lite/**/*.py"):
        for line in path.read_text().splitlines():
            assert "import pickle" not in line and "allow_pickle=True" not in line, path
            assert "torch.load(" not in line or "weights_only=True" in line, path


def test_imports_ask_nothing_of_the_network():
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): sys.exit('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import cclgan_lite.cli, cclgan_lite.demo, cclgan_lite.training.trainer\n"
        "import cclgan_lite.networks.embedder, cclgan_lite.evaluation.extras\n"
        "import cclgan_lite.course.explore\n"
        "from cclgan_lite.networks.embedder import build_embedder\n"
        "build_embedder('tiny-rain-clip')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_a_home_that_cannot_be_written_to_costs_nothing(tmp_path):
    noise_folders(tmp_path)
    gone = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere", "TMPDIR": str(tmp_path)}
    for changed in (gone, {"HOME": None}):
        env = {k: v for k, v in (os.environ | changed).items() if v is not None}
        command = ["derain", str(tmp_path / "rainy"), "--out", str(tmp_path / "out")]
        subprocess.run(
            [sys.executable, "-m", "cclgan_lite", *command],
            env=env,
            cwd=tmp_path,
            check=True,
            timeout=300,
        )
