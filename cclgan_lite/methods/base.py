"""What a method is. The trainer, the run folder and the command line know nothing else of it.

A method is a frozen dataclass: its fields are the configurations of its networks and its loss
terms, so that a recipe is data and every field a flag. It says
- which networks there are and who trains them (`players`, `frozen`),
- which image comes from which (`wiring`),
- what is to be descended (`terms`),
- which data it learns from (`data`),
- which network the user wants (`delivers`) and which images a sample shows (`grid`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from cclgan_lite.data.folders import UnpairedFolders
from cclgan_lite.losses.term import Term


class Player(NamedTuple):
    """Networks that one optimiser trains, at `rate` times the learning rate of the run."""

    networks: dict[str, nn.Module]
    rate: float = 1.0


class Pass(NamedTuple):
    """An image that `network` makes of `image`."""

    network: str
    image: str


class Made(NamedTuple):
    """An image that `operator` makes of `images`, without a network (`methods/operators.py`)."""

    operator: Callable[..., Tensor]
    images: tuple[str, ...]


Wiring = Mapping[str, Pass | Made]


@dataclass(frozen=True)
class Method:
    """Fields whose value has a `weight` are loss terms; those with weight 0 are not built."""

    wiring: ClassVar[Wiring]  # image: how it is made; rainy and clean (and rendered) are given
    data: ClassVar[type[UnpairedFolders]] = UnpairedFolders
    delivers: ClassVar[str] = "derainer"
    grid: ClassVar[tuple[tuple[str, ...], ...]] = (("rainy", "derained"),)

    def players(self) -> dict[str, Player]:
        """Freshly initialised networks, by who trains them. The generators come first."""
        raise NotImplementedError

    def frozen(self) -> dict[str, nn.Module]:
        """Networks that nobody trains."""
        return {}

    def networks(self) -> dict[str, nn.Module]:
        """All of them by name."""
        trained = [player.networks for player in self.players().values()]
        return {
            name: network for part in trained for name, network in part.items()
        } | self.frozen()

    def terms(self) -> dict[str, Term]:
        """The losses that have a weight, by the name of their field."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: term for name, term in values.items() if getattr(term, "weight", 0)}
