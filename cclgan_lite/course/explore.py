"""The one widget of the lessons: controls and a picture that follows them.

Core ipywidgets and a PNG inside HTML, because that works in JupyterLab, VS Code and Colab alike
and carries alternative text. The first picture is stored, for readers without a kernel.
"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure

from cclgan_lite.course.controls import choice, slider
from cclgan_lite.course.figures import img

RUN = "To move the controls, run this lesson: in Colab, or on your computer with make lab."


def explore(draw: Callable[..., Figure], alt: str, **controls) -> None:
    """Show `draw(**values)` and redraw it when a control moves.

    Args:
        draw: returns a figure; called with the value of each control by name.
        alt: the picture's alternative text; the values are appended.
        controls: name = (low, high, step, start) for a slider with a number box, or a list of
            choices.
    """
    boxes, rows = {}, []
    for name, control in controls.items():
        label = name.replace("_", " ")
        if isinstance(control, list):
            row, boxes[name] = choice(label, [(str(option), option) for option in control])
        else:
            row, boxes[name] = slider(label, *control)
        rows.append(row)
    picture = ipywidgets.HTML()

    def redraw(_=None) -> None:
        values = {name: box.value for name, box in boxes.items()}
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        picture.value = img(draw(**values), f"{alt} ({said})")

    for box in boxes.values():
        box.observe(redraw, "value")
    redraw()
    show_widget(ipywidgets.VBox([*rows, picture]), picture.value)


def show_widget(widget: ipywidgets.Widget, picture: str = "", how: str = RUN) -> None:
    """Display a widget. Readers without a kernel see `picture`, HTML, and the line `how`."""
    view = {"model_id": widget.model_id, "version_major": 2, "version_minor": 0}
    bundle = {
        "application/vnd.jupyter.widget-view+json": view,  # preferred where there is a kernel
        "text/html": f"{picture}<p><em>{how}</em></p>",
        "text/plain": how,
    }
    display(bundle, raw=True)
