"""The run folder: everything that a training run leaves behind, and how it is resumed.

    config.json           the recipe with every field, and the folders trained on
    versions.json         versions and hardware of the (last) session
    metrics.jsonl         a row per `log_every` steps: means of all losses
    samples/000500.png    rainy, derained, rerained | clean, rained, rederained
    checkpoints/000500/   networks.safetensors; trainer.pt: step, optimisers, data fingerprint;
                          sha256.json, by which a damaged file is noticed
    derainer.safetensors  the newest averaged derainer, ready for `derain --weights`
    .lock                 held by the session that trains

Random numbers and data order need no saved state: they are functions of (seed, step).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save
from torch import Tensor

from cclgan_lite import __version__
from cclgan_lite.device import hardware
from cclgan_lite.files import append, sha256_of, write_atomically, write_json
from cclgan_lite.serialization import from_plain, to_plain
from cclgan_lite.training.config import Config


class RunError(RuntimeError):
    """A run folder that cannot be used; the message says which and what to do."""


class Run:
    """One run folder. `Run.create` starts one, `Run.read` finds one again."""

    def __init__(self, folder: Path, config: Config, rainy: Path, clean: Path):
        self.folder, self.config = folder, config
        self.rainy, self.clean = rainy, clean  # the folders it trains on

    def __fspath__(self) -> str:
        """A run can be given wherever its folder can, as weights for one."""
        return str(self.folder)

    @staticmethod
    def exists(folder: Path) -> bool:
        return (folder / "config.json").exists()

    @classmethod
    def refuse(cls, folder: Path) -> None:
        """Raises RunError where `folder` already holds a run."""
        if cls.exists(folder):
            raise RunError(
                f"{folder} already holds a run: continue it with --resume, or choose another --out"
            )

    @classmethod
    def create(cls, folder: Path, config: Config, rainy: Path, clean: Path) -> Run:
        """Raises RunError where `folder` already holds a run."""
        cls.refuse(folder)
        run = cls(folder, config, rainy.absolute(), clean.absolute())
        run.write_config()
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "samples").mkdir(exist_ok=True)
        return run

    def write_config(self) -> None:
        fields = {
            "rainy": str(self.rainy.absolute()),
            "clean": str(self.clean.absolute()),
            "config": to_plain(self.config, Config),
        }
        write_json(self.folder / "config.json", fields)

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Raises RunError where `folder` holds no run, or one that this version cannot read."""
        try:
            saved = json.loads((folder / "config.json").read_text())
            config = from_plain(saved["config"], Config)
            return cls(folder, config, Path(saved["rainy"]), Path(saved["clean"]))
        except FileNotFoundError:
            raise RunError(f"{folder} holds no run to resume: start it without --resume") from None
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(
                f"{folder / 'config.json'} is damaged or from another version ({error}): start a "
                "new run; its derainer.safetensors can still be used"
            ) from error

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """For the session that trains this run. Raises RunError while another one does."""
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(
                f"{self.folder} is being trained by another process: let it end, or stop it first"
            ) from None
        except NotImplementedError:  # a file system without locks
            pass
        try:
            yield
        finally:
            lock.release()

    def discard(self) -> None:
        """Remove a run that has not taken a step, and its folder if nothing else is there."""
        for name in ("config.json", "versions.json", "metrics.jsonl", ".lock"):
            (self.folder / name).unlink(missing_ok=True)
        for name in ("checkpoints", "samples"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        with suppress(OSError):
            self.folder.rmdir()

    def write_versions(self, device: torch.device, precision: str, processes: int = 1) -> None:
        write_json(
            self.folder / "versions.json",
            {
                "cclgan_lite": __version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
                "device": device.type,
                "hardware": hardware(device),
                "precision": precision,
                "cores": os.cpu_count(),
                "threads": torch.get_num_threads(),
                "processes": processes,
            },
        )

    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first. Unfinished ones still carry a `.tmp` name."""
        folders = (self.folder / "checkpoints").glob("*")
        return sorted((p for p in folders if p.name.isdigit()), key=lambda p: int(p.name))

    def save(self, step: int, networks: dict[str, Tensor], trainer: dict) -> None:
        """Write one checkpoint, all of it or nothing, then drop all but the one before it.

        Raises OSError where the disk is full; earlier checkpoints stay.
        """
        target = self.folder / "checkpoints" / f"{step:06d}"
        for unfinished in target.parent.glob("*.tmp"):  # of a killed session
            shutil.rmtree(unfinished, ignore_errors=True)
        temporary = target.with_suffix(".tmp")
        try:
            content = save(networks)  # in memory, because save_file hides what a disk complains of
            write_atomically(temporary / "networks.safetensors", lambda p: p.write_bytes(content))
            write_atomically(temporary / "trainer.pt", partial(torch.save, trainer))
            write_json(
                temporary / "sha256.json", {p.name: sha256_of(p) for p in _parts(temporary)}
            )
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
        for old in self.checkpoints()[:-2]:
            shutil.rmtree(old, ignore_errors=True)

    def deliver(self, derainer: bytes) -> None:
        write_atomically(self.folder / "derainer.safetensors", lambda p: p.write_bytes(derainer))

    def load(self) -> tuple[dict[str, Tensor], dict] | None:
        """(networks, trainer state) of the newest checkpoint, or None before the first."""
        if not (found := self.checkpoints()):
            return None
        try:
            weights, rest = _parts(found[-1])
            if (sums := found[-1] / "sha256.json").exists():  # not beside those of older versions
                if json.loads(sums.read_text()) != {p.name: sha256_of(p) for p in (weights, rest)}:
                    raise ValueError("its content is not what was written")
            networks = load_file(weights)
            trainer = torch.load(rest, weights_only=True, map_location="cpu")
        except Exception as error:
            raise RunError(
                f"{found[-1]} cannot be read ({error}): delete it, and the run resumes from the "
                "checkpoint before it"
            ) from error
        return networks, trainer

    def log(self, row: dict[str, float]) -> None:
        append(self.folder / "metrics.jsonl", json.dumps(row) + "\n")

    def history(self) -> list[dict[str, float]]:
        return read_history(self.folder / "metrics.jsonl")

    def forget_after(self, step: int) -> None:
        """Drop the rows that a killed session logged after its last checkpoint."""
        rows = [row for row in self.history() if row["step"] <= step]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_atomically(self.folder / "metrics.jsonl", lambda p: p.write_text(text))


def _parts(checkpoint: Path) -> tuple[Path, Path]:
    return checkpoint / "networks.safetensors", checkpoint / "trainer.pt"


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a metrics.jsonl up to the first that is damaged or cut short by a kill."""
    rows = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            row = {name: float(value) for name, value in json.loads(line).items()}
            rows.append(row | {"step": int(row["step"])})
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            break
    return rows
