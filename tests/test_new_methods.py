"""The interface for methods to come: CCLGAN's neighbours train without a change to the trainer."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from noise import noise_folders
from safetensors.torch import load_file
from torch import Tensor, nn

from cclgan_lite.cli import main
from cclgan_lite.data.folders import Augment
from cclgan_lite.inference.export import export_onnx
from cclgan_lite.losses import Adversarial, LayerContrast, PixelL1, PixelMSE
from cclgan_lite.losses.term import Look
from cclgan_lite.methods import (
    CDDGAN,
    CUT,
    DCDGAN,
    DCLGAN,
    NLCL,
    CycleGAN,
    DerainCycleGAN,
    FastCUT,
    Method,
    Pass,
    Player,
    Supervised,
    UDGNet,
)
from cclgan_lite.methods.supervised import TRUTH
from cclgan_lite.networks import (
    AttentiveConfig,
    DiscriminatorConfig,
    FlatConfig,
    GeneratorConfig,
    NetworkConfig,
    PatchDiscriminator,
)
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run
from cclgan_lite.training.trainer import Trainer, resume, sample_grid, train

GENERATOR = GeneratorConfig(filters=4, blocks=1, taps=("down1", "block1"))
DISCRIMINATOR = DiscriminatorConfig(filters=4)
FLAT = FlatConfig(filters=4, blocks=1, taps=("stem", "block1"))
DETAIL = FlatConfig(filters=4, blocks=1, norm="none", detail=True, taps=())


@dataclass(frozen=True)
class LearnedNegatives:
    """CDD-GAN's idea: a network proposes negatives that make the derainer's task harder."""

    weight: float = 1.0

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step) -> dict[str, Tensor]:
        queries = F.normalize(step.features("derainer", "rainy")["block1"].mean((2, 3)), dim=-1)
        negatives = F.normalize(step.networks["negatives"](torch.randn(16, 8)), dim=-1)
        hardness = (queries @ negatives.T).logsumexp(-1).mean()
        return {"generators": hardness, "negatives": -hardness}


@dataclass(frozen=True)
class Harder(Method):
    """A method of its own, with such negatives as a network and a player. Inherits no other."""

    generator: NetworkConfig = GENERATOR
    adversarial: Adversarial = Adversarial(roles=(("discriminator_clean", "clean", "derained"),))
    hard: LearnedNegatives = LearnedNegatives()

    wiring = {"derained": Pass("derainer", "rainy")}

    def players(self) -> dict[str, Player]:
        return {
            "generators": Player({"derainer": self.generator.build()}),
            "discriminators": Player({"discriminator_clean": PatchDiscriminator(DISCRIMINATOR)}),
            "negatives": Player({"negatives": nn.Linear(8, 16)}, 0.5),
        }


def small(method: Method, **fields) -> Method:
    """The method with networks of no size, and few places in every contrast."""
    terms = {
        name: replace(term, patches=8)
        for name, term in method.terms().items()
        if isinstance(getattr(term, "patches", None), int)
    }
    sizes = {"discriminator": DISCRIMINATOR, "projection": 8}
    if isinstance(method.generator, GeneratorConfig):
        sizes["generator"] = GENERATOR
    sizes = {name: value for name, value in sizes.items() if getattr(method, name, None)}
    return replace(method, **sizes | terms | fields)


ADVERSARIAL = {"adversarial/generators", "adversarial/discriminators"}
METHODS = {  # and its losses
    "CycleGAN": (
        small(CycleGAN(), identity=PixelL1(0.0, ())),
        ADVERSARIAL | {"cycle/generators"},
    ),
    "CUT": (small(CUT()), ADVERSARIAL | {"lcl/generators"}),
    "FastCUT": (small(FastCUT()), ADVERSARIAL | {"lcl/generators"}),
    "DCLGAN": (small(DCLGAN()), ADVERSARIAL | {"lcl/generators", "identity/generators"}),
    "DCD-GAN": (
        small(DCDGAN()),
        ADVERSARIAL | {"cycle/generators", "identity/generators", "exemplars/generators"},
    ),
    "CDD-GAN": (
        small(CDDGAN(negatives=6)),
        ADVERSARIAL
        | {
            "cycle/generators",
            "identity/generators",
            "contrast/generators",
            "contrast/negatives",
        },
    ),
    "DerainCycleGAN": (
        small(DerainCycleGAN(AttentiveConfig(filters=4, blocks=1, looks=2))),
        ADVERSARIAL | {"cycle/generators", "attention/generators"},
    ),
    "NLCL": (
        small(
            NLCL(
                generator=FLAT,
                layers=LayerContrast(patches=(3, 5)),
            )
        ),
        ADVERSARIAL
        | {
            "location/generators",
            "layers/generators",
            "reconstruction/generators",
            "closeness/generators",
        },
    ),
    "UDGNet": (
        small(UDGNet(generator=FLAT)),
        ADVERSARIAL
        | {
            f"{name}/generators"
            for name in ("reconstruction", "streaks", "closeness", "isotropic")
        },
    ),
    "supervised": (small(Supervised()), {"l1/generators"}),
    "DDN": (Supervised(DETAIL, PixelL1(0.0, ()), PixelMSE(1.0, TRUTH)), {"mse/generators"}),
    "learned negatives": (Harder(), ADVERSARIAL | {"hard/generators", "hard/negatives"}),
}


def killed_in_step_3(config: Config, rainy: Path, clean: Path, out: Path) -> None:
    """A training that SIGKILL ends after its third step, in a process of its own."""
    torch.set_num_threads(1)
    step = Trainer.train_step

    def last(trainer, batch):
        if trainer.step == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return step(trainer, batch)

    Trainer.train_step = last
    train(config, rainy, clean, out, "cpu")


@pytest.fixture(scope="module")
def forks():
    """Processes from one that has imported all and, unlike this one, has trained nothing."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cclgan_lite.cli", "cclgan_lite.training.trainer"])
    return context


@pytest.mark.parametrize("method", [m for m, _ in METHODS.values()], ids=METHODS)
def test_neighbours_resume_evaluate_and_derain(method, tmp_path, forks, request):
    request.addfinalizer(partial(torch.set_num_threads, torch.get_num_threads()))
    torch.set_num_threads(1)  # as in the process that is killed: sums depend on the split
    rainy, clean = noise_folders(tmp_path, 1)
    for folder in (rainy, clean):
        shutil.copytree(folder, tmp_path / "test" / folder.name)
    config = Config(
        method=method, augment=Augment(resize=None, crop=48), steps=5, log_every=1, save_minutes=0
    )
    whole = train(config, rainy, clean, tmp_path / "whole", "cpu")
    child = forks.Process(target=killed_in_step_3, args=(config, rainy, clean, tmp_path / "run"))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL and len(Run.read(tmp_path / "run").history()) == 3
    run = resume(tmp_path / "run", "cpu")
    assert run.config == config and run.history() == whole.history()
    ends = [load_file(r.checkpoints()[-1] / "networks.safetensors") for r in (whole, run)]
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())

    folders = [f"--{kind}={tmp_path / 'test' / kind}" for kind in ("rainy", "clean")]
    main(["evaluate", *folders, "--weights", str(run.folder), "--json", str(tmp_path / "s.json")])
    assert json.loads((tmp_path / "s.json").read_text())["n"] == 1
    main(["derain", str(rainy), "--weights", str(run.folder), "--out", str(tmp_path / "derained")])
    assert [path.name for path in (tmp_path / "derained").iterdir()] == ["0.png"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DCLGAN", "DerainCycleGAN", "NLCL", "DDN"])
def test_every_kind_of_derainer_exports(name, tmp_path):
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason=f"needs {needed}: pip install 'cclgan_lite[test]'")
    import onnxruntime

    derainer = METHODS[name][0].networks()["derainer"].eval()
    export_onnx(derainer, tmp_path / "d.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "d.onnx")
    rainy = torch.rand(1, 3, 40, 52) * 2 - 1
    (derained,) = session.run(None, {"rainy": rainy.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(derained), derainer(rainy), atol=1e-4, rtol=0)


@pytest.mark.parametrize("method, losses", METHODS.values(), ids=METHODS)
def test_neighbours_train(method, losses):
    trainer = Trainer(Config(method=method, lr=1e-3), 10, torch.device("cpu"))
    before = {k: v.clone() for k, v in trainer.networks.named_parameters()}
    batch = {name: torch.rand(1, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    values, step = trainer.train_step(batch)
    assert set(values) == losses
    moved = {
        k.split(".")[0]
        for k, v in trainer.networks.named_parameters()
        if not torch.equal(v, before[k])
    }
    assert moved == set(trainer.networks)
    rows = method.grid
    assert sample_grid(step, rows).shape == (52 * len(rows) + 4, 52 * len(rows[0]) + 4, 3)


def test_players_may_oppose_each_other():
    """The negatives climb what the derainer descends."""
    method = Harder()
    trainer = Trainer(Config(method=method, lr=5e-2), 10_000, torch.device("cpu"))
    batch = {name: torch.rand(1, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    for group in trainer.optimizers["generators"].param_groups:
        group["initial_lr"] = 0.0  # the derainer stands still
    values = [trainer.train_step(batch)[0] for _ in range(20)]
    assert values[-1]["hard/negatives"] < values[0]["hard/negatives"] - 0.1
