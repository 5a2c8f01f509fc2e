"""Two processes train as one: the same gradients, one writer, and they stop together.

The processes are this file, run by itself: one start serves all tests, as imports take longer
than the training.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from noise import noise_folders
from safetensors.torch import load_file

from cclgan_lite.data.folders import Augment, UnpairedFolders
from cclgan_lite.losses import LCL, InterCCL
from cclgan_lite.losses.pixel import rederain
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training import parallel
from cclgan_lite.training.config import Config
from cclgan_lite.training.parallel import Team, join
from cclgan_lite.training.run import Run
from cclgan_lite.training.trainer import Trainer, resume, train

pytestmark = pytest.mark.slow  # for the imports of four processes

METHOD = CCLGAN(  # all four losses, a player of its own (rederain), a norm with a state
    generator=GeneratorConfig(filters=4, blocks=1),
    discriminator=DiscriminatorConfig(filters=4, norm="spectral"),
    projection=8,
    lcl=LCL(patches=8),
    inter=InterCCL(patches=8),
    rederain=rederain(1.0),
)
TINY = Config(
    method=METHOD,
    augment=Augment(resize=None, crop=48),
    steps=4,
    batch=4,
    log_every=1,
    sample_every=4,
    save_minutes=0.0,
)
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def one_step(root: Path, team: Team) -> dict[str, torch.Tensor]:
    """The gradients of the joint batch, after the exchange if there is one."""
    trainer = Trainer(TINY, 4, torch.device("cpu"), team=team)
    data = UnpairedFolders(root / "rainy", root / "clean", TINY.augment)
    (items,) = team.items(TINY.batch, range(2, 3))
    images = [data[k] for k in items]
    trainer.train_step({name: torch.stack([i[name] for i in images]) for name in images[0]})
    return {name: p.grad for name, p in trainer.networks.named_parameters() if p.grad is not None}


def stopped_at(step: int, error: BaseException, rank: int | None = None):
    """A `Trainer.train_step` that raises `error` before that step, in one process or in all."""
    original = Trainer.train_step

    def stop(self, batch):
        if self.step == step and rank in (None, self.team.rank):
            raise error
        return original(self, batch)

    return stop


def message(call, *arguments) -> str:
    try:
        call(*arguments, device="cpu")
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def part_of_two(root: Path) -> None:
    """What each of the two processes does, in the order of the tests below."""
    torch.set_num_threads(1)
    told = {"accelerate before join": "accelerate" in sys.modules}
    team, _ = join("cpu")
    folders = root / "rainy", root / "clean"
    original = Trainer.train_step
    torch.save(one_step(root, team), root / f"gradients{team.rank}.pt")

    train(TINY, *folders, root / "two", device="cpu")
    resume(root / "one-then-two", device="cpu")
    told["batch"] = message(train, replace(TINY, batch=3), *folders, root / "never")
    config = replace(TINY, seed=team.rank)
    told["start"] = message(train, config, *folders, root / "unlike")

    Trainer.train_step = stopped_at(2, KeyboardInterrupt())
    told["interrupt"] = message(train, TINY, *folders, root / "two-then-one")

    def diverge(self, batch):
        losses, step = original(self, batch)
        if self.step == 3 and team.rank == 1:
            losses["lcl/generators"] = losses["lcl/generators"] * float("nan")
        return losses, step

    Trainer.train_step = diverge
    told["nan"] = message(train, TINY, *folders, root / "nan")

    Trainer.train_step = original  # the last one: after it, process 1 is not there any more
    Trainer.train_step = stopped_at(2, OSError("the disk of process 1"), rank=1)
    told["death"] = message(train, TINY, *folders, root / "death")
    (root / f"told{team.rank}.json").write_text(json.dumps(told))


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A folder in which two processes have done their part."""
    root = tmp_path_factory.mktemp("parallel")
    folders = noise_folders(root, 6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", stopped_at(2, KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            train(TINY, *folders, root / "one-then-two", device="cpu")
    rendezvous = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(root)],
            text=True,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT | rendezvous | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=240)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    return root


def told(root: Path, about: str) -> list:
    return [json.loads((root / f"told{rank}.json").read_text())[about] for rank in range(2)]


def test_both_have_the_gradients_of_the_joint_batch(root):
    """Within 1e-4 of each parameter's largest gradient: float32 sums in another order."""
    joint = one_step(root, Team())
    assert sum(gradient.abs().max() > 1e-3 for gradient in joint.values()) > 60
    for rank in range(2):
        averaged = torch.load(root / f"gradients{rank}.pt", weights_only=True)
        assert averaged.keys() == joint.keys()
        for name, gradient in joint.items():
            tolerance = 1e-4 * gradient.abs().max().item() + 1e-5
            torch.testing.assert_close(
                averaged[name],
                gradient,
                atol=tolerance,
                rtol=0,
                msg=lambda text, name=name: f"{name}: {text}",
            )


def same_training(run: Run, whole: Run) -> None:
    """Rows and weights within 1e-5 and 1e-6; a learning rate is 2e-4, so a step shows.

    All weights but the biases that an instance norm takes away again: their gradients are zero
    but for rounding, and Adam steps as far along rounding as along anything else.
    """
    idle = re.compile(r"\.(stem|blocks\.0\.conv\d|up\d)\.bias$")
    for row, expected in zip(run.history(), whole.history(), strict=True):
        assert row == pytest.approx(expected, abs=1e-5)
    weights, expected = (
        load_file(r.checkpoints()[-1] / "networks.safetensors") for r in (run, whole)
    )
    assert weights.keys() == expected.keys()
    for name, value in expected.items():
        if not idle.search(name):
            torch.testing.assert_close(
                weights[name],
                value,
                atol=1e-6,
                rtol=1e-5,
                msg=lambda text, name=name: f"{name}: {text}",
            )


@pytest.fixture(scope="module")
def whole(root) -> Run:
    return train(TINY, root / "rainy", root / "clean", root / "one", device="cpu")


def test_training_is_that_of_one_process(root, whole):
    same_training(Run.read(root / "two"), whole)


def test_resumed_by_more_processes(root, whole):
    same_training(Run.read(root / "one-then-two"), whole)


def test_resumed_by_fewer_processes(root, whole):
    assert told(root, "interrupt") == ["KeyboardInterrupt: "] * 2
    run = Run.read(root / "two-then-one")
    assert [row["step"] for row in run.history()] == [1, 2]
    same_training(resume(run.folder, device="cpu"), whole)


def test_one_writer(root):
    run = Run.read(root / "two")
    assert [row["step"] for row in run.history()] == [1, 2, 3, 4]
    assert [p.name for p in run.folder.glob("samples/*")] == ["000004.png"]
    assert [p.name for p in run.checkpoints()] == ["000003", "000004"]
    assert json.loads((run.folder / "versions.json").read_text())["processes"] == 2


def test_a_batch_that_cannot_be_shared(root):
    assert told(root, "batch")[0].startswith("ValueError: a batch of 3 cannot be shared equally")
    assert "multiple of 2" in told(root, "batch")[1]
    assert not (root / "never").exists()


def test_processes_that_start_differently(root):
    for text in told(root, "start"):
        assert text.startswith("ValueError: the processes do not start alike")


def test_a_loss_that_is_not_finite_stops_both(root):
    for text in told(root, "nan"):
        assert text.startswith("FloatingPointError: a loss is not finite before step 3")
    assert [p.name for p in Run.read(root / "nan").checkpoints()] == ["000001", "000002"]


def test_one_that_stops_takes_the_other_with_it(root):
    first, second = told(root, "death")
    assert first.startswith("ConnectionError: another process has stopped")
    assert second == "OSError: the disk of process 1"
    assert [p.name for p in Run.read(root / "death").checkpoints()] == ["000001", "000002"]


def test_accelerate_launch(tmp_path):
    rainy, clean = noise_folders(tmp_path, 6)
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--main_process_port",
        str(free_port()),
    ]
    command = [
        "-m",
        "cclgan_lite",
        "train",
        "--rainy",
        rainy,
        "--clean",
        clean,
        "--out",
        tmp_path / "run",
        "--steps",
        "2",
        "--batch",
        "2",
        "--log-every",
        "1",
        "--augment.crop",
        "48",
        "--method.generator.filters",
        "4",
        "--method.generator.blocks",
        "1",
        "--method.discriminator.filters",
        "4",
    ]
    done = subprocess.run(
        [*launch, *map(str, command)], env=ENVIRONMENT, text=True, capture_output=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained:") == 1
    run = Run.read(tmp_path / "run")
    assert [row["step"] for row in run.history()] == [1, 2]
    assert json.loads((run.folder / "versions.json").read_text())["processes"] == 2


def test_shares_make_the_joint_batch():
    """Whatever the number of processes, the images of a step are the same, in the same order."""
    for count in (1, 2, 3, 6):
        teams = [[*Team(rank, count).items(6, range(4, 6))] for rank in range(count)]
        for s, step in enumerate((4, 5)):
            joint = [k for team in teams for k in team[s]]
            assert joint == list(range(6 * step, 6 * step + 6))


def test_buckets_hold_everything_once(monkeypatch):
    monkeypatch.setattr(parallel, "BUCKET", 40)
    tensors = [torch.zeros(n) for n in (3, 7, 1, 20, 10)]  # 12, 28, 4, 80, 40 bytes
    buckets = [[t.numel() for t in bucket] for bucket in parallel._buckets(tensors)]
    assert buckets == [[3, 7], [1], [20], [10]]


def test_figures_of_the_documentation():
    """Bytes and estimates in docs/distributed.md are what its code prints."""
    document = Path(__file__).parents[1] / "docs" / "distributed.md"
    assert doctest.testfile(str(document), module_relative=False) == (0, 7)


def test_one_process_needs_no_accelerate(root):
    assert told(root, "accelerate before join") == [False, False]
    assert join("cpu") == (Team(), torch.device("cpu"))


if __name__ == "__main__":
    part_of_two(Path(sys.argv[1]))
