"""What lesson 04 looks for hidden rain with: its drawing, networks, showers, a measure, washes."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

from cclgan_lite.course.judging import adam
from cclgan_lite.course.schematic import schematic
from cclgan_lite.course.small_run import SmallGenerator
from cclgan_lite.data.images import to_tensor, to_uint8
from cclgan_lite.data.rain import add_rain, demo_rain
from cclgan_lite.data.scenes import render_scene
from cclgan_lite.networks import DiscriminatorConfig, PatchDiscriminator, high_pass

DERAINER, RAINER = "derainer $G_n$", "rainer $G_r$"
BRANCHES = (  # height; start, middle, end with their symbols; both networks; what the judge asks
    (0.62, ("rainy $r$", r"derained $\tilde n$", "rerained $r^*$"), DERAINER, RAINER, "clean?"),
    (0.12, ("clean $n$", r"rained $\tilde r$", "rederained $n^*$"), RAINER, DERAINER, "rainy?"),
)


def two_cycles() -> Figure:
    """Both ways round: blue boxes are rainy, tan ones clean; dots join what the loss compares."""
    boxes, arrows = {}, []
    wet, dry = "#cfe3f1", "#f8d9c4"
    for colours, (y, names, out, back, _) in zip(
        ((wet, dry, wet), (dry, wet, dry)), BRANCHES, strict=True
    ):
        boxes |= {n: (x, y, c) for n, x, c in zip(names, (0.1, 0.5, 0.9), colours, strict=True)}
        arrows += [(names[0], names[1], out), (names[1], names[2], back)]
    figure = schematic(boxes, arrows, size=(8, 3.6))
    (axis,) = figure.axes
    for y, (start, _, end), _, _, asked in BRANCHES:
        axis.annotate(
            "",
            xy=(boxes[end][0], y + 0.07),  # just above the boxes
            xytext=(boxes[start][0], y + 0.07),
            arrowprops={
                "arrowstyle": "<->",
                "linestyle": ":",
                "color": "C0",
                "connectionstyle": "arc3,rad=-0.15",
                "lw": 1.8,
            },
        )
        a, b = (name.split()[-1].strip("$") for name in (end, start))
        axis.text(0.5, y + 0.27, f"cycle loss: $d({a}, {b})$", ha="center", color="C0")
        axis.text(0.5, y - 0.13, f"a judge asks: {asked}", ha="center", color="C1")
    return figure


def small_cyclegan() -> tuple[dict[str, nn.Module], dict[str, torch.optim.Adam]]:
    """Generators and judges of a CycleGAN that trains in a minute; the optimisers of both.

    The judges see the high-pass picture and learn four times as fast: otherwise they stay at
    chance in so few steps.
    """
    look = DiscriminatorConfig(filters=16, layers=2, norm="spectral", high_pass=True)
    makers = {name: SmallGenerator() for name in ("derainer", "rainer")}
    judges = {f"discriminator_{side}": PatchDiscriminator(look) for side in ("clean", "rainy")}
    moves = {
        "generators": adam(nn.ModuleDict(makers), 1e-3),
        "judges": adam(nn.ModuleDict(judges), 4e-3),
    }
    return makers | judges, moves


def shower(number: int, rain_seed: int, size: int = 128, seed: int = 5) -> Tensor:
    """Scene `number` of `scene_pairs(seed=seed)` under a shower of its own, [3, size, size]."""
    image, depth = render_scene((seed, number, 7), size, size)
    rng = np.random.default_rng((seed, number, rain_seed))
    return to_tensor(np.rint(add_rain(image, depth, demo_rain(rng), rng) * 255).astype(np.uint8))


def crops_at_one_place(images: Iterable[Tensor], size: int, batch: int = 4) -> list[Tensor]:
    """Of each tensor [N, C, 128, 128] `batch` random pictures, all cropped at one random place.

    `size`, the side of the crops, is 128 or less.
    """
    y, x = torch.randint(129 - size, (2,)).tolist()
    return [
        part[torch.randint(len(part), (batch,)), :, y : y + size, x : x + size] for part in images
    ]


def share(part: Tensor, whole: Tensor) -> float:
    """How much of the fine structure of `whole` is in `part`."""
    a, b = high_pass(part), high_pass(whole)
    return ((a * b).sum() / (b * b).sum()).item()


def noisy(image: Tensor, sigma: float, seed: int = 0) -> Tensor:
    """Gaussian noise with standard deviation sigma, in grey levels."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return image + sigma / 127.5 * noise


def rounded(images: Tensor) -> Tensor:
    """As 8-bit files would hold them."""
    return torch.stack([to_tensor(to_uint8(image)) for image in images])


def jpeg(images: Tensor, quality: int) -> Tensor:
    """Saved as JPEG and read again."""
    result = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(to_uint8(image)).save(file, "JPEG", quality=quality)
        result.append(to_tensor(np.array(Image.open(file))))
    return torch.stack(result)
