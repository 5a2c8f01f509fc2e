"""What the lessons share: profiles, claims, figures with alt text, scenes, checks of exercises.

from cclgan_lite.course import claim, show

profiles.py    how much work a lesson does: ci, cpu, gpu, full
claims.py      statements that are tested where they are made
figures.py     the one way to show a figure
explore.py     the one widget
scenes.py      pictures to learn with
exercises.py   checks that name the mistake; `checks/` has those of each lesson
"""

from cclgan_lite.course.claims import claim
from cclgan_lite.course.exercises import Wrong, check
from cclgan_lite.course.explore import explore, show_widget
from cclgan_lite.course.figures import img, pictures, show
from cclgan_lite.course.profiles import pick, profile, progress
from cclgan_lite.course.scenes import scene_pairs, unpaired_scenes

__all__ = [
    "Wrong",
    "check",
    "claim",
    "explore",
    "img",
    "pick",
    "pictures",
    "profile",
    "progress",
    "scene_pairs",
    "show",
    "show_widget",
    "unpaired_scenes",
]
