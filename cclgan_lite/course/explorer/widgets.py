"""The explorer's controls: a thin layer over what its neighbours compute.

An explorer lives as long as the kernel, under its name: running a cell again shows the same one,
with its sliders and its training where they were. Different names do not know of each other.
Nothing here runs in a thread: training hands over to the event loop after every step, so that the
stop button is heard and two explorers take turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import fields
from functools import cache, lru_cache
from html import escape

import ipywidgets
import numpy as np
import torch

from cclgan_lite.course.controls import LABEL, choice, slider
from cclgan_lite.course.explore import show_widget
from cclgan_lite.course.explorer.atlas import AXES, PAPER, Atlas, title_of
from cclgan_lite.course.explorer.checkpoint import SHIPPED, load_networks
from cclgan_lite.course.explorer.gradients import GENERATORS, LossGradients, loss_gradients
from cclgan_lite.course.explorer.lab import HELD_OUT, SIZE, Lab, mean_scores
from cclgan_lite.course.explorer.setting import LOSSES, TITLES, Setting
from cclgan_lite.course.explorer.views import (
    PAGE,
    TILE,
    cosine_table,
    curves,
    heat,
    photo,
    png,
    scale_of,
    share_table,
)
from cclgan_lite.course.scenes import scene_pairs

SCENES = 8
# (lowest, highest, step) of each slider; the recipe's and the paper's weights lie on its steps.
RANGES = {
    "adversarial": (0.0, 4.0, 0.1),
    "lcl": (0.0, 4.0, 0.1),
    "intra": (0.0, 2.0, 0.05),
    "inter": (0.0, 0.1, 0.005),
    "identity": (0.0, 4.0, 0.1),
    "rederain": (0.0, 20.0, 0.5),
    "temperature": (0.03, 0.5, 0.01),
    "fake_weight": (0.0, 2.0, 0.1),
}
LABELS = TITLES | {"temperature": "temperature τ", "fake_weight": "fake negatives"}
PAPERS = Setting(**PAPER, adversarial=1.0, identity=0.0, rederain=0.0)
_WRAP = {"flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "0 8px"}


def loss_explorer(name: str = "explorer") -> None:
    """Show the explorer called `name`; it is made when the name is first heard."""
    explorer = opened(name)
    show_widget(explorer.widget, explorer.pictures)


@cache
def opened(name: str) -> LossExplorer:
    """The explorer called `name`, for instance to ask for its `setting`."""
    return LossExplorer()


def ablation_atlas(name: str = "atlas") -> None:
    """Show the finished runs; as with explorers, a name is a panel of its own."""
    atlas = _atlas(name)
    show_widget(atlas.widget, atlas.picture.value)


@cache
def _atlas(name: str) -> AtlasPanel:
    return AtlasPanel(Atlas.read())


class LossExplorer:
    """Sliders for eq. 11, and what they do: to the gradients, and to a short training."""

    def __init__(self):
        self.boxes, rows = {}, {}
        for key, range_ in RANGES.items():
            now = key in LOSSES  # linear: no need to wait for the end of a drag
            start = getattr(Setting(), key)
            rows[key], self.boxes[key] = slider(LABELS[key], *range_, start, follow=now)
        row_form, self.form = choice("form of CCL", [("ratio", "ratio"), ("InfoNCE", "infonce")])
        self.scene = ipywidgets.BoundedIntText(
            1, min=1, max=SCENES, description="scene", layout={"width": "14.5em"}, style=LABEL
        )
        row_step, self.length = slider("step length", 0.0, 32.0, 1.0, 8.0, follow=True)
        row_scale, self.scale = choice("scale of maps", [("own", False), ("common", True)])
        row_whose, self.whose = choice("parameters of", [(name, name) for name in GENERATORS])
        recipe, paper = _button("Recipe's weights"), _button("Paper's weights")
        recipe.on_click(lambda _: self.set(Setting()))
        paper.on_click(lambda _: self.set(PAPERS))
        form = [rows["temperature"], rows["fake_weight"], row_form]
        left = ipywidgets.VBox([*(rows[key] for key in LOSSES), ipywidgets.HBox([recipe, paper])])
        right = ipywidgets.VBox([*form, self.scene, row_step, row_scale, row_whose])
        self.look = {part: ipywidgets.HTML() for part in ("given", "moved", "maps", "numbers")}
        self.training = Training(self)
        given, moved, *below = self.look.values()
        gradients = ipywidgets.VBox([ipywidgets.HBox([given, moved], layout=_WRAP), *below])
        tabs = [gradients, self.training.widget], ["Gradients", "Train a little"]
        sliders = ipywidgets.HBox([left, right], layout=_WRAP)
        self.widget = ipywidgets.VBox([sliders, ipywidgets.Tab(tabs[0], titles=tabs[1])])
        others = self.form, self.scene, self.length, self.scale, self.whose
        for control in (*self.boxes.values(), *others):
            control.observe(self._moved, "value")
        self._quiet = False
        self.redraw()

    @property
    def setting(self) -> Setting:
        """What the controls say."""
        values = {key: round(box.value, 6) for key, box in self.boxes.items()}  # 0.1 + 0.2 = 0.3
        return Setting(**values, form=self.form.value)

    @property
    def pictures(self) -> str:
        """What the tab "Gradients" shows, without its numbers: they differ between machines."""
        return "".join(self.look[part].value for part in ("given", "moved", "maps"))

    def set(self, setting: Setting) -> None:
        """Move all controls at once."""
        self._quiet = True
        for field in fields(setting):
            control = self.form if field.name == "form" else self.boxes[field.name]
            control.value = getattr(setting, field.name)
        self._quiet = False
        self.redraw()

    def _moved(self, change) -> None:
        if not self._quiet:
            self.redraw()
        if change["owner"] is self.scene and self.training.labs:
            self.training.draw()

    def redraw(self) -> None:
        setting = self.setting
        gradients = gradients_of(self.scene.value - 1, setting.forms())
        parts = look(
            gradients, setting.weights(), self.length.value, self.whose.value, self.scale.value
        )
        for part, html in parts.items():
            self.look[part].value = html


@cache
def _networks():
    return load_networks(SHIPPED)


@cache
def _before() -> dict[str, dict[str, float]]:
    """Scores on the held-out scenes that no training changes."""
    rainy, clean = scene_pairs(SCENES, SIZE, HELD_OUT)
    with torch.no_grad():
        start = _networks()[1]["derainer"](rainy).clamp(-1, 1)
    return {"input": mean_scores(rainy, clean), "checkpoint": mean_scores(start, clean)}


@lru_cache(maxsize=32)
def gradients_of(scene: int, forms: tuple) -> LossGradients:
    """The gradients of a held-out rainy scene and the next one's clean picture."""
    method, networks = _networks()
    rainy, clean = scene_pairs(SCENES, SIZE, HELD_OUT)
    temperature, fake_weight, form = forms
    setting = Setting(temperature=temperature, fake_weight=fake_weight, form=form)
    return loss_gradients(
        networks, method, setting.terms(method), rainy[scene], clean[(scene + 1) % SCENES]
    )


@lru_cache(maxsize=256)
def _photo(gradients: LossGradients, name: str) -> str:
    """A picture of the pass, which no weight changes."""
    return photo(gradients.images[name], f"{name} picture of the chosen scene")


@lru_cache(maxsize=256)
def _own_map(gradients: LossGradients, name: str) -> str:
    """What a loss wants, in full colour: which weight it has makes no difference."""
    push = -gradients.derained[gradients.names.index(name)].mean(0).numpy()
    return png(heat(push, scale_of(push)), f"heat map of what {TITLES[name]} wants")


def look(
    gradients: LossGradients, weights: dict[str, float], length: float, whose: str, common: bool
) -> dict[str, str]:
    """The parts of the tab "Gradients". A weight changes few of them, and only those travel."""
    names, pushes = gradients.names, gradients.pushes(weights)
    total = -gradients.total(weights).mean(0).numpy()
    scale = scale_of(total, *(pushes.values() if common else ()))
    maps = []
    for name, push in pushes.items():
        if push.any() and not common:
            image = _own_map(gradients, name)
        else:
            image = png(heat(push, scale), f"heat map of what {TITLES[name]} wants")
        note = "" if push.any() else " (does not see ñ)" if weights[name] else " (off)"
        maps.append((image, TITLES[name] + note))
    sizes = np.array([np.sqrt((push**2).mean()) for push in pushes.values()])
    shares = {"ñ": sizes / (sizes.sum() or 1.0), whose: gradients.shares(weights, whose)}
    summed = png(heat(total, scale), "heat map of the weighted sum")
    stepped = photo(gradients.step(weights, length), "derained picture after the step")
    given = [("rainy r", "rainy"), ("derained ñ", "derained")]
    moved = [(summed, "weighted sum"), (stepped, f"ñ moved by {length:g} grey levels")]
    tables = [
        share_table(names, shares, gradients.agreement(weights, whose)),
        cosine_table(names, gradients.cosines(whose).numpy(), whose),
    ]
    return {
        "given": PAGE.tiles([(_photo(gradients, name), said) for said, name in given], TILE),
        "moved": PAGE.tiles(moved, TILE),
        "maps": PAGE.maps(maps, TILE),
        "numbers": PAGE.side_by_side(tables),
    }


class Training:
    """The tab "Train a little": two settings, A and B, from the same checkpoint."""

    def __init__(self, explorer: LossExplorer):
        self.explorer = explorer
        self.labs: dict[str, Lab] = {}
        self.stopping = False
        self.task: asyncio.Task | None = None
        self.buttons = {key: _button(f"Train {key} with these weights") for key in "AB"}
        for key, button in self.buttons.items():
            button.on_click(lambda _, key=key: self.start(key))
        self.stop_button, self.reset_button = _button("Stop"), _button("Reset both")
        self.stop_button.disabled = True
        self.stop_button.on_click(lambda _: self.stop())
        self.reset_button.on_click(lambda _: self.reset())
        self.steps = ipywidgets.BoundedIntText(20, min=1, max=500, description="steps")
        self.steps.layout.width, self.steps.style.description_width = "9em", "3em"
        self.bar = ipywidgets.IntProgress(0, min=0, max=20, layout={"width": "14em"})
        self.status, self.picture = ipywidgets.HTML(), ipywidgets.HTML()
        controls = [self.steps, *self.buttons.values(), self.stop_button, self.reset_button]
        rows = [ipywidgets.HBox(row, layout=_WRAP) for row in (controls, [self.bar, self.status])]
        self.widget = ipywidgets.VBox([*rows, self.picture])
        self.say("Both start from the shipped checkpoint; nothing is trained yet.")

    def say(self, text: str) -> None:
        self.status.value = f'<div role="status" style="line-height: 1.4">{text}</div>'

    def start(self, key: str) -> None:
        """Begin training in the event loop of the kernel."""
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self.train(key))

    def stop(self) -> None:
        self.stopping = True

    def reset(self) -> None:
        """Both settings back to the checkpoint."""
        self.labs.clear()
        self.bar.value = 0
        self.picture.value = ""
        self.say("Both are back at the checkpoint.")

    async def train(self, key: str) -> None:
        """Train A or B with the weights of the sliders; other weights than before start anew."""
        setting, steps = self.explorer.setting, self.steps.value
        self.stopping = False
        self._busy(True)
        try:
            self.say(f"{key}: getting the scenes ready …")
            await asyncio.sleep(0.01)
            lab = self.labs.get(key)
            if lab is None:
                lab = self.labs[key] = Lab(setting)
            elif lab.setting != setting:
                lab.reset(setting)
            self.bar.max, self.bar.value = steps, 0
            for _ in lab.train(steps):
                self.bar.value += 1
                self.say(f"{key}: step {lab.steps}, {self.bar.value} of {steps}")
                self.draw()
                await asyncio.sleep(0.01)  # now clicks are heard
                if self.stopping:
                    break
            end = "stopped" if self.stopping else "done"
            self.say(f"{key}: {end} after {lab.steps} steps. {self.scores()}")
        except Exception as error:  # nobody else would see it
            self.say(f"{key}: failed with {type(error).__name__}: {error}")
            raise
        finally:
            self._busy(False)

    def scores(self) -> str:
        """Y-PSNR on the held-out scenes."""
        found = _before() | {key: lab.score() for key, lab in sorted(self.labs.items())}
        said = ", ".join(f"{key} {value['psnr_y']:.2f}" for key, value in found.items())
        return f"Y-PSNR of {SCENES} held-out scenes in dB: {said}"

    def draw(self) -> None:
        """Pictures of the chosen scene, what training changed in them, and all losses."""
        scene = self.explorer.scene.value - 1
        rainy, clean = scene_pairs(SCENES, SIZE, HELD_OUT)
        start = gradients_of(scene, Setting().forms()).images["derained"]
        labs = dict(sorted(self.labs.items()))
        made = {key: lab.derain(rainy[scene : scene + 1])[0] for key, lab in labs.items()}
        images = {"rainy r": rainy[scene], "checkpoint's ñ": start}
        images |= {f"{key}, step {labs[key].steps}": image for key, image in made.items()}
        images["truth"] = clean[scene]
        changes = {key: (image - start).mean(0).numpy() for key, image in made.items()}
        scale = scale_of(*changes.values())
        self.picture.value = PAGE.trained(
            [(photo(image, name), name) for name, image in images.items()],
            [
                (
                    png(heat(change, scale), f"heat map of what {key} changed"),
                    f"what {key} changed",
                )
                for key, change in changes.items()
            ],
            curves(
                {
                    f"{k} ({weights_text(v.setting)})": v.history
                    for k, v in labs.items()
                    if v.steps
                },
                columns=4,
            ),
            TILE,
        )

    def _busy(self, busy: bool) -> None:
        for button in (*self.buttons.values(), self.reset_button):
            button.disabled = busy
        self.stop_button.disabled = not busy


class AtlasPanel:
    """The weights of finished runs to choose from, and the paper's tables beside ours."""

    def __init__(self, atlas: Atlas):
        self.atlas = atlas
        rows, self.weights = [], {}
        for axis in AXES:
            values = [(f"{value:g}", value) for value in atlas.values(axis)]
            row, self.weights[axis] = choice(f"{TITLES[axis]} ×", values)
            self.weights[axis].value = values[-1][1]
            self.weights[axis].observe(self._chosen, "value")
            rows.append(row)
        others = [(title_of(run), name) for name, run in atlas.others().items()]
        row, self.other = choice("or", [("the run with these weights", ""), *others])
        self.picture = ipywidgets.HTML()
        self.other.observe(lambda _: self.redraw(), "value")
        self.widget = ipywidgets.VBox([ipywidgets.HBox(rows, layout=_WRAP), row, self.picture])
        self.redraw()

    @property
    def run(self) -> Mapping:
        """The run that the controls name."""
        if self.other.value:
            return self.atlas.others()[self.other.value]
        return self.atlas.at(**{axis: weight.value for axis, weight in self.weights.items()})

    def _chosen(self, _) -> None:
        if self.other.value:
            self.other.value = ""  # draws
        else:
            self.redraw()

    def redraw(self) -> None:
        try:
            self.picture.value = atlas_view(self.atlas, self.run)
        except KeyError as missing:
            self.picture.value = escape(missing.args[0])


def atlas_view(atlas: Atlas, run: Mapping) -> str:
    """Pictures, scores and curves of a run, and the rows of the paper's tables beside ours."""
    names = {"rainy r": "input", "derained": run["name"], "truth": "truth"}
    columns = [atlas.pictures(name) for name in names.values()]
    shown = [
        (png(tile, f"{caption} of held-out scene {i}"), caption)
        for i, row in enumerate(zip(*columns, strict=True), 1)
        for caption, tile in zip(names, row, strict=True)
    ]
    weights = ", ".join(f"{TITLES[k]} {v:g}" for k, v in run["setting"].items())
    keys, steps = run["curves"], zip(*run["curves"].values(), strict=True)
    history = [dict(zip(keys, values, strict=True)) for values in steps]
    lines = curves({"this run": history}, atlas.about["every"], 2)
    return PAGE.finished(atlas, run, weights, shown, lines, SCENES, TILE)


def weights_text(setting: Setting) -> str:
    """The weights in one line, without those that are zero."""
    found = [f"{TITLES[name]} {weight:g}" for name, weight in setting.weights().items() if weight]
    if setting.forms() != Setting().forms():
        found.append(f"τ {setting.temperature:g}, fake {setting.fake_weight:g}, {setting.form}")
    return ", ".join(found) or "all weights zero"


def _button(label: str) -> ipywidgets.Button:
    return ipywidgets.Button(description=label, layout={"width": "auto"})
