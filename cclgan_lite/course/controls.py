"""Labelled controls that a keyboard and a screen reader can use, in JupyterLab, VS Code and Colab.

A slider's handle has no accessible name, so that each slider has a labelled number box beside it.
JupyterLab keeps the arrow keys of menus to itself, so that choices are buttons.
"""

from __future__ import annotations

import ipywidgets

LABEL = {"description_width": "8.5em"}


def slider(
    label: str, low: float, high: float, step: float, value: float, follow: bool = False
) -> tuple[ipywidgets.HBox, ipywidgets.Widget]:
    """(number box and slider in a row, the box that holds the value).

    Whole numbers if all of the four are. With `follow`, the value changes while the handle is
    dragged, otherwise when it is let go.
    """
    whole = all(isinstance(number, int) for number in (low, high, step, value))
    handle, box = (
        (ipywidgets.IntSlider, ipywidgets.BoundedIntText)
        if whole
        else (ipywidgets.FloatSlider, ipywidgets.BoundedFloatText)
    )
    range_ = {"min": low, "max": high, "step": step, "value": value}
    handle = handle(**range_, readout=False, continuous_update=follow, layout={"width": "15em"})
    box = box(**range_, description=label, layout={"width": "14.5em"}, style=LABEL)
    ipywidgets.link((handle, "value"), (box, "value"))
    return ipywidgets.HBox([box, handle]).add_class("cclgan-control"), box


def choice(
    label: str, options: list[tuple[str, object]]
) -> tuple[ipywidgets.HBox, ipywidgets.ToggleButtons]:
    """(label and a button for each (text, value) in a row, the buttons that hold the value)."""
    buttons = ipywidgets.ToggleButtons(
        options=options,
        tooltips=[f"{label}: {text}" for text, _ in options],
        style={"button_width": "auto"},
        layout={"width": "auto"},
    )
    name = ipywidgets.HTML(
        f'<div style="text-align: right">{label}</div>',
        layout={"width": LABEL["description_width"]},
    )
    return ipywidgets.HBox([name, buttons]), buttons
