"""The command line: `cclgan-lite COMMAND`, also `python -m cclgan_lite COMMAND`.

Flags are generated from the signatures below and from the dataclasses of the recipe.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from tyro.conf import Positional, arg

from cclgan_lite.recipes import RECIPES
from cclgan_lite.training.config import Config
from cclgan_lite.training.run import Run, RunError

DESCRIPTION = "Unsupervised image deraining with CCLGAN. Each COMMAND has its own --help."
DEFAULT_WEIGHTS = "demo"
DEFAULT_RECIPE = "laptop"
Device = Literal["auto", "cpu", "cuda", "mps"]


def train_for(default: Config):
    """The command `train` whose defaults, and so whose --help, are those of one recipe."""

    def train(
        out: Path,
        rainy: Path | None = None,
        clean: Path | None = None,
        recipe: str | None = None,
        resume: bool = False,
        device: Device = "auto",
        config: Annotated[Config, arg(name="")] = default,
    ) -> None:
        from cclgan_lite.training import trainer

        if resume:
            saved = Run.read(out)
            folders = (rainy or saved.rainy).absolute(), (clean or saved.clean).absolute()
            if config != saved.config or folders != (saved.rainy, saved.clean):
                raise ValueError(f"{out} goes on with its own settings: leave out other flags")
            run = trainer.resume(out, device)
        else:
            if (rainy is None) != (clean is None):
                raise ValueError("give both --rainy and --clean, or neither for the bundled data")
            Run.refuse(out)
            if rainy is None:
                from cclgan_lite.data.bundled import bundled_data

                data = bundled_data(out.parent / "bundled-data")
                rainy, clean = data / "train/rainy", data / "train/clean"
            run = trainer.train(config, rainy, clean, out, device)
        print(f"trained: {run.folder / 'derainer.safetensors'}")

    # Not a literal, because it lists the recipes.
    train.__doc__ = f"""Train on a folder of rainy and a folder of clean photographs; no pairs.

    cclgan-lite train --recipe laptop --rainy my/rainy --clean my/clean --out runs/mine

    After an interruption this goes on where the last checkpoint was:

    cclgan-lite train --out runs/mine --resume

    Every field of a recipe is a flag; --help shows the values of the --recipe beside it.

    Args:
        out: Run folder: config, metrics, sample grids, checkpoints, derainer.safetensors.
        rainy: Folder of rainy images. Without --rainy and --clean: the bundled data.
        clean: Folder of clean images, best of other scenes.
        recipe: One of {", ".join(RECIPES)}; {DEFAULT_RECIPE} if not given.
        resume: Continue the run in --out with its own settings and folders.
        device: Where to compute; auto takes a GPU if there is one.
        config: Fields of the recipe.
    """
    return train


def derain(
    inputs: Positional[tuple[Path, ...]],
    out: Path,
    weights: str = DEFAULT_WEIGHTS,
    tile: int = 512,
    device: Device = "auto",
) -> None:
    """Remove the rain from photographs: files or whole folders, any size.

    cclgan-lite derain holiday/ IMG_0042.jpg --out derained

    Names, format, size, orientation and colour profile are kept. Large pictures are worked on in
    overlapping tiles; a smaller --tile needs less memory.

    Args:
        inputs: Picture files, or folders of them.
        out: Folder for the derained pictures; existing ones of the same name are replaced.
        weights: A shipped name (demo), a weights file, or a run folder.
        tile: Side of a tile in pixels, a multiple of 4.
        device: Where to compute; auto takes a GPU if there is one.
    """
    from cclgan_lite.device import pick_device
    from cclgan_lite.inference.derain import derain_files
    from cclgan_lite.inference.weights import load_derainer

    target = pick_device(device)
    derainer = load_derainer(weights, target)
    written = derain_files(derainer, inputs, out, tile=tile, device=target)
    print(f"derained {len(written)} pictures into {out}")


def evaluate(
    rainy: Path,
    clean: Path,
    weights: str = DEFAULT_WEIGHTS,
    identity: bool = False,
    json_file: Annotated[Path | None, arg(name="json")] = None,
    device: Device = "auto",
) -> None:
    """Score a derainer on pairs: PSNR and SSIM of full-size images, on luma (Y) and on RGB.

    cclgan-lite evaluate --rainy test/rainy --clean test/clean --weights runs/mine

    Pairs are found by name, or by the number in the name. The headline figures are means over
    images of PSNR and SSIM on BT.601 luma in 16-235.

    Args:
        rainy: Folder of rainy images.
        clean: Folder of their truths.
        weights: A shipped name (demo), a weights file, or a run folder.
        identity: Score the rainy input itself.
        json_file: Also write the figures of every image to this file.
        device: Where to compute; auto takes a GPU if there is one.
    """
    from cclgan_lite.data.pairs import pair_files
    from cclgan_lite.evaluation.evaluate import evaluate_pairs
    from cclgan_lite.files import write_atomically

    result = evaluate_pairs(
        pair_files(rainy, clean), _derainer(None if identity else weights, device), progress=True
    )
    print(
        f"{result['n']} pairs   Y: {result['psnr_y']:.2f} dB, SSIM {result['ssim_y']:.4f}   "
        f"RGB: {result['psnr_rgb']:.2f} dB, SSIM {result['ssim_rgb']:.4f}"
    )
    if json_file:
        text = json.dumps(result, indent=2) + "\n"
        write_atomically(json_file, lambda path: path.write_text(text))


def make_rain(clean: Path, out: Path, seed: int = 0) -> None:
    """Rain on your own clean photographs, with the physical model of RainCityscapes.

    cclgan-lite make-rain --clean my/clean --out my/rainy

    Every picture gets a shower of its own. Without a depth map the ground is assumed flat.

    Args:
        clean: Folder of clean images.
        out: Folder for the rainy ones, same names.
        seed: Decides the showers; the same seed gives the same pixels.
    """
    from cclgan_lite.data.make_rain import rain_on_folder

    print(f"rained on {len(rain_on_folder(clean, out, seed))} pictures into {out}")


def demo(out: Path = Path("runs/demo"), seed: int = 0) -> None:
    """Make data, train the demo recipe from scratch, evaluate it, and write a report.

    Args:
        out: Run folder; the report is OUT/report.html. An interrupted demo goes on.
        seed: Decides weights and data order; the bundled data stay the same.
    """
    from cclgan_lite.demo import run_demo

    print(f"report: {run_demo(out, seed)}")


def _derainer(weights: str | None, device: str):
    """The function of an image that `evaluate` scores."""
    if weights is None:
        return lambda rgb: rgb
    from cclgan_lite.device import pick_device
    from cclgan_lite.inference.derain import derain_image
    from cclgan_lite.inference.weights import load_derainer

    target = pick_device(device)
    generator = load_derainer(weights, target)
    return lambda rgb: derain_image(generator, rgb, device=target)


def main(arguments: list[str] | None = None) -> None:
    """Run one command; what a user can mend is told in one line, without a traceback."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        commands = {
            "train": train_for(_default_config(arguments)),
            "derain": derain,
            "evaluate": evaluate,
            "make-rain": make_rain,
            "demo": demo,
        }
        tyro.extras.subcommand_cli_from_dict(
            commands, prog="cclgan-lite", description=DESCRIPTION, args=arguments
        )
    except (RunError, OSError, ValueError, FloatingPointError) as error:
        sys.exit(f"cclgan-lite: {error}")
    except torch.cuda.OutOfMemoryError:
        sys.exit("cclgan-lite: GPU memory is full: smaller --batch, --augment.crop or --tile")
    except KeyboardInterrupt:
        sys.exit("cclgan-lite: interrupted; nothing that was written is lost")


def _default_config(arguments: list[str]) -> Config:
    """What `train`'s other flags change: the recipe asked for, or the resumed run's own."""
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    peek.add_argument("--recipe")
    peek.add_argument("--resume", action="store_true")
    peek.add_argument("--out", type=Path)
    asked, _ = peek.parse_known_args(arguments)
    if asked.resume and asked.out and asked.recipe is None:
        return Run.read(asked.out).config
    recipe = asked.recipe or DEFAULT_RECIPE
    if recipe not in RECIPES:
        raise ValueError(f"no recipe {recipe!r}; there are {', '.join(RECIPES)}")
    return RECIPES[recipe]
