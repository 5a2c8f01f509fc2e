"""What lesson 05 looks with: two small encoders, and how they find places of a picture again."""

from __future__ import annotations

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from cclgan_lite.course.figures import pictures
from cclgan_lite.networks import GeneratorConfig, PatchProjection, ResNetGenerator

TAPS = ("down1", "down2", "block1")
CELL = 4  # pixels of the side of a cell of `block1`
ORANGE = torch.tensor([1.0, -0.2, -1.0])[:, None, None]


def encoders(seed: int = 0, taps: tuple[str, ...] = TAPS) -> nn.ModuleDict:
    """A small untrained derainer and rainer, each with its MLP."""
    torch.manual_seed(seed)
    nets = nn.ModuleDict()
    for name in ("derainer", "rainer"):
        nets[name] = ResNetGenerator(GeneratorConfig(filters=12, blocks=1, taps=taps))
        nets[f"{name}_mlp"] = PatchProjection(nets[name].tap_channels(), 64)
    return nets


@torch.no_grad()
def places_found(nets: nn.ModuleDict, rainy: Tensor, clean: Tensor, count: int = 256) -> float:
    """Share of queries (clean) whose nearest of `count` keys (rainy) is that of their place."""
    keys, queries = nets["derainer"].encode(rainy, TAPS), nets["rainer"].encode(clean, TAPS)
    cells = keys["block1"][0, 0].numel()
    chosen = torch.randperm(cells, generator=torch.Generator().manual_seed(0))[:count]
    places = dict.fromkeys(TAPS, chosen)
    k = nets["derainer_mlp"](keys, places)["block1"]
    q = nets["rainer_mlp"](queries, places)["block1"]
    best = (q @ k.transpose(1, 2)).argmax(-1)
    return (best == torch.arange(best.shape[1])).float().mean().item()


@torch.no_grad()
def similarity(nets: nn.ModuleDict, rainy: Tensor, clean: Tensor, at: tuple[int, int]) -> Tensor:
    """Cosines of the query at cell (row, column) of a clean picture with all of the rainy one."""
    keys = nets["derainer"].encode(rainy[None], TAPS)
    queries = nets["rainer"].encode(clean[None], TAPS)
    height, width = keys["block1"].shape[2:]
    every, one = torch.arange(height * width), torch.tensor([at[0] * width + at[1]])
    k = nets["derainer_mlp"](keys, dict.fromkeys(TAPS, every))["block1"][0]
    q = nets["rainer_mlp"](queries, dict.fromkeys(TAPS, one))["block1"][0, 0]
    return (k @ q).view(height, width)


def rank(values: Tensor, at: tuple[int, int]) -> int:
    """How many places are more similar than the right one."""
    return int((values > values[at]).sum())


def find_queries(rainy: Tensor, clean: Tensor) -> dict[str, tuple[int, int]]:
    """Cells of a picture to ask about: smooth sky, the sharpest edge, the thickest streak."""
    cells = F.avg_pool2d(clean.mean(0)[None], CELL)[0]
    rain = F.avg_pool2d((rainy - clean).mean(0)[None], CELL)[0]
    blue = F.avg_pool2d((clean[2] - clean[0])[None], CELL)[0]
    edge = F.pad(cells.diff(dim=1).abs(), (0, 1))
    inner = torch.zeros_like(cells)
    inner[3:-3, 3:-3] = 1
    blue[10:] = -1  # sky is above
    maps = {"sky": blue - 2 * (1 - inner), "edge": edge * inner, "streak": rain * inner}
    return {name: divmod(int(m.argmax()), m.shape[1]) for name, m in maps.items()}


def marked(picture: Tensor, at: tuple[int, int]) -> Tensor:
    """The picture with a frame around the pixels of a cell."""
    picture = picture.clone()
    y, x = CELL * at[0], CELL * at[1]
    frame = picture[:, max(0, y - 3) : y + CELL + 3, max(0, x - 3) : x + CELL + 3]
    inside = frame[:, 2:-2, 2:-2].clone()
    frame[:] = ORANGE
    frame[:, 2:-2, 2:-2] = inside
    return picture


def close_up(picture: Tensor, at: tuple[int, int], half: int = 16) -> Tensor:
    """The marked picture around a cell."""
    y, x = (min(max(CELL * c + CELL // 2, half), picture.shape[-1] - half) for c in at)
    return marked(picture, at)[:, y - half : y + half, x - half : x + half]


def similarity_maps(
    networks: dict[str, nn.ModuleDict],
    rainy: Tensor,
    clean: Tensor,
    queries: dict[str, tuple[int, int]],
) -> Figure:
    """A row for each query: close-ups, then its map by each network with a ring at its place."""
    scale = {"vmin": -1, "vmax": 1}
    rows = [
        [close_up(clean, at), close_up(rainy, at)]
        + [(similarity(nets, rainy, clean, at), scale) for nets in networks.values()]
        for at in queries.values()
    ]
    figure = pictures(
        rows, ["query: output", "its place: input", *networks], list(queries), width=9
    )
    columns = len(rows[0])
    for i, (row, column) in enumerate(queries.values()):
        for axis in figure.axes[i * columns + 2 : (i + 1) * columns]:
            axis.plot(column, row, "o", ms=11, mfc="none", mec="white")
    figure.colorbar(
        plt.cm.ScalarMappable(plt.Normalize(-1, 1)),
        ax=figure.axes,
        shrink=0.6,
        label="cosine similarity",
    )
    return figure
