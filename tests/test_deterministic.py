"""The deterministic mode: nothing is computed in an order that a GPU makes up."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from noise import noise_folders
from test_new_methods import METHODS
from test_run import TINY
from torch.utils._python_dispatch import TorchDispatchMode

from cclgan_lite.networks import norm_relu_conv
from cclgan_lite.networks.embedder import build_embedder
from cclgan_lite.training import deterministic as mode
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import Trainer, train

# What PyTorch knows on GPUs in no ordered way: torch.use_deterministic_algorithms.
UNORDERED = ("reflection_pad", "_aa_backward", "adaptive_avg_pool2d_b", "avg_pool3d", "median")
UNORDERED += ("fractional", "unpool", "ctc", "histc", "bincount", "kthvalue", "put_")
UNORDERED += ("nll_loss2d", "grid_sampl")


@pytest.mark.parametrize("padding", [[1, 1, 1, 1], [3, 0, 2, 1]])
def test_reflection(padding):
    x = torch.randn(2, 3, 5, 7, requires_grad=True)
    direct = F.pad(x, padding, mode="reflect")
    weights = torch.randn_like(direct)
    with mode.deterministic(True):
        ours = F.pad(x, padding, mode="reflect")
    assert torch.equal(ours, direct)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (ours, direct)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    "operation",
    [
        partial(F.interpolate, mode="bilinear", antialias=True),
        partial(F.interpolate, mode="bicubic", antialias=True),
        F.adaptive_avg_pool2d,
    ],
)
@pytest.mark.parametrize("size", [(4, 9), (12, 5), (8, 3)])
def test_resizing(operation, size):
    x = torch.randn(2, 3, 8, 7, requires_grad=True)
    direct = operation(x, size)
    weights = torch.randn_like(direct)
    with mode.deterministic(True), Seen() as seen:
        ours = operation(x, size)
    assert "bmm.default" in seen.names
    torch.testing.assert_close(ours, direct)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (ours, direct)]
    torch.testing.assert_close(*gradients)


def test_resizing_that_does_not_average_is_left_alone():
    x = torch.randn(1, 1, 4, 4, requires_grad=True)
    with mode.deterministic(True), Seen() as seen:
        ours = F.interpolate(x, scale_factor=2, mode="bilinear")
    assert "bmm.default" not in seen.names
    torch.testing.assert_close(ours, F.interpolate(x, scale_factor=2, mode="bilinear"))


class Seen(TorchDispatchMode):
    """The names of all operations, those of backward passes too."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.__name__)
        return function(*args, **(kwargs or {}))


def operations(method, on: bool) -> set[str]:
    trainer = Trainer(Config(method=method), 10, torch.device("cpu"))
    batch = {name: torch.rand(1, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    with Seen() as seen, mode.deterministic(on):
        trainer.train_step(batch)
    return {name for name in seen.names if any(part in name for part in UNORDERED)}


WITH_EMBEDDER = replace(TINY.method, embedder="tiny-rain-clip")
ALL = {"CCLGAN": TINY.method, "CLIP": WITH_EMBEDDER} | {n: m for n, (m, _) in METHODS.items()}


@pytest.mark.parametrize("method", ALL.values(), ids=ALL)
def test_no_step_sums_in_any_order(method, monkeypatch):
    monkeypatch.setattr(norm_relu_conv, "_pays", lambda x: False)  # as on a GPU
    assert not operations(method, True)


def test_what_a_gpu_would_sum_in_any_order_is_seen(monkeypatch):
    monkeypatch.setattr(norm_relu_conv, "_pays", lambda x: False)
    found = "".join(operations(WITH_EMBEDDER, False))
    assert "reflection_pad2d_backward" in found
    side = build_embedder("tiny-rain-clip").size[0]
    assert side == 48 or "_aa_backward" in found


def test_an_operation_without_an_ordered_way_is_told():
    with pytest.raises(ValueError, match="fancy_cuda does not.*leave out --deterministic"):
        with mode.deterministic(True):
            raise RuntimeError("fancy_cuda does not have a deterministic implementation. You ...")
    assert not torch.are_deterministic_algorithms_enabled()


def test_on_a_cpu_nothing_changes(tmp_path):
    folders = noise_folders(tmp_path)
    config = replace(TINY, steps=4)
    usual = train(config, *folders, tmp_path / "usual", "cpu").history()
    ordered = train(replace(config, deterministic=True), *folders, tmp_path / "ordered", "cpu")
    for one, other in zip(usual, ordered.history(), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.slow
def test_another_processor_computes_the_same_up_to_rounding(tmp_path):
    """The first row of losses with the instructions of a machine without vectors."""
    folders = noise_folders(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from dataclasses import replace\n"
        "from test_run import TINY\n"
        "from cclgan_lite.training.trainer import train\n"
        "run = train(replace(TINY, steps=2), *sys.argv[2:5], 'cpu')\n"
        "print(run.history()[0])\n"
    )
    rows = []
    for name, changed in {
        "here": {},
        "old": {"ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41"},
    }.items():
        command = [sys.executable, "-c", code, str(Path(__file__).parent), *map(str, folders)]
        done = subprocess.run(
            [*command, str(tmp_path / name)],
            env=os.environ | changed,
            capture_output=True,
            text=True,
            check=True,
        )
        rows.append(eval(done.stdout.splitlines()[-1]))
    assert rows[0] == pytest.approx(rows[1], rel=1e-3)
