"""Shared fixtures. Real photographs are used where they lie beside the project, never needed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # one thread for each worker, before torch starts its own
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

settings.register_profile(
    "ci",
    max_examples=60,
    derandomize=True,  # the same cases each time; the campaign draws its own
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
settings.register_profile(
    "campaign", settings.get_profile("ci"), max_examples=13_000, derandomize=False
)
settings.load_profile("ci")

DATA = Path(os.environ.get("CCLGAN_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def rain100l() -> Path:
    folder = DATA / "rain100L"
    if not folder.is_dir():
        pytest.skip("Rain100L is not here; set CCLGAN_DATA to the folder that holds rain100L/")
    return folder
