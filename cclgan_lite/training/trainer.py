"""The training loop: any method whose networks, wiring and terms are data.

Randomness is a function of (seed, step): a resumed run continues as an uninterrupted one, up to
the rounding of the device.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.utils import make_grid
from tqdm import tqdm

from cclgan_lite.data.bundled import bundled_data
from cclgan_lite.data.folders import UnpairedFolders
from cclgan_lite.data.images import ImageError, to_uint8
from cclgan_lite.data.pairs import equal_contents
from cclgan_lite.data.resident import Resident
from cclgan_lite.data.unpaired import assert_unpaired, folders_of_test
from cclgan_lite.device import pick_precision
from cclgan_lite.files import refuse_unwritable, write_atomically
from cclgan_lite.inference.weights import derainer_bytes, load_derainer
from cclgan_lite.networks import NetworkConfig
from cclgan_lite.serialization import differences, from_plain, to_plain
from cclgan_lite.training.config import Config
from cclgan_lite.training.deterministic import deterministic
from cclgan_lite.training.parallel import Team, join
from cclgan_lite.training.run import Run, RunError
from cclgan_lite.training.step import Step, compile_networks, training_step
from cclgan_lite.validation import near


class Trainer:
    """Networks, optimisers and everything else that moves during a run."""

    def __init__(
        self,
        config: Config,
        total_steps: int,
        device: torch.device,
        data: str = "",
        team: Team | None = None,
    ):
        torch.manual_seed(config.seed)
        self.config, self.device, self.total_steps = config, device, total_steps
        self.data = data  # fingerprint of what it trains on
        self.precision = pick_precision(config.precision, device)
        self.team = team or Team()  # the processes that train this together
        self.step, self.compiled = 0, False
        method = config.method
        self.terms = method.terms()
        # GPUs read pixels whole; on CPUs the norms between convolutions are slow that way.
        self.layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # TF32, which convolutions use anyway
        players = method.players()
        learning = {k: v for player in players.values() for k, v in player.networks.items()}
        self.networks = nn.ModuleDict(learning | method.frozen()).to(device)
        self.networks.to(memory_format=self.layout)
        self.learning = list(learning)
        self.optimizers = {
            name: torch.optim.Adam(
                [
                    p
                    for network in player.networks.values()
                    for p in network.parameters()
                    if p.requires_grad
                ],
                lr=config.lr * player.rate,
                betas=config.betas,
                fused=True,
            )
            for name, player in players.items()
            if player.networks
        }
        self.averaged = copy.deepcopy(self.networks[method.delivers]).requires_grad_(False)

    def train_step(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Step]:
        """One update of all players. Returns the losses (on the device) and the step's images."""
        if self.config.compile and not self.compiled:  # not before `try_terms`
            compile_networks(self.networks)
            self.compiled = True
        torch.manual_seed(self.config.seed + 1_000_003 * (self.step + 1))
        # Set learning rates.
        after = self.config.decay_from * self.total_steps
        factor = min(1.0, (self.total_steps - self.step) / max(1.0, self.total_steps - after))
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = group["initial_lr"] * factor
        # Who is heard at this step.
        progress = self.step / self.total_steps
        heard = {name: self.config.onset.share(name, progress) for name in self.terms}
        terms = {name: term for name, term in self.terms.items() if heard[name] is not None}
        # Forward, backward, update.
        images = {
            name: x.to(self.device, non_blocking=True, memory_format=self.layout)
            for name, x in batch.items()
        }
        step = Step(
            self.networks,
            self.config.method.wiring,
            [look for term in terms.values() for look in term.looks()],
            images,
            getattr(torch, self.precision),
        )
        live = self.networks[self.config.method.delivers]
        every = self.config.shares_every
        measured = live if every and self.step % every == 0 else None
        losses = training_step(
            step, terms, self.optimizers, self.team.average, heard, shares_of=measured
        )
        # Average the generator that will be delivered.
        self.step += 1
        decay = min(self.config.ema, self.step / (self.step + 10))  # a short memory at first
        with torch.no_grad():
            for slow, fast in zip(self.averaged.parameters(), live.parameters(), strict=True):
                slow.lerp_(fast, 1 - decay)
        return losses, step

    def start_from(self, name: str) -> None:
        """Take the delivered network from a shipped name, a weights file or a run folder.

        Raises FileNotFoundError or ValueError, also where the two are built differently.
        """
        found, own = load_derainer(name), self.networks[self.config.method.delivers]
        configs = [replace(network.config, taps=()) for network in (own, found)]
        if apart := differences(*configs, NetworkConfig):
            what = ", ".join(f"{field} {a} here, {b} there" for field, (a, b) in apart.items())
            raise ValueError(f"{name} is built otherwise than the generator of this run: {what}")
        own.load_state_dict(found.state_dict())
        self.averaged.load_state_dict(found.state_dict())

    @torch.no_grad()
    def try_terms(self, images: Iterable[str]) -> None:
        """All losses once on blank `images` that data sets bring, without learning anything.

        Raises ValueError for a loss that reads what is not there or trains whom it cannot, also
        one that joins later: such a run would fail after the work of hours.
        """
        side = self.config.augment.crop
        blank = {name: torch.zeros(1, 3, side, side, device=self.device) for name in images}
        learning = [self.networks[name] for name in self.learning]
        for network in learning:
            network.eval()  # the power iteration of spectral norm stands still
        looks = [look for term in self.terms.values() for look in term.looks()]
        step = Step(self.networks, self.config.method.wiring, looks, blank)
        for name, term in self.terms.items():
            step.reader = f"loss {name!r}"
            try:
                learners = term(step)
            except LookupError as error:
                raise ValueError(f"method.{name} cannot be computed: {error}") from error
            known = [*self.optimizers, *self.learning]
            for learner in learners:
                if learner not in known:
                    raise ValueError(
                        f"method.{name} trains {learner!r}{near(learner, known)}; there are "
                        + ", ".join(known)
                    )
        for network in learning:
            network.train()

    def save(self, run: Run) -> None:
        state = {
            f"{name}.{key}": value.contiguous()
            for name in self.learning
            for key, value in self.networks[name].state_dict().items()
        }
        state |= {f"averaged.{k}": v.contiguous() for k, v in self.averaged.state_dict().items()}
        if not all(tensor.isfinite().all() for tensor in state.values()):
            raise FloatingPointError(f"weights are not finite at step {self.step}; {_remedy(run)}")
        trainer = {
            "step": self.step,
            "total_steps": self.total_steps,
            "data": self.data,
            "config": to_plain(self.config, Config),
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }
        run.save(self.step, state, trainer)
        run.deliver(derainer_bytes(self.averaged))

    def load(self, run: Run) -> None:
        """Take up the newest checkpoint, if there is one."""
        if (found := run.load()) is None:
            return
        state, trainer = found
        if (trainer["total_steps"], trainer["data"]) != (self.total_steps, self.data):
            raise RunError(
                f"files were added to, removed from, renamed or changed in {run.rainy} or "
                f"{run.clean}: bring them back to resume {run.folder}, or start a new run; if the "
                "folders were moved, name their new places with --rainy and --clean"
            )
        try:  # of an older version: fields that were not there yet have their defaults
            began = from_plain(trainer["config"], Config) if "config" in trainer else self.config
            if not (apart := differences(began, self.config, Config)):
                self._take(state, trainer["optimizers"])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise RunError(
                f"{run.checkpoints()[-1]} is damaged or of another version ({error}): delete it, "
                "and the run resumes from the checkpoint before it"
            ) from error
        if apart:
            raise RunError(
                f"{run.folder / 'config.json'} was changed after training began "
                f"({', '.join(apart)}): bring its values back, or start a new run"
            )
        self.step = trainer["step"]
        if self.team.is_main:  # in case the last session died just before
            run.deliver(derainer_bytes(self.averaged))

    def _take(self, state: dict[str, Tensor], optimizers: dict[str, dict]) -> None:
        for name, network in [*self.networks.items(), ("averaged", self.averaged)]:
            if name in self.learning or name == "averaged":
                own = {
                    k.removeprefix(f"{name}."): v
                    for k, v in state.items()
                    if k.startswith(f"{name}.")
                }
                network.load_state_dict(own)
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(optimizers[name])
            # Moments keep the memory layout of the device that saved them. Fused Adam takes for
            # granted that they have the parameter's.
            for parameter, state in optimizer.state.items():
                for key, value in state.items():
                    if value.shape == parameter.shape:
                        state[key] = torch.empty_like(parameter).copy_(value)


def train(
    config: Config,
    rainy: Path | str | None = None,
    clean: Path | str | None = None,
    out: Path | str = "runs/new",
    device: str = "auto",
    check_unpaired: bool = False,
) -> Run:
    """Train a configuration (`ccl.recipe`) into the new run folder `out`.

    `rainy` and `clean` are folders of unpaired photographs; without both, the bundled data is
    made beside `out` and trained on. `check_unpaired` refuses folders that share a scene with
    each other or with the test set beside them. In a process of several (training/parallel.py)
    this is that process's part of the training.

    Raises RunError (folder in use), ImageError (data), ValueError (a configuration that cannot
    be trained, a missing start), FloatingPointError (a loss diverged); with several processes
    also ValueError (a batch that they cannot share, a start that is not the same everywhere) and
    ConnectionError (another process stopped).
    """
    out = Path(out)
    Run.refuse(out)
    refuse_unwritable(out, folder=True)
    if (rainy is None) != (clean is None):
        raise ValueError("give both --rainy and --clean, or neither for the bundled data")
    if "transplant" in config.method.terms() and not config.start:
        raise ValueError(
            "this recipe goes on from a derainer: give --start RUN, a run of rehearsal, or "
            "--start light"
        )
    team, _ = join(device)
    with team.main_first():
        if rainy is None:
            data = bundled_data(out.parent / "bundled-data")
            rainy, clean = data / "train/rainy", data / "train/clean"
        if check_unpaired and team.is_main:
            tests = folders_of_test(Path(rainy))
            assert_unpaired(rainy, clean, *tests, progress=True, recursive=config.recursive)
    if out.exists() and any(
        out.samefile(folder) for folder in (rainy, clean) if Path(folder).exists()
    ):
        raise ValueError(
            f"--out {out} holds pictures to train on: name another folder for the run"
        )
    data, trainer = prepare(config, rainy, clean, device)  # complain before there is a folder
    if config.start:
        trainer.start_from(config.start)
    trainer.team.wait()  # all have seen that there is none
    with trainer.team.main_first():
        run = (
            Run.create(out, config, Path(rainy), Path(clean))
            if trainer.team.is_main
            else Run.read(out)
        )
    try:
        with _claimed(run, trainer.team):
            return _loop(run, data, trainer)
    except Exception as error:
        # Nothing is lost with it, and the corrected command finds its place free. A broken picture
        # can be replaced.
        if trainer.step == 0 and trainer.team.is_main and not isinstance(error, ImageError):
            run.discard()
        raise


def resume(
    out: Path | str,
    device: str = "auto",
    *,
    rainy: Path | str | None = None,
    clean: Path | str | None = None,
) -> Run:
    """Continue the run in `out` from its newest checkpoint, as if it had never stopped.

    `rainy` and `clean` say where its folders of pictures are now, if they were moved.

    Raises what `train` raises, and RunError where there is no run or another session trains it.
    """
    run = Run.read(Path(out))
    run.rainy, run.clean = Path(rainy or run.rainy), Path(clean or run.clean)
    for folder in (run.rainy, run.clean):
        if not folder.exists():
            raise RunError(
                f"{folder}, which {out} trains on, is not there: if it was moved, name its new "
                "place with --rainy or --clean"
            )
    data, trainer = prepare(run.config, run.rainy, run.clean, device)
    with _claimed(run, trainer.team):
        if run.config.start and not run.checkpoints():
            trainer.start_from(run.config.start)
        trainer.load(run)
        if trainer.team.is_main:
            run.write_config()  # where the folders are now
            run.forget_after(trainer.step)
        return _loop(run, data, trainer)


def _claimed(run: Run, team: Team) -> AbstractContextManager:
    return run.claimed() if team.is_main else nullcontext()


def prepare(
    config: Config, rainy: Path | str, clean: Path | str, device: str
) -> tuple[UnpairedFolders, Trainer]:
    """The data and the `Trainer` of a run that nothing is written of yet; raises as `train`."""
    team, where = join(device)
    team.share(config.batch)
    data = config.method.data(
        rainy,
        clean,
        config.augment,
        config.seed,
        shower=config.shower,
        leaves=config.leaves,
        recursive=config.recursive,
    )
    total_steps = config.steps
    if total_steps is None:
        total_steps = max(1, round(config.epochs * len(data) / config.batch))
    trainer = Trainer(config, total_steps, where, data.fingerprint(), team)
    brought = data.images()
    if equal_contents(*data.files.values()):
        brought.remove("rainy")
    try:
        trainer.try_terms(brought)
    except ValueError as error:
        if "rainy" in brought:
            raise
        reads = str(error).split(";")[0]
        raise ValueError(
            f"{rainy} and {clean} hold the same pictures, none of them rainy ({reads}): "
            "name two folders, or take --recipe rehearsal, which makes its own rain"
        ) from error
    return data, trainer


def _loop(run: Run, data: UnpairedFolders, trainer: Trainer) -> Run:
    config, total_steps, team = run.config, trainer.total_steps, trainer.team
    facts = trainer.config, trainer.precision, total_steps, trainer.step, trainer.data
    team.agree(facts, trainer.networks.parameters())
    if team.is_main:
        run.write_versions(trainer.device, trainer.precision, team.count)
    items = team.items(config.batch, range(trainer.step, total_steps))
    batches = (
        Resident(data, trainer.device).batches(items)
        if config.resident
        else _told_plainly(
            DataLoader(
                data,
                batch_sampler=items,
                num_workers=config.workers,
                pin_memory=trainer.device.type == "cuda",
            )
        )
    )

    window: dict[str, list[Tensor]] = {}  # each loss since the last row
    saved = time.monotonic()
    bar = tqdm(
        desc=" ".join(f"{len(files)} {name}" for name, files in data.files.items()),
        total=total_steps,
        initial=trainer.step,
        unit="step",
        dynamic_ncols=True,
        disable=not team.is_main,
    )
    for batch in batches:
        with deterministic(config.deterministic):
            losses, step = trainer.train_step(batch)
        for name, value in losses.items():
            window.setdefault(name, []).append(value)
        bar.update()
        done = trainer.step == total_steps
        logged = trainer.step % config.log_every == 0 or done
        # At every step on a CPU, but not on a GPU, which would have to be waited for, nor in a
        # team, where one process must not stop alone: its row's average tells all at once.
        on_cpu = trainer.device.type == "cpu"
        if team.count == 1 and (logged or on_cpu):
            unseen = {name: values[-1:] for name, values in window.items()} if on_cpu else window
            _refuse_infinite(unseen, run, trainer.step)
        if logged:
            means = torch.stack([torch.stack(values).float().mean() for values in window.values()])
            team.average([means])
            row = dict(zip(window, means.tolist(), strict=True))
            window.clear()
            if not all(map(isfinite, row.values())):
                raise FloatingPointError(
                    f"a loss is not finite before step {trainer.step}: {row}; {_remedy(run)}"
                )
            if team.is_main:
                run.log({"step": trainer.step} | {k: round(v, 6) for k, v in row.items()})
            bar.set_postfix(
                {
                    k.replace("generators", "G").replace("discriminators", "D"): f"{v:.3f}"
                    for k, v in row.items()
                }
            )
        if team.is_main and (trainer.step % config.sample_every == 0 or done):
            grid = Image.fromarray(sample_grid(step, config.method.grid))
            write_atomically(run.folder / "samples" / f"{trainer.step:06d}.png", grid.save)
        # Save only where a row was logged, so that no window is ever torn by a kill.
        due = not window and time.monotonic() - saved > 60 * config.save_minutes
        if team.is_main and (done or due):
            trainer.save(run)
            saved = time.monotonic()
    bar.close()
    team.wait()  # until all is written
    return run


def _told_plainly(loader: DataLoader) -> Iterator[dict[str, Tensor]]:
    """Its batches; a picture that a worker cannot read is told without the worker's traceback."""
    try:
        yield from loader
    except ImageError as error:
        raise ImageError(str(error).split("ImageError: ")[-1].strip()) from None


def _refuse_infinite(window: dict[str, list[Tensor]], run: Run, step: int) -> None:
    """FloatingPointError that names each bad loss of a `window` that ends at `step`."""
    bad = []
    for name, values in window.items():
        finite = torch.stack(values).isfinite()
        if not finite.all():
            first = step - len(values) + 1 + int(finite.logical_not().int().argmax())
            bad.append(f"{name} at step {first}")
    if bad:
        raise FloatingPointError(f"not finite: {', '.join(bad)}; {_remedy(run)}")


def _remedy(run: Run) -> str:
    return (
        f"checkpoints up to then are in {run.folder}; start again with a smaller --lr or with "
        "--precision float32"
    )


@torch.no_grad()
def sample_grid(step: Step, rows: tuple[tuple[str, ...], ...]) -> np.ndarray:
    """uint8 [H, W, 3]: the first item of each named image of a step, in rows."""
    tiles = [step.image(name)[0].nan_to_num().cpu() for row in rows for name in row]
    return to_uint8(make_grid(tiles, nrow=len(rows[0]), padding=4, pad_value=1.0))
