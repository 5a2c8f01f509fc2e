"""Unsupervised image deraining with CCLGAN: the package behind the course in `notebooks/`.

networks/    generator, discriminator, projection MLPs, embedders
losses/      a file for each group of the paper's equations
methods/     CCLGAN as data: networks, wiring, terms
data/        pictures, folders, rain, scenes
training/    the step, the loop, the run folder
inference/   deraining pictures of any size
evaluation/  metrics, pairs, reports
recipes.py   named configurations
"""

from importlib.metadata import version

__version__ = version("cclgan_lite")
