"""The lessons are tested in the profile that takes seconds."""

import os

os.environ.setdefault("CCLGAN_PROFILE", "ci")
