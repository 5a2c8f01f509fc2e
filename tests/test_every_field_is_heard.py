"""Every field of a recipe changes what is trained: losses, weights or what is delivered.

A field that nobody reads is a flag that is accepted and not obeyed. So each is changed, one at a
time, and a few steps must come out otherwise; a new field is tried without being named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from noise import noise_folders

from cclgan_lite import methods
from cclgan_lite.data.folders import Augment
from cclgan_lite.data.leaves import Leaves
from cclgan_lite.data.shower import Shower
from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL
from cclgan_lite.losses.pixel import identity, rederain, rehearsal, transplant
from cclgan_lite.methods import CCLGAN, CUT, CycleGAN, Method
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig, RestorationConfig
from cclgan_lite.recipes import _changed, _paths
from cclgan_lite.training.config import Config
from cclgan_lite.training.onset import Onset
from cclgan_lite.training.trainer import prepare

ELSEWHERE = {
    "start": "test_rehearsal.py",
    "method.lcl.mirrored": "test_family.py: FastCUT's",
    "recursive": "test_run.py: another set of pictures",
    "log_every": "test_run.py: when, not what",
    "sample_every": "test_run.py: when, not what",
    "save_minutes": "test_run.py: when, not what",
    "workers": "must change nothing",
    "resident": "must change nothing, test_resident.py",
    "deterministic": "must change nothing on a CPU, test_deterministic.py",
    "compile": "must change nothing, test_step.py",
}
OTHER = {  # of fields whose values are names
    "method.embedder": ["tiny-rain-clip"],
    "onset.terms": [("adversarial",)],
    "method.discriminator.layers": [2],  # more need larger crops
    **{f"method.{name}.trains": ["derainer", "generators"] for name in (
        "cycle", "identity", "rederain", "rehearsal", "transplant")},
}  # fmt: skip

SMALL = GeneratorConfig(filters=2, blocks=1, taps=("down1", "down2"))
JUDGE = DiscriminatorConfig(filters=2)
CLOUDY = {
    "shower": Shower(share=0.9),
    "leaves": Leaves(share=0.5),
    "augment": Augment(resize=None, crop=24),
    "epochs": 4 / 3,  # of three pictures: four steps
    "decay_from": 0.25,
}


def everything(form: Literal["ratio", "infonce"], generator: Any) -> Config:
    method = CCLGAN(
        generator=generator,
        discriminator=JUDGE,
        projection=4,
        rain="given",
        adversarial=Adversarial(),
        lcl=LCL(patches=8),
        intra=IntraCCL(form=form),
        inter=InterCCL(form=form, patches=8, weight=0.5),
        identity=identity(1.0),
        rederain=rederain(1.0),
        rehearsal=rehearsal(1.0),
        transplant=transplant(1.0),
    )
    return Config(method=method, onset=Onset(("lcl",), begin=0.34, full=0.5), **CLOUDY)


BASES = {
    "CCLGAN": [
        everything("ratio", SMALL),
        everything("infonce", RestorationConfig(filters=2, blocks=1, taps=("down1", "down2"))),
    ],
    "CycleGAN": [Config(method=CycleGAN(generator=SMALL, discriminator=JUDGE), **CLOUDY)],
    "CUT": [
        Config(
            method=CUT(
                generator=SMALL,
                discriminator=JUDGE,
                projection=4,
                lcl=LCL(weight=1.0, patches=8, roles=CUT().lcl.roles),
            ),
            **CLOUDY,
        )  # fmt: skip
    ],
}
RAIN_ONLY = ("shower", "leaves", "onset")  # heard by losses that the neighbours do not have
UNREAD_TAPS = {  # of losses that a neighbour does not have
    "CCLGAN": set(),
    "CycleGAN": {"method.generator.taps", "method.discriminator.taps"},
    "CUT": {"method.discriminator.taps"},
}


def others(path: str, owner: Any) -> list[Any]:
    """Further values that the field may have."""
    name = path.rpartition(".")[2]
    value, hint = getattr(owner, name), get_type_hints(type(owner)).get(name)
    if path in OTHER:
        return [other for other in OTHER[path] if other != value]
    if get_origin(hint) is Literal:
        return [other for other in get_args(hint) if other != value]
    if isinstance(value, bool):
        return [not value]
    if name == "eps":
        return [0.5]
    if value is None:
        return [40]
    if isinstance(value, int):
        return [value + 1, 2 * value, value + 4]
    if isinstance(value, float):
        return [1.5 * value, value + 0.5, value / 2 + 0.05]
    assert isinstance(value, tuple), f"{path}: add other values to OTHER"
    if name == "roles" and len(value) == 1:
        *first, last = value[0]
        return [((*first, "rainy" if last != "rainy" else "clean"),)]
    if isinstance(value[0], int | float):
        return [(type(value[0])(value[0] / 2), value[1])]
    return [value[:1]]


def steps(config: Config, folders) -> Iterator[list]:
    """What can be seen of each of the first three steps."""
    data, trainer = prepare(config, *folders, "cpu")
    for step in range(3):
        items = [data[step * config.batch + i] for i in range(config.batch)]
        batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
        losses, _ = trainer.train_step(batch)
        weights = [*trainer.networks.parameters(), *trainer.averaged.parameters()]
        yield [{k: v.item() for k, v in losses.items()}, torch.cat([w.flatten() for w in weights])]


def same(one: list, two: list) -> bool:
    return one[0] == two[0] and torch.equal(one[1], two[1])


@pytest.mark.slow
@pytest.mark.parametrize("method", BASES)
def test_every_field_is_heard(method, tmp_path):
    folders = noise_folders(tmp_path)
    paths = {path: [] for base in BASES[method] for path in _paths(base)}
    for base in BASES[method]:
        usual = list(steps(base, folders))
        for path in _paths(base):
            if path in ELSEWHERE or True in paths[path]:
                continue
            *outer, name = path.split(".")
            owner = base
            for part in outer:
                owner = getattr(owner, part)
            if hasattr(getattr(owner, name), "__dataclass_fields__"):
                paths[path].append(True)  # its fields are tried
                continue
            for value in others(path, owner):
                try:
                    changed = _changed(base, {path: value})
                except ValueError:
                    continue  # out of range
                heard = not all(map(same, usual, steps(changed, folders)))
                paths[path].append(heard)
                if heard:
                    break
    silent = [path for path, heard in paths.items() if True not in heard and path not in ELSEWHERE]
    if method != "CCLGAN":
        silent = [path for path in silent if path.partition(".")[0] not in RAIN_ONLY]
    assert not set(silent) - UNREAD_TAPS[method]


def test_a_field_that_is_not_heard_is_found(tmp_path, monkeypatch):
    """The comparison itself: Adam with betas of its own hears nothing of the recipe's."""
    folders, adam = noise_folders(tmp_path), torch.optim.Adam
    base = replace(BASES["CycleGAN"][0], epochs=1)
    other = replace(base, betas=(0.1, 0.9))
    assert not all(map(same, steps(base, folders), steps(other, folders)))
    monkeypatch.setattr(torch.optim, "Adam", lambda p, betas, **k: adam(p, betas=(0.5, 0.9), **k))
    assert all(map(same, steps(base, folders), steps(other, folders)))


def small(method: type[Method]) -> Method:
    names = {field.name for field in fields(method)}
    return method(generator=SMALL, **{"discriminator": JUDGE} if "discriminator" in names else {})


SPEEDS = [
    (method, field.name)
    for method in (getattr(methods, name) for name in methods.__all__)
    if isinstance(method, type) and issubclass(method, Method) and method is not Method
    for field in fields(method)
    if field.name.endswith("_speed")
]


@pytest.mark.parametrize(("method", "name"), SPEEDS)
def test_every_speed_is_that_of_its_player_alone(method, name):
    players = replace(small(method), **{name: 3.0}).players()
    rates = {who: player.rate for who, player in players.items()}
    quick = {who for who, rate in rates.items() if rate != 1}
    assert len(quick) == 1 and quick.pop().startswith(name.removesuffix("_speed"))
    assert 3.0 in rates.values()
