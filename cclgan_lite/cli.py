"""The command line: `cclgan-lite COMMAND`, also `python -m cclgan_lite COMMAND`.

Flags are generated from the signatures below and from the dataclasses of the recipe.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import replace
from functools import partial, wraps
from io import StringIO
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from tyro.conf import Positional, arg

import cclgan_lite as ccl
from cclgan_lite.data.degradations.kinds import KINDS
from cclgan_lite.data.images import ImageNote
from cclgan_lite.files import refuse_unwritable, write_json
from cclgan_lite.inference.weights import DEFAULT_WEIGHTS
from cclgan_lite.recipes import RECIPES
from cclgan_lite.serialization import differences
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run, RunError

DESCRIPTION = "Unsupervised image deraining with CCLGAN. Each COMMAND has its own --help."
DEFAULT_RECIPE = "laptop"
Device = Literal["auto", "cpu", "cuda", "mps"]
Kind = Literal[tuple(KINDS)]


def train_for(default: Config):
    """The command `train` whose defaults, and so whose --help, are those of one recipe."""

    def train(
        out: Path,
        rainy: Path | None = None,
        clean: Path | None = None,
        recipe: str | None = None,
        resume: bool = False,
        check_unpaired: bool = False,
        device: Device = "auto",
        config: Annotated[Config, arg(name="")] = default,
    ) -> None:
        from cclgan_lite.training import parallel

        if resume:
            changed = [f"--{name}" for name in differences(config, Run.read(out).config, Config)]
            if changed := changed + ["--check-unpaired"] * check_unpaired:
                raise ValueError(
                    f"{out} goes on with its own settings: leave out {' '.join(changed)}. A "
                    f"longer or different training is a new run: --start {out}"
                )
            run = ccl.resume(out, device, rainy=rainy, clean=clean)
        else:
            _refuse_unheard(config, default)
            run = ccl.train(config, rainy, clean, out, device, check_unpaired)
        team, _ = parallel.join(device)
        if team.is_main:
            print(f"trained: {run.folder / 'derainer.safetensors'}")
        team.leave()

    # Not a literal, because it lists the recipes.
    train.__doc__ = f"""Train on a folder of rainy and a folder of clean photographs; no pairs.

    cclgan-lite train --recipe laptop --rainy my/rainy --clean my/clean --out runs/mine

    After an interruption this goes on where the last checkpoint was:

    cclgan-lite train --out runs/mine --resume

    Every field of a recipe is a flag; --help shows the values of the --recipe beside it.

    Args:
        out: Run folder: config, metrics, sample grids, checkpoints, derainer.safetensors.
        rainy: Folder of rainy images. Without --rainy and --clean: the bundled data. Beside
            --resume: where the folder is now.
        clean: Folder of clean images, best of other scenes.
        recipe: One of {", ".join(RECIPES)}; {DEFAULT_RECIPE} if not given.
        resume: Continue the run in --out with its own settings and folders.
        check_unpaired: Refuse to train if a clean image shows a scene of a rainy one, or either
            one of the test set beside them (see check-unpaired).
        device: Where to compute; auto takes a GPU if there is one.
        config: Fields of the recipe.
    """
    return train


def _refuse_unheard(config: Config, default: Config) -> None:
    """ValueError for a flag of a loss without weight: nothing would read it."""
    for name in differences(config, default, Config):
        loss = name.removeprefix("method.").partition(".")[0]
        loss = "intra" if loss == "embedder" else loss  # who alone looks through it
        weight = f"method.{loss}.weight"
        if name != weight and not getattr(getattr(config.method, loss, None), "weight", 1):
            raise ValueError(f"--{name} is for a loss without weight: give --{weight} too")


def derain(
    inputs: Positional[tuple[Path, ...]],
    out: Path,
    weights: str = DEFAULT_WEIGHTS,
    memory: float | None = None,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    device: Device = "auto",
) -> None:
    """Remove the rain from photographs: files or whole folders, any size.

    cclgan-lite derain holiday/ IMG_0042.jpg --out derained

    Names, format, size, orientation and colour profile are kept. Large pictures are worked on in
    tiles whose size follows from --memory; the picture does not depend on it.

    Args:
        inputs: Picture files, or folders of them.
        out: Folder for the derained pictures; existing ones of the same name are replaced.
        weights: A shipped name (light, demo), a weights file, or a run folder.
        memory: GiB that activations may take besides pictures and libraries; if not given, 1 on a
            CPU, where more is no faster, and half of what is free on a GPU.
        precision: auto is bfloat16 where the hardware multiplies it at full speed, else float32;
            the pictures differ by about a tenth of a grey level.
        device: Where to compute; auto takes a GPU if there is one.
    """
    written = ccl.derain(inputs, out, weights, memory=memory, precision=precision, device=device)
    print(f"derained {len(written)} pictures into {out}")


def adapt(
    rainy: Path,
    clean: Path,
    out: Path,
    start: str = DEFAULT_WEIGHTS,
    steps: int = 400,
    seed: int = 0,
    airlight: tuple[float, float] = (0.4, 0.6),
) -> None:
    """Teach a derainer to take off the veil of your rain, without pairs, in minutes.

    cclgan-lite adapt --rainy my/rainy --clean my/clean --out runs/mine
    cclgan-lite derain my/rainy --weights runs/mine --out derained

    Where the rainy photographs lack contrast beside the clean ones, veil is assumed and rendered
    on clean ones for practice; then the paper's four losses compare the folders. Both must come
    from one camera and view, that of a car, say: every other difference between them is taken for
    veil, too. What it learns is for this view alone.

    Args:
        rainy: Folder of rainy photographs, some dozens. Of more than 200, some are taken.
        clean: Folder of clean photographs, of other scenes, framed alike.
        out: Folder for derainer.safetensors, and adapt.json that says how it came to be.
        start: A shipped name (light), a weights file, or a run of rehearsal or rain100l.
        steps: Steps with the losses, after half as many of practice. More is not better.
        seed: Decides initial weights and the rendered veil.
        airlight: From and to where the light of the veil lies, 1 is white: 0.4 to 0.6 under a
            grey sky, more where the veil is brighter.
    """
    from cclgan_lite.training.adapt import Adapting
    from cclgan_lite.training.adapt import adapt as adapt_to

    settings = Adapting(steps=steps, seed=seed, airlight=airlight)
    print(f"adapted: {adapt_to(start, rainy, clean, out, settings)}")


def export(to: Path, weights: str = DEFAULT_WEIGHTS) -> None:
    """Write a derainer as an ONNX file, for programs without PyTorch.

    cclgan-lite export --to derainer.onnx

    Input `rainy`, output `derained`: float32 [batch, 3, height, width] in [-1, 1], height and
    width multiples of 4. Needs pip install 'cclgan_lite[onnx]'.

    Args:
        to: File to write.
        weights: A shipped name (light, demo), a weights file, or a run folder.
    """
    from cclgan_lite.inference.export import export_onnx

    export_onnx(ccl.load_derainer(weights), to)
    print(f"exported: {to}")


def evaluate(
    dataset: str | None = None,
    split: Literal["train", "val", "test"] = "test",
    rainy: Path | None = None,
    clean: Path | None = None,
    weights: str = DEFAULT_WEIGHTS,
    identity: bool = False,
    against: str | None = None,
    protocol: Literal["full-size", "cclgan-code"] = "full-size",
    extras: tuple[Literal["niqe", "brisque", "lpips", "rain"], ...] = (),
    clip: str = "tiny-rain-clip",
    json_file: Annotated[Path | None, arg(name="json")] = None,
    csv_file: Annotated[Path | None, arg(name="csv")] = None,
    report: Path | None = None,
    device: Device = "auto",
) -> None:
    """Score a derainer on pairs: PSNR and SSIM of full-size images, on luma (Y) and on RGB.

    cclgan-lite evaluate --dataset rain100l --weights runs/mine --json mine.json

    cclgan-lite evaluate --rainy test/rainy --clean test/clean --against classical --report r.html

    Pairs are found by name, or by the number in the name; whatever does not pair up is listed
    before anything is scored. The headline figures are means over images of PSNR and SSIM on
    BT.601 luma in 16-235, with 95 % bootstrap intervals over scenes. Self-test of the whole
    chain: --identity on Rain100L's 100 standard test pairs gives 26.90 dB / .838 (Y).

    Args:
        dataset: Folder of a prepared data set (data_scripts/), or a name (rain100l, bundled...)
            to look up in the folder of the environment variable CCLGAN_DATA, else in ./data.
        split: Part of the data set.
        rainy: Instead of --dataset: folder of rainy images.
        clean: Folder of their truths.
        weights: A shipped name (light, demo), a weights file, or a run folder; or one
            of two systems that learn nothing: identity (the rainy input), classical (a filter).
        identity: The same as --weights identity.
        against: Compare with these weights on the same images: differences with intervals.
        protocol: cclgan-code squashes both images to 256x256 first, as the released code of
            CCLGAN does; a figure to set beside theirs only.
        extras: Further metrics. The first three need pip install 'cclgan_lite[extras]' and fetch
            their weights; rain is the zero-shot rain score of --clip.
        clip: tiny-rain-clip (bundled), ARCH/TAG of open_clip, or ARCH/FILE.
        json_file: Write all figures, of every image too, to this file; `table` reads it.
        csv_file: Write the figures of every image to this file.
        report: Write a web page with the best, median and worst image and their error maps.
        device: Where to compute; auto takes a GPU if there is one.
    """
    from cclgan_lite.evaluation.results import describe, write_csv

    refuse_unwritable(json_file, csv_file)
    result = ccl.evaluate(
        "identity" if identity else weights,
        dataset,
        split,
        rainy=rainy,
        clean=clean,
        against=against,
        protocol=protocol,
        extras=extras,
        clip=clip,
        report=report,
        device=device,
    )
    print(describe(result))
    if json_file:
        write_json(json_file, result)
    if csv_file:
        write_csv(csv_file, [result, result["against"]] if against else [result])


def table(
    results: Positional[tuple[Path, ...]] = (),
    dataset: str | None = None,
    ablations: bool = False,
    plot: Path | None = None,
) -> None:
    """Set results of `evaluate --json` beside published figures, with what separates them.

    cclgan-lite table mine.json --plot beside.png

    Prints Markdown. Every figure stands with what is known of its protocol; footnotes say how
    that of each of our results differs from each published one. Without results: all published
    figures, with their sources.

    Args:
        results: Result files.
        dataset: Only this data set (rain100l, spa, raincityscapes...).
        ablations: The paper's ablations (Tables 2-4) instead of its comparison of systems.
        plot: Also draw the figures of one data set into this file (.png, .svg, .pdf).
    """
    from cclgan_lite.evaluation import published

    refuse_unwritable(plot)
    chosen = published.sections(published.read_results(results), dataset, ablations)
    print("\n".join(map(published.markdown, chosen)))
    if plot:
        published.plot(plot, chosen)


def degrade(clean: Path, out: Path, kind: Kind = "rain", seed: int = 0) -> None:
    """Rain, veil, haze, snow, noise or water on your own clean photographs, by physical models.

    cclgan-lite degrade --kind haze --clean my/clean --out my/hazy

    Every picture draws parameters of its own. Without a depth map the ground is assumed flat.

    Args:
        clean: Folder of clean images.
        out: Folder for the degraded ones, same names.
        kind: rain: streaks. veil: the same in RainCityscapes' veil. underwater: a colour cast
            that grows with distance.
        seed: Decides the parameters; the same seed gives the same pixels.
    """
    print(f"{kind}: {len(ccl.degrade(clean, out, kind, seed))} pictures in {out}")


def make_rain(clean: Path, out: Path, seed: int = 0) -> None:
    """The old name of degrade --kind rain: the same pixels.

    cclgan-lite make-rain --clean my/clean --out my/rainy

    Args:
        clean: Folder of clean images.
        out: Folder for the rainy ones, same names.
        seed: Decides the showers; the same seed gives the same pixels.
    """
    print(f"rained on {len(ccl.make_rain(clean, out, seed))} pictures into {out}")


def clip_probe(
    rainy: Path,
    clean: Path,
    clip: str = "tiny-rain-clip",
    json_file: Annotated[Path | None, arg(name="json")] = None,
) -> None:
    """Does a CLIP space know rain? Tell two folders apart by text alone.

    cclgan-lite clip-probe --rainy test/rainy --clean test/clean --clip ViT-B-32/openai

    Every picture is scored by how much nearer it is to "a rainy photo" than to "a clear photo".
    AUC is the chance that a rainy picture scores higher than a clean one: 0.5 is guessing. The
    folders need not be pairs.

    Args:
        rainy: Folder of rainy images.
        clean: Folder of clean images.
        clip: tiny-rain-clip (bundled), ARCH/TAG of open_clip, or ARCH/FILE.
        json_file: Also write the figures and the score of every image to this file.
    """
    from cclgan_lite.evaluation.clip_probe import probe

    refuse_unwritable(json_file)
    result = probe(rainy, clean, clip, progress=True)
    print(
        f"{result['n_rainy']} rainy, {result['n_clean']} clean   AUC {result['auc']:.4f}   "
        f"median score {result['median_rainy']:+.3f} rainy, {result['median_clean']:+.3f} clean"
    )
    if json_file:
        write_json(json_file, result)


def check_unpaired(rainy: Path, clean: Path, test: tuple[Path, ...] = ()) -> None:
    """Make sure that training is unpaired, and that no test scene is trained on.

    cclgan-lite check-unpaired --rainy my/rainy --clean my/clean --test test/rainy test/clean

    Scenes are recognised by a perceptual hash, also through rain. It does not see mirrored or
    strongly cropped copies. Pictures that share a scene are listed, and the command fails.

    Args:
        rainy: Folder of rainy training images.
        clean: Folder of clean training images.
        test: Folders of test images, rainy or clean.
    """
    from cclgan_lite.data.unpaired import assert_unpaired

    assert_unpaired(rainy, clean, *test, progress=True)
    print("strictly unpaired: no scene is shared" + (", none is tested on" if test else ""))


def demo(out: Path = Path("runs/demo"), seed: int = 0) -> None:
    """Make data, train the demo recipe from scratch, evaluate it, and write a report.

    Args:
        out: Run folder; the report is OUT/report.html. An interrupted demo goes on.
        seed: Decides weights and data order; the bundled data stay the same.
    """
    from cclgan_lite.demo import run_demo

    print(f"report: {run_demo(out, seed)}")


def main(arguments: list[str] | None = None) -> None:
    """Run one command; what a user can mend is told in one line, without a traceback."""
    arguments = [_at_home(a) for a in (sys.argv[1:] if arguments is None else arguments)]
    warnings.showwarning = partial(_show, warnings.showwarning)
    try:
        commands = {
            "train": train_for(_default_config(arguments)),
            "adapt": adapt,
            "derain": derain,
            "export": export,
            "evaluate": evaluate,
            "table": table,
            "degrade": degrade,
            "make-rain": make_rain,
            "check-unpaired": check_unpaired,
            "clip-probe": clip_probe,
            "demo": demo,
        }
        _parsed(commands, arguments)()
    except (RunError, OSError, ValueError, FloatingPointError) as error:
        sys.exit(f"cclgan-lite: {error}")
    except torch.cuda.OutOfMemoryError:
        sys.exit("cclgan-lite: GPU memory is full: smaller --batch, --augment.crop or --memory")
    except KeyboardInterrupt:
        sys.exit(
            "cclgan-lite: interrupted; nothing that was written is lost, and train goes on "
            "from its last checkpoint with --resume"
        )


def _parsed(commands: dict[str, Callable], arguments: list[str]) -> Callable[[], None]:
    """The command asked for with its arguments, ready to be called.

    Raises ValueError that names the flag of a value which a recipe refuses. tyro draws a box
    around its own name for it, and wraps the lines.
    """

    def later(command: Callable) -> Callable:
        return wraps(command)(lambda *values, **named: partial(command, *values, **named))

    told = StringIO()
    try:
        with redirect_stderr(told):
            return tyro.extras.subcommand_cli_from_dict(
                {name: later(command) for name, command in commands.items()},
                prog="cclgan-lite",
                description=DESCRIPTION,
                args=arguments,
            )
    except SystemExit:
        lines = (line.strip("│─╭╮╰╯| \n") for line in told.getvalue().splitlines())
        words = " ".join(line for line in lines if line)
        if found := re.search(r"Error parsing \S*config\.(\S+): (.+?) For full helptext", words):
            raise ValueError(f"--{found[1]}: {found[2]}") from None
        sys.stderr.write(told.getvalue())
        raise


def _default_config(arguments: list[str]) -> Config:
    """What `train`'s other flags change: the recipe asked for, or the resumed run's own."""
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--recipe", "--out", "--epochs", "--steps"):
        peek.add_argument(flag, nargs="?")
    peek.add_argument("--resume", action="store_true")
    asked, _ = peek.parse_known_args(arguments)
    if asked.resume and asked.out and asked.recipe is None:
        config = Run.read(Path(asked.out)).config
    else:
        config = ccl.recipe(asked.recipe or DEFAULT_RECIPE)
    if asked.epochs and asked.steps:
        raise ValueError("give --epochs or --steps, not both")
    return replace(config, steps=None) if asked.epochs else config  # who says epochs means them


def _at_home(argument: str) -> str:
    """`~` also where the shell leaves it alone, as behind the = of --out=~/derained."""
    flag, path = re.fullmatch(r"(--[\w.-]+=)?(.*)", argument, re.DOTALL).groups()
    return (flag or "") + (os.path.expanduser(path) if path.startswith("~") else path)


def _show(usual: Callable, message: Warning, category: type, *where) -> None:
    """What was left out, in a line; other warnings as usual."""
    if issubclass(category, ImageNote):
        print(f"cclgan-lite: {message}", file=sys.stderr)
    else:
        usual(message, category, *where)
