"""The lessons are tested in the profile that takes seconds."""

import os

os.environ.setdefault("CCLGAN_PROFILE", "ci")
# Threads that wait for each other sleep: on a busy machine spinning ones cost a factor of ten.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
