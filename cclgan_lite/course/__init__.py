"""What the lessons share: profiles, claims, figures with alt text, scenes, checks of exercises.

from cclgan_lite.course import claim, show

profiles.py    how much work a lesson does: ci, cpu, gpu, full
claims.py      statements that are tested where they are made, and predictions
figures.py     the one way to show a figure
explore.py     the one widget
scenes.py      pictures to learn with
loss_log.py    the run that grows through the lessons, a loss at a time
long_run.py    the long run of lesson 09, stored
suspect.py, judge_space.py (07), small_run.py, audit.py (08), watch.py (09), exam.py (10),
siblings.py (11), beyond.py (12)
               experiments of single lessons
exercises.py   checks that name the mistake; `checks/` has those of each lesson
welcome.py, first_controls.py (00), damage.py (01), fields.py (02), judging.py (03),
hiding.py (04), places.py (05), clip_space.py (06)
               plumbing of the first lessons
schematic.py   a drawing of boxes and arrows
"""

from cclgan_lite.course.claims import claim, compare
from cclgan_lite.course.exercises import Wrong, check
from cclgan_lite.course.explore import explore, show_widget
from cclgan_lite.course.figures import img, pictures, show
from cclgan_lite.course.loss_log import show_log
from cclgan_lite.course.profiles import pick, profile, progress
from cclgan_lite.course.scenes import scene_pairs, unpaired_scenes

__all__ = [
    "Wrong",
    "check",
    "claim",
    "compare",
    "explore",
    "img",
    "pick",
    "pictures",
    "profile",
    "progress",
    "scene_pairs",
    "show",
    "show_log",
    "show_widget",
    "unpaired_scenes",
]
