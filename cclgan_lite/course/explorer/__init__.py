"""The loss-weight explorer of lesson 08: what each loss wants, and what its weight does.

setting.py      what the controls say
checkpoint.py   a run that is half-way, shipped
gradients.py    what each loss wants of the derained picture, exact for any weights
lab.py          train a little, with weights of one's choice
atlas.py        finished small runs, shipped
views.py        HTML and PNGs of all that
widgets.py      the controls
overview.py     all finished runs in one figure
"""

from cclgan_lite.course.explorer.atlas import Atlas
from cclgan_lite.course.explorer.overview import atlas_figure
from cclgan_lite.course.explorer.setting import Setting
from cclgan_lite.course.explorer.widgets import (
    ablation_atlas,
    gradients_of,
    loss_explorer,
    opened,
)

__all__ = [
    "Atlas",
    "Setting",
    "ablation_atlas",
    "atlas_figure",
    "gradients_of",
    "loss_explorer",
    "opened",
]
