"""The one widget of the lessons: controls and a picture that follows them.

Core ipywidgets and a PNG inside HTML, because that works in JupyterLab, VS Code and Colab alike
and carries alternative text.
"""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure

from cclgan_lite.course.controls import choice, slider
from cclgan_lite.course.figures import img

# What readers without a kernel see in place of the widget.
STATIC = "Run the notebook to move the controls; the figure beside them shows some settings."


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
    show_widget(ipywidgets.VBox([*rows, picture]), STATIC)


def show_widget(widget: ipywidgets.Widget, static: str) -> None:
    """Display a widget; readers without a kernel see the text `static` in its place."""
    view = {"model_id": widget.model_id, "version_major": 2, "version_minor": 0}
    display({"application/vnd.jupyter.widget-view+json": view, "text/plain": static}, raw=True)
