"""Every fault many times, and what was lost by it: python tests/faults.py --help.

Each round is a tiny training, or another work, in a fork of this process, which meets the fault.
It survives where the same work afterwards ends as it would have without the fault, and where what
stopped it was a message that names a file. Needs fork, so no Windows; a read-only machine needs
bubblewrap.
"""

from __future__ import annotations

import argparse
import errno
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import torch
from noise import noise_folders
from safetensors.torch import load_file
from test_run import TINY

from cclgan_lite import derain, evaluate, make_rain
from cclgan_lite.data.folders import Augment
from cclgan_lite.data.images import ImageError
from cclgan_lite.files import sha256_of
from cclgan_lite.serialization import to_plain
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run, RunError
from cclgan_lite.training.trainer import Trainer, resume, train

CONFIG = replace(TINY, augment=Augment(resize=None, crop=32), steps=4)
FILES = 11  # that a training writes
FORK = multiprocessing.get_context("fork")


class Campaign:
    """A folder of pictures, what a training on them ends with, and faults to meet."""

    def __init__(self, root: Path, seed: int = 0):
        torch.set_num_threads(1)
        self.root, self.random = root, random.Random(seed)
        self.folders = noise_folders(root, 3)
        to_plain(CONFIG, Config)  # makes the converter that the forks inherit
        for work in (self.rain, self.derain, self.report):
            self.told(work, root / f"whole {work.__name__}")
        for name in ("first", "whole"):  # the first one warms up
            began = time.monotonic()
            self.fork(self.train, root / name).join()
            self.seconds = time.monotonic() - began
        self.expected = self.result(root / "whole")

    def fork(self, work: Callable, *arguments) -> multiprocessing.Process:
        # This process itself never trains: autograd does not survive a fork.
        process = FORK.Process(target=work, args=arguments)
        process.start()
        return process

    def told(self, work: Callable, *arguments) -> str:
        """The message of the error that `work` ends with, in a fork; "" where there is none."""
        mine, theirs = FORK.Pipe(duplex=False)

        def tell() -> None:
            try:
                work(*arguments)
                theirs.send("")
            except (RunError, ImageError, OSError, FloatingPointError) as error:
                theirs.send(str(error))
            except BaseException as error:
                theirs.send(f"traceback: {error!r}")

        process = self.fork(tell)
        message = mine.recv()
        process.join()
        return message

    def train(self, out: Path) -> None:
        sys.stderr = open(os.devnull, "w")
        if Run.exists(out):
            resume(out, device="cpu")
        else:
            train(CONFIG, *self.folders, out, device="cpu")

    def rain(self, out: Path) -> None:
        make_rain(self.folders[1], out, progress=False)

    def derain(self, out: Path) -> None:
        derain(self.folders[0], out, "demo", device="cpu", progress=False)

    def report(self, out: Path) -> None:
        rainy, clean = self.folders
        out.mkdir(exist_ok=True)
        evaluate("identity", rainy=rainy, clean=clean, report=out / "report.html", progress=False)

    def result(self, out: Path) -> tuple:
        tensors = load_file(out / "derainer.safetensors")  # the order of its metadata varies
        return Run.read(out).history(), {name: t.numpy().tobytes() for name, t in tensors.items()}

    def recovers(self, out: Path) -> bool:
        return not self.told(self.train, out) and self.result(out) == self.expected

    def run(self) -> Path:
        return Path(shutil.copytree(self.root / "whole", self.root / "faulty"))

    # Each fault: whether it was survived.

    def killed(self, number: int = signal.SIGKILL) -> bool:
        """SIGKILL at a random moment of a training"""
        while True:
            process = self.fork(self.train, self.root / "faulty")
            time.sleep(self.random.uniform(0, self.seconds))
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
            process.join()
            if process.exitcode:
                return self.recovers(self.root / "faulty")
            shutil.rmtree(self.root / "faulty")  # it had come to its end: no attempt

    def interrupted(self) -> bool:
        """SIGINT at a random moment (a kernel that is interrupted)"""
        return self.killed(signal.SIGINT)

    def disk_full(self) -> bool:
        """disk full at a random file of a training"""
        fails, out = self.random.randrange(FILES), self.root / "faulty"
        message = self.told(self.when_full, fails, self.train, out)
        return "disk is full" in message and self.recovers(out)

    def when_full(self, fails: int, work: Callable, out: Path) -> None:
        """`work` on a disk that is full at the file of this number."""
        calls, real = iter(range(10**6)), os.fsync

        def fsync(file) -> None:
            if next(calls) == fails:
                raise OSError(errno.ENOSPC, "full")
            real(file)

        with patch("os.fsync", fsync):
            work(out)

    def disk_full_elsewhere(self) -> bool:
        """disk full at a random file of derained or rained pictures, or of a report"""
        name = self.random.choice(["rain", "derain", "report"])
        work, whole = getattr(self, name), self.root / f"whole {name}"
        fails = self.random.randrange(1 if name == "report" else 3)
        message = self.told(self.when_full, fails, work, self.root / "made")
        again = self.told(work, self.root / "made")
        made = contents(self.root / "made")
        return "disk is full" in message and not again and made == contents(whole)

    def damaged(self) -> bool:
        """a file of a run truncated or one bit of it flipped, then --resume"""
        out = self.run()
        shutil.rmtree(Run.read(out).checkpoints()[-1])  # there is something left to do
        last, before = Run.read(out).checkpoints()[-1], self.root / "checkpoint"
        shutil.copytree(last, before.with_name("kept") / last.name)
        files = [p for p in (*last.iterdir(), out / "config.json", out / "metrics.jsonl")]
        path = self.random.choice(sorted(files))
        whole = path.read_bytes()
        content = bytearray(whole)
        if self.random.random() < 0.5:
            del content[self.random.randrange(len(content)) :]
        else:
            content[self.random.randrange(len(content))] ^= 1 << self.random.randrange(8)
        path.write_bytes(content)
        message = self.told(self.train, out)
        if path.name == "metrics.jsonl":  # rows of the past are a record, not a state
            return not message and self.result(out)[1] == self.expected[1]
        if not message:
            return self.result(out) == self.expected
        if path.name == "config.json":
            path.write_bytes(whole)
        else:
            shutil.copytree(before.with_name("kept"), out / "checkpoints", dirs_exist_ok=True)
        return path.parent.name in message and self.recovers(out)

    def picture(self) -> bool:
        """a picture truncated, the others of its folder wanted"""
        folder = Path(shutil.copytree(self.folders[1], self.root / "faulty"))
        path = self.random.choice(sorted(folder.iterdir()))
        path.write_bytes(path.read_bytes()[: self.random.randrange(5000)])
        message = self.told(lambda: make_rain(folder, self.root / "made", progress=False))
        return path.name in message and len(list((self.root / "made").iterdir())) == 2

    def preparation(self) -> bool:
        """SIGKILL at a random moment of make-rain, then again"""
        process = self.fork(self.rain, self.root / "made")
        time.sleep(self.random.uniform(0, 0.2))
        process.kill()
        process.join()
        self.told(self.rain, self.root / "made")
        return contents(self.root / "made") == contents(self.root / "whole rain")

    def two(self) -> bool:
        """two trainings in one folder"""
        first = self.fork(self.train, self.root / "faulty")
        while not (self.root / "faulty/.lock").exists() and first.is_alive():
            time.sleep(0.001)
        message = self.told(self.train, self.root / "faulty")
        first.join()
        beside = "by another process" in message or not message  # it came after the first
        return beside and self.result(self.root / "faulty") == self.expected

    def infinite(self) -> bool:
        """NaN in any loss at a random step"""
        at, pick = self.random.randrange(CONFIG.steps), self.random.random()
        original = Trainer.train_step

        def step(trainer, batch):
            losses, step = original(trainer, batch)
            if trainer.step == at + 1:
                name = sorted(losses)[int(pick * len(losses))]
                losses[name] = losses[name] * float("nan")
            return losses, step

        def work() -> None:
            with patch.object(Trainer, "train_step", step):
                self.train(self.root / "faulty")

        message = self.told(work)
        return f"at step {at + 1}" in message and self.recovers(self.root / "faulty")

    def clock(self) -> bool:
        """a clock that goes backwards"""
        now = iter(range(10**6, 0, -1))

        def work() -> None:
            with patch("time.time", lambda: float(next(now))):
                self.train(self.root / "faulty")

        return not self.told(work) and self.result(self.root / "faulty") == self.expected

    def read_only(self) -> bool:
        """--resume where the installation and the home are read-only, or there is no home"""
        out = self.run()
        shutil.rmtree(Run.read(out).checkpoints()[-1])
        home = self.random.choice(["", "/nowhere", str(Path.home())])
        readable = ["--ro-bind", "/", "/", "--dev", "/dev", "--bind", str(self.root)]
        readable += [str(self.root), "--setenv", "TMPDIR", str(self.root)]
        readable += ["--setenv", "HOME", home] if home else ["--unsetenv", "HOME"]
        command = [sys.executable, "-m", "cclgan_lite", "train", "--resume", "--out", str(out)]
        done = subprocess.run(["bwrap", *readable, *command], capture_output=True)
        return not done.returncode and self.result(out) == self.expected


FAULTS = {
    fault.__name__: fault
    for fault in (
        Campaign.killed,
        Campaign.interrupted,
        Campaign.disk_full,
        Campaign.disk_full_elsewhere,
        Campaign.damaged,
        Campaign.picture,
        Campaign.preparation,
        Campaign.two,
        Campaign.infinite,
        Campaign.clock,
        Campaign.read_only,
    )
}


def contents(folder: Path) -> dict[str, str]:
    """The checksums of what a user sees in a folder."""
    return {path.name: sha256_of(path) for path in folder.glob("[!.]*")}


def rounds(fault: Callable[[Campaign], bool], count: int, seed: int, end: float) -> Counter:
    """How many of `count` were tried before the time `end`, and how many survived."""
    with TemporaryDirectory() as root:
        campaign, counts = Campaign(Path(root), seed), Counter()
        while counts["tried"] < count and time.monotonic() < end:
            counts["tried"] += 1
            if fault(campaign):
                counts["survived"] += 1
            else:
                print(f"{fault.__name__}: lost {dict(counts)} of seed {seed}", file=sys.stderr)
            for name in ("faulty", "made", "kept"):
                shutil.rmtree(Path(root, name), ignore_errors=True)
        return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=inf, help="of each fault, at most")
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    print("| fault | attempts | survived | lost |\n|---|---|---|---|")
    for name in asked.faults or FAULTS:
        end = time.monotonic() + 60 * asked.minutes
        counts = rounds(FAULTS[name], asked.rounds, asked.seed, end)
        tried, survived = counts["tried"], counts["survived"]
        print(
            f"| {FAULTS[name].__doc__} | {tried} | {survived} | {tried - survived} |", flush=True
        )


if __name__ == "__main__":
    main()
