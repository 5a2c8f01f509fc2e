"""Unsupervised image deraining with CCLGAN: the package behind the course in `notebooks/`.

    import cclgan_lite as ccl

    ccl.recipe(name, changes)   a named configuration, with fields changed
    ccl.train(recipe, ...)      train it into a run folder; ccl.resume(folder) goes on
    ccl.Run                     a run folder: its configuration, history, derainer
    ccl.derain(picture)         files, folders, PIL images, arrays or tensors; the same comes back
    ccl.load_derainer(weights)  a trained derainer as a torch module
    ccl.evaluate(weights, ...)  PSNR and SSIM on pairs
    ccl.degrade(clean, out, kind)  rain, veil, haze, snow... on a folder of clean photographs
    ccl.make_rain(clean, out)   the same of kind rain

`help(ccl.train)` and so on tell the rest. Behind the door, the folders are the map of the paper:

    networks/    generators, discriminator, projection MLPs, embedders
    losses/      a file for each group of the paper's equations
    methods/     CCLGAN and its neighbours as data: networks, wiring, terms
    data/        pictures, folders, rain and other degradations, scenes
    training/    the step, the loop, the run folder
    inference/   deraining pictures of any size
    evaluation/  metrics, pairs, reports
    recipes.py   named configurations
"""

from importlib import import_module
from importlib.metadata import version

__version__ = version("cclgan_lite")

# Nothing is imported before it is asked for: `import cclgan_lite` stays free of torch.
_DOOR = {
    "recipe": "recipes",
    "train": "training.trainer",
    "resume": "training.trainer",
    "Run": "training.run",
    "derain": "inference.derain",
    "load_derainer": "inference.weights",
    "evaluate": "evaluation.systems",
    "degrade": "data.degrade",
    "make_rain": "data.degrade",
}
__all__ = ["__version__", *_DOOR]


def __getattr__(name: str):
    if name not in _DOOR:
        raise AttributeError(f"cclgan_lite has no {name!r}; it offers {', '.join(_DOOR)}")
    return getattr(import_module(f"cclgan_lite.{_DOOR[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_DOOR])
