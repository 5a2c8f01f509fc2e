"""Runs: what they leave behind, and that no interruption changes what they learn."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from noise import noise_folders
from PIL import Image
from safetensors.torch import load_file

from cclgan_lite.data.folders import Augment
from cclgan_lite.data.images import ImageError
from cclgan_lite.inference.weights import derainer_bytes, load_derainer
from cclgan_lite.losses import LCL, InterCCL
from cclgan_lite.methods import CCLGAN, CycleGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig, ResNetGenerator
from cclgan_lite.training import trainer as trainer_module
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run, RunError, read_history
from cclgan_lite.training.trainer import Trainer, resume, train

TINY = Config(
    method=CCLGAN(
        generator=GeneratorConfig(filters=4, blocks=1),
        discriminator=DiscriminatorConfig(filters=4),
        projection=8,
        lcl=LCL(patches=8),
        inter=InterCCL(patches=8),
    ),
    augment=Augment(resize=None, crop=48),
    steps=12,
    ema=0.9,
    log_every=2,
    sample_every=4,
    save_minutes=0.0,  # a checkpoint at every logged row
)


@pytest.fixture
def folders(tmp_path) -> tuple[Path, Path]:
    return noise_folders(tmp_path, 4)


def test_a_run_leaves_everything_behind(folders, tmp_path):
    run = train(TINY, *folders, tmp_path / "run", device="cpu")
    assert Run.read(tmp_path / "run").config == TINY
    rows = run.history()
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 10, 12]
    assert {
        "adversarial/generators",
        "adversarial/discriminators",
        "lcl/generators",
        "intra/generators",
        "inter/generators",
        "inter/discriminators",
    } < set(rows[0])
    assert {"torch", "numpy", "python", "device"} <= set(
        json.loads((run.folder / "versions.json").read_text())
    )
    assert [p.name for p in sorted((run.folder / "samples").iterdir())] == [
        "000004.png",
        "000008.png",
        "000012.png",
    ]
    assert Image.open(run.folder / "samples/000012.png").size == (3 * 52 + 4, 2 * 52 + 4)
    assert [p.name for p in run.checkpoints()] == ["000010", "000012"]  # the last two
    derainer = load_derainer(run.folder)
    assert derainer(torch.zeros(1, 3, 16, 16)).shape == (1, 3, 16, 16)
    averaged = load_file(run.checkpoints()[-1] / "networks.safetensors")["averaged.stem.weight"]
    torch.testing.assert_close(derainer.stem.weight, averaged)
    assert not list(tmp_path.rglob("*.tmp"))


def test_killed_and_resumed_equals_uninterrupted(folders, tmp_path, request):
    """A real SIGKILL at some moment; both runs end with the same losses and weights."""
    threads = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    torch.set_num_threads(1)  # as in the process to be killed: sums depend on the split
    whole = train(TINY, *folders, tmp_path / "whole", device="cpu")
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_run import TINY\n"
        "from cclgan_lite.training import trainer\n"
        "step = trainer.Trainer.train_step\n"
        "def slow(self, batch):\n"
        "    import time; time.sleep(0.05)\n"
        "    return step(self, batch)\n"
        "trainer.Trainer.train_step = slow\n"
        "trainer.train(TINY, *sys.argv[2:5], device='cpu')\n"
    )
    killed = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), *map(str, folders), str(killed)],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while len(read_history(killed / "metrics.jsonl")) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = read_history(killed / "metrics.jsonl")
    assert 3 <= len(before) < 6  # it was really in the middle
    with open(killed / "metrics.jsonl", "a") as file:
        file.write('{"step": 99, "adversar')  # a line cut short

    run = resume(killed, device="cpu")
    for a, b in zip(whole.history(), run.history(), strict=True):
        assert a == pytest.approx(b, abs=2e-5)
    ends = [load_file(r.checkpoints()[-1] / "networks.safetensors") for r in (whole, run)]
    for name, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][name], atol=1e-5, rtol=1e-4)


def test_kill_before_the_first_checkpoint(folders, tmp_path):
    out = tmp_path / "run"
    Run.create(out, TINY, *folders).log({"step": 2, "lcl/generators": 1.0})
    (out / "checkpoints/000002.tmp").mkdir()  # a checkpoint that was never finished
    run = resume(out, device="cpu")
    assert [row["step"] for row in run.history()] == [2, 4, 6, 8, 10, 12]
    assert run.history()[0]["lcl/generators"] != 1.0  # the lost session's row is gone


def test_a_start_is_not_forgotten_before_the_first_checkpoint(folders, tmp_path):
    start = tmp_path / "start.safetensors"
    torch.manual_seed(1)  # not the run's seed
    theirs = ResNetGenerator(TINY.method.generator)
    start.write_bytes(derainer_bytes(theirs))
    Run.create(tmp_path / "run", replace(TINY, start=str(start), lr=1e-9), *folders)
    found = load_derainer(resume(tmp_path / "run", device="cpu").folder)
    torch.testing.assert_close(found.stem.weight, theirs.stem.weight, atol=1e-6, rtol=0)


def test_a_checkpoint_crosses_devices(folders, tmp_path):
    """Adam's moments follow the memory layout of the weights, which GPUs have otherwise."""
    elsewhere, here = (Trainer(TINY, 10, torch.device("cpu")) for _ in range(2))
    elsewhere.networks.to(memory_format=torch.channels_last)
    batch = {name: torch.rand(1, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    elsewhere.train_step(batch)
    run = Run.create(tmp_path / "run", TINY, *folders)
    elsewhere.save(run)
    here.load(run)
    for trainer in (elsewhere, here):
        trainer.train_step(batch)
    for name, network in here.networks.items():
        for mine, theirs in zip(
            network.parameters(), elsewhere.networks[name].parameters(), strict=True
        ):
            if mine.dim() == 4:  # biases before a norm have no gradient but rounding
                assert (mine - theirs).abs().mean() < 1e-6, name


def test_two_sessions_do_not_share_a_run(folders, tmp_path):
    run = train(TINY, *folders, tmp_path / "run", device="cpu")
    run.log({"step": 14})  # what the session that is still at work has written
    with run.claimed(), pytest.raises(RunError, match="run is being trained by another"):
        resume(tmp_path / "run", device="cpu")
    assert run.history()[-1]["step"] == 14
    resume(tmp_path / "run", device="cpu")  # the claim ends with the session


def test_a_full_disk_is_named_by_the_log_too(folders, tmp_path):
    run = Run.create(tmp_path / "run", TINY, *folders)
    (run.folder / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(OSError, match="disk is full.*metrics.jsonl.*free some space"):
        run.log({"step": 2})


def test_a_picture_that_breaks_off_can_be_replaced(folders, tmp_path):
    path = folders[0] / "photo.jpg"  # whose head tells its size
    Image.effect_noise((64, 64), 50).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match=rf"{path.name}.*--resume.*same name"):
        train(TINY, *folders, tmp_path / "run", device="cpu")
    path.write_bytes(whole)
    assert resume(tmp_path / "run", device="cpu").history()[-1]["step"] == TINY.steps


def test_finished_runs_are_left_alone(folders, tmp_path):
    run = train(TINY, *folders, tmp_path / "run", device="cpu")
    history = run.history()
    assert resume(tmp_path / "run", device="cpu").history() == history


def test_errors_of_run_folders(folders, tmp_path):
    with pytest.raises(RunError, match="no run to resume"):
        resume(tmp_path / "nowhere")
    train(replace(TINY, steps=2), *folders, tmp_path / "run", device="cpu")
    with pytest.raises(RunError, match="already holds a run.*--resume"):
        train(TINY, *folders, tmp_path / "run", device="cpu")
    checkpoint = Run.read(tmp_path / "run").checkpoints()[-1]
    (checkpoint / "trainer.pt").write_bytes(b"broken")
    with pytest.raises(RunError, match="000002.*delete it"):
        resume(tmp_path / "run", device="cpu")
    (tmp_path / "run/config.json").write_text("{}")
    with pytest.raises(RunError, match="damaged or from another version"):
        resume(tmp_path / "run", device="cpu")
    with pytest.raises(ValueError, match="nowhere"):
        train(TINY, tmp_path / "nowhere", folders[1], tmp_path / "new")
    assert not (tmp_path / "new").exists()  # nothing half-made is left


def test_a_checkpoint_of_another_version_is_named(folders, tmp_path):
    run = train(replace(TINY, steps=4), *folders, tmp_path / "run", device="cpu")
    networks, trainer = run.load()
    run.save(4, networks, trainer | {"optimizers": {}})
    with pytest.raises(RunError, match="000004 is damaged or of another version.*delete it"):
        resume(run.folder, device="cpu")
    shutil.rmtree(run.checkpoints()[-1])
    assert resume(run.folder, device="cpu").history()[-1]["step"] == 4


def test_killed_after_the_last_checkpoint(folders, tmp_path):
    """Between the checkpoint and the delivery of its derainer: resuming delivers it."""
    run = train(replace(TINY, steps=2), *folders, tmp_path / "run", device="cpu")
    weights = run.folder / "derainer.safetensors"
    before = load_file(weights)
    weights.unlink()
    resume(tmp_path / "run", device="cpu")
    torch.testing.assert_close(load_file(weights), before)


def test_changed_data_is_noticed(folders, tmp_path):
    train(replace(TINY, steps=2), *folders, tmp_path / "run", device="cpu")
    kept = (folders[1] / "0.png").rename(tmp_path / "kept.png")
    shutil.copy(folders[1] / "1.png", folders[1] / "0.png")  # the same name and size
    with pytest.raises(RunError, match="renamed or changed"):
        resume(tmp_path / "run", device="cpu")
    kept.rename(folders[1] / "new.png")
    (folders[1] / "0.png").unlink()
    with pytest.raises(RunError, match="added to, removed from, renamed"):
        resume(tmp_path / "run", device="cpu")


def test_a_million_steps_and_a_full_disk(folders, tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", TINY, *folders)
    weights = {"x": torch.ones(1)}
    (run.folder / "checkpoints/000007.tmp").mkdir()  # left by a kill
    for step in (999_900, 999_950, 1_000_000, 1_000_050):
        run.save(step, weights, {"step": step})
    assert [p.name for p in run.checkpoints()] == ["1000000", "1000050"]
    assert run.load()[1]["step"] == 1_000_050
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))

    def full(state, path):
        raise RuntimeError("unexpected pos 64 vs 0")  # what torch says of a full disk

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk is full"):
        run.save(1_000_100, weights, {})
    assert sorted(p.name for p in (run.folder / "checkpoints").iterdir()) == ["1000000", "1000050"]


def test_what_failed_before_there_was_a_folder_is_told(folders, tmp_path, monkeypatch):
    def short(networks):
        raise MemoryError

    monkeypatch.setattr("cclgan_lite.training.run.save", short)
    with pytest.raises(MemoryError):
        Run.create(tmp_path / "run", TINY, *folders).save(1, {}, {})


@pytest.mark.parametrize("field", ["batch", "log_every", "sample_every", "steps"])
def test_impossible_settings(field):
    with pytest.raises(ValueError, match=f"{field} must be at least 1"):
        replace(TINY, **{field: 0})
    with pytest.raises(ValueError, match="crop must be at least 24"):
        replace(TINY, augment=Augment(resize=None, crop=20))
    with pytest.raises(ValueError, match="seed must be at least 0"):
        replace(TINY, seed=-1)


def test_bfloat16_trains_every_parameter():
    trainer = Trainer(replace(TINY, precision="bfloat16"), 10, torch.device("cpu"))
    batch = {name: torch.rand(1, 3, 48, 48) for name in ("rainy", "clean")}
    losses, _ = trainer.train_step(batch)
    assert all(value.dtype == torch.float32 for value in losses.values())
    for name, parameter in trainer.networks.named_parameters():
        assert name.startswith("embedder") or parameter.grad is not None, name


@pytest.mark.parametrize("loss", ["lcl", "adversarial", "inter"])
def test_a_diverging_run_stops_and_keeps_its_checkpoint(folders, tmp_path, monkeypatch, loss):
    original, steps = Trainer.train_step, []

    def diverge(self, batch):
        losses, step = original(self, batch)
        steps.append(self.step)
        if self.step >= 5:
            losses[f"{loss}/generators"] = losses[f"{loss}/generators"] * float("nan")
        return losses, step

    monkeypatch.setattr(Trainer, "train_step", diverge)
    with pytest.raises(FloatingPointError, match=rf"^not finite: {loss}/generators at step 5;"):
        train(TINY, *folders, tmp_path / "run", device="cpu")
    assert [p.name for p in Run.read(tmp_path / "run").checkpoints()] == ["000002", "000004"]
    assert steps[-1] == 5  # at once, not at the next row


def test_learning_rate_schedule_and_average():
    config = replace(TINY, steps=10, lr=1.0, decay_from=0.5, ema=0.5)
    trainer = Trainer(config, 10, torch.device("cpu"))
    batch = {name: torch.rand(1, 3, 48, 48) for name in ("rainy", "clean")}
    rates = []
    for _ in range(10):
        slow = trainer.averaged.stem.weight.clone()
        trainer.train_step(batch)
        live = trainer.networks["derainer"].stem.weight
        decay = min(0.5, trainer.step / (trainer.step + 10))
        torch.testing.assert_close(trainer.averaged.stem.weight, slow.lerp(live, 1 - decay))
        rates.append(trainer.optimizers["generators"].param_groups[0]["lr"])
    assert rates == pytest.approx([1.0] * 6 + [0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize(
    "decay_from, rates",
    [
        (0.2, [1, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]),
        (0.0, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        (1.0, [1] * 10),
    ],
)
def test_the_learning_rate_falls_to_nothing_over_the_rest(decay_from, rates):
    method = CycleGAN(TINY.method.generator, TINY.method.discriminator, discriminator_speed=3.0)
    trainer = Trainer(
        replace(TINY, method=method, lr=1.0, decay_from=decay_from), 10, torch.device("cpu")
    )
    batch = {name: torch.rand(1, 3, 48, 48) for name in ("rainy", "clean")}
    for rate in rates:
        trainer.train_step(batch)
        for player, speed in (("generators", 1), ("discriminators", 3)):
            assert trainer.optimizers[player].param_groups[0]["lr"] == pytest.approx(speed * rate)


def test_every_step_draws_new_patches():
    trainer = Trainer(TINY, 10, torch.device("cpu"))
    places = []
    trainer.networks["derainer_mlp"].register_forward_hook(
        lambda module, args, out: places.append(args[1]["down1"].tolist()) or None
    )
    batch = {name: torch.rand(1, 3, 48, 48) for name in ("rainy", "clean")}
    for _ in range(2):
        trainer.train_step(batch)
    assert places[0] != places[2]


def test_a_failed_start_leaves_no_run_behind(folders, tmp_path):
    method = replace(TINY.method, embedder="nix")
    with pytest.raises(ValueError, match="nix"):
        train(replace(TINY, method=method), *folders, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_run_that_takes_no_step_does_not_block_the_next(folders, tmp_path, monkeypatch):
    out = tmp_path / "run"
    out.mkdir()
    (out / "notes.txt").touch()
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", lambda self, batch: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(TINY, *folders, out, device="cpu")
    assert [path.name for path in out.iterdir()] == ["notes.txt"]
    train(replace(TINY, steps=2), *folders, out, device="cpu")


def test_trying_the_losses_changes_nothing():
    """Also not the power iteration of spectral norm."""
    method = replace(TINY.method, discriminator=DiscriminatorConfig(filters=4, norm="spectral"))
    tried, fresh = (Trainer(replace(TINY, method=method), 10, torch.device("cpu")) for _ in "ab")
    tried.try_terms(["rainy", "clean"])
    for (name, one), two in zip(
        tried.networks.state_dict().items(), fresh.networks.state_dict().values(), strict=True
    ):
        assert torch.equal(one, two), name
    modes = [[m.training for m in trainer.networks.modules()] for trainer in (tried, fresh)]
    assert modes[0] == modes[1]


@pytest.mark.slow
def test_a_worker_tells_of_a_broken_picture_in_a_line(folders, tmp_path):
    path = folders[0] / "0.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ImageError) as error:
        train(replace(TINY, workers=1), *folders, tmp_path / "run", device="cpu")
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


def test_sub_folders_are_trained_on_when_asked(folders, tmp_path):
    (folders[0] / "inner").mkdir()
    for path in folders[0].glob("[12].png"):
        path.rename(folders[0] / "inner" / path.name)
    run = train(replace(TINY, steps=2, recursive=True), *folders, tmp_path / "run", device="cpu")
    resume(run.folder, device="cpu")
    (folders[0] / "inner/1.png").rename(folders[0] / "1.png")
    with pytest.raises(RunError, match="renamed"):
        resume(run.folder, device="cpu")


def test_bfloat16_run_stays_near_float32():
    batch = {name: torch.rand(1, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    losses = []
    for precision in ("float32", "bfloat16"):
        trainer = Trainer(replace(TINY, precision=precision), 10, torch.device("cpu"))
        losses.append({k: v.item() for k, v in trainer.train_step(batch)[0].items()})
    assert losses[0] == pytest.approx(losses[1], rel=0.05, abs=0.02)
    assert losses[0] != losses[1]  # it was computed in it


@pytest.mark.parametrize("fast", ["float32", "bfloat16"])
def test_auto_takes_the_precision_that_the_hardware_is_fast_in(fast, monkeypatch):
    monkeypatch.setattr(
        torch.cpu, "_is_avx512_bf16_supported", lambda: fast == "bfloat16", raising=False
    )
    batch = {name: torch.rand(1, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    auto, named = (
        Trainer(replace(TINY, precision=precision), 10, torch.device("cpu")).train_step(batch)[0]
        for precision in ("auto", fast)
    )
    assert auto == named


def test_a_run_of_before_a_field_existed_goes_on(folders, tmp_path, monkeypatch):
    """The field has its default then; a value that was changed is still told."""
    to_plain = trainer_module.to_plain
    older = {k: v for k, v in to_plain(TINY, Config).items() if k != "deterministic"}
    monkeypatch.setattr(trainer_module, "to_plain", lambda *a: older)
    run = train(TINY, *folders, tmp_path / "run", device="cpu")
    monkeypatch.undo()
    assert resume(run.folder, device="cpu").history() == run.history()
    path = run.folder / "config.json"
    path.write_text(path.read_text().replace('"ema": 0.9', '"ema": 0.8'))
    with pytest.raises(RunError, match=r"was changed after training began \(ema\)"):
        resume(run.folder, device="cpu")
