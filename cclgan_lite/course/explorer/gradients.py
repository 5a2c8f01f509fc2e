"""What each loss wants: its gradient for one pair of pictures, computed once, weighted at will.

Gradients are linear in the weights. So the gradient of eq. 11 with respect to the derained
picture is the weighted sum of the maps kept here, and every norm, share and cosine on the
parameters follows from the matrix of inner products of the losses' gradients: a slider costs a
few products of small arrays, and its result is that of autograd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from cclgan_lite.losses.term import Term
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.training.step import Step

GENERATORS = ("derainer", "rainer")


@dataclass(frozen=True, eq=False)
class LossGradients:
    """Unweighted gradients of L losses for one pair of pictures.

    Attributes:
        names: the losses; `weights` below are {name: weight}, a missing one counts as zero.
        values: the losses themselves.
        images: {"rainy", "clean", "derained": [3, H, W]} of this pass.
        derained: [L, 3, H, W], with respect to the derained picture.
        products: {network: [L, L] float64}, inner products of the gradients with respect to the
            network's parameters.
    """

    names: tuple[str, ...]
    values: Mapping[str, float]
    images: Mapping[str, Tensor]
    derained: Tensor
    products: Mapping[str, Tensor]

    def total(self, weights: Mapping[str, float]) -> Tensor:
        """[3, H, W]: gradient of the weighted sum with respect to the derained picture."""
        return torch.tensordot(self._vector(weights).float(), self.derained, 1)

    def pushes(self, weights: Mapping[str, float]) -> dict[str, np.ndarray]:
        """{loss: [H, W]}: where each weighted loss pushes, brighter or darker."""
        maps = self.derained.mean(1).numpy()
        return {name: -weights[name] * m for name, m in zip(self.names, maps, strict=True)}

    def step(self, weights: Mapping[str, float], length: float) -> Tensor:
        """[3, H, W]: the derained picture moved down the total gradient.

        Args:
            length: of the move, as the root mean square over pixels, in 8-bit grey levels. A
                gradient of zero moves nothing.
        """
        total = self.total(weights)
        size = total.square().mean().sqrt()
        if size == 0:
            return self.images["derained"]
        return (self.images["derained"] - length / 127.5 * total / size).clamp(-1, 1)

    def norms(self, weights: Mapping[str, float], network: str = "derainer") -> Tensor:
        """[L]: norms of the weighted gradients with respect to a network's parameters."""
        return self._vector(weights).abs() * self.products[network].diagonal().clamp(min=0).sqrt()

    def shares(self, weights: Mapping[str, float], network: str = "derainer") -> Tensor:
        """[L]: each loss's part of the sum of the norms; zeros where nothing has a gradient."""
        norms = self.norms(weights, network)
        return norms / norms.sum().clamp(min=torch.finfo(norms.dtype).tiny)

    def cosines(self, network: str = "derainer") -> Tensor:
        """[L, L]: cosines between the losses' gradients; NaN where one is zero.

        1: they pull the parameters the same way; 0: they do not meddle; -1: they fight. Positive
        weights do not change them.
        """
        products = self.products[network]
        norms = products.diagonal().clamp(min=0).sqrt()
        return products / (norms[:, None] * norms)

    def agreement(self, weights: Mapping[str, float], network: str = "derainer") -> Tensor:
        """[L]: cosine of each loss's gradient with the weighted sum; NaN where one is zero.

        Negative: a small step down the sum raises this loss.
        """
        products, w = self.products[network], self._vector(weights)
        length = (w @ products @ w).clamp(min=0).sqrt()
        return products @ w / (products.diagonal().clamp(min=0).sqrt() * length)

    def _vector(self, weights: Mapping[str, float]) -> Tensor:
        return torch.tensor([weights.get(name, 0.0) for name in self.names], dtype=torch.float64)


def loss_gradients(
    networks: Mapping[str, nn.Module],
    method: CCLGAN,
    terms: Mapping[str, Term],
    rainy: Tensor,
    clean: Tensor,
    seed: int = 0,
) -> LossGradients:
    """The gradients of `terms` on the pictures `rainy` and `clean`, each [3, H, W] in [-1, 1].

    `networks` should be in evaluation mode. `seed` decides at which places patches are compared;
    with the same seed two settings compare the same ones.
    """
    looks = [look for term in terms.values() for look in term.looks()]
    step = Step(networks, method.wiring, looks, {"rainy": rainy[None], "clean": clean[None]})
    parameters = {name: list(networks[name].parameters()) for name in GENERATORS}
    wanted = [step.image("derained"), *parameters["derainer"], *parameters["rainer"]]
    values, maps = {}, []
    flat: dict[str, list[Tensor]] = {name: [] for name in GENERATORS}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        audiences = {name: term(step) for name, term in terms.items()}
    for name, by_audience in audiences.items():
        audience = next(a for a in by_audience if a == "generators" or a in GENERATORS)
        values[name] = by_audience[audience]
        found = torch.autograd.grad(
            values[name], wanted, retain_graph=True, materialize_grads=True
        )
        maps.append(found[0][0].detach())  # zeros that PyTorch 2.4 fills in ask for gradients
        rest = iter(found[1:])
        for network, own in parameters.items():
            gradient = torch.cat([next(rest).flatten() for _ in own])
            deaf = audience not in ("generators", network)  # re-derain L1 has one listener
            flat[network].append(torch.zeros_like(gradient) if deaf else gradient)
    products = {}
    for network, gradients in flat.items():
        matrix = torch.stack(gradients).double()
        products[network] = matrix @ matrix.T
    return LossGradients(
        tuple(terms),
        {name: value.item() for name, value in values.items()},
        {name: step.image(name)[0].detach() for name in ("rainy", "clean", "derained")},
        torch.stack(maps),
        products,
    )
