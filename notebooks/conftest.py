"""The lessons are tested in the profile that takes seconds."""

import os
from pathlib import Path

os.environ.setdefault("CCLGAN_PROFILE", "ci")
# Threads that wait for each other sleep: on a busy machine spinning ones cost a factor of ten.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_configure(config):
    """In pytest.ini the path would be looked up in the current folder."""
    config.option.nbval_sanitize_with = str(Path(__file__).with_name("nbval.cfg"))
