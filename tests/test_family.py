"""The neighbours' own terms in a real step, held to slow loops from their equations."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.losses import LCL, ExemplarContrast
from cclgan_lite.losses.exemplars import nce
from cclgan_lite.methods import DCDGAN, DCLGAN, FastCUT, Method
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training.step import Step

SIZES = {
    "generator": GeneratorConfig(filters=2, blocks=1, taps=("down1", "block1")),
    "discriminator": DiscriminatorConfig(filters=2, norm="none"),
    "projection": 4,
}
EVERY = 10_000  # with so many patches every place is taken: their order cannot matter


class Scene:
    """A step of a method, with networks shaken so that outputs differ."""

    def __init__(self, method: Method, batch: int = 2, size: int = 16):
        torch.manual_seed(0)
        self.nets = nn.ModuleDict(method.networks())
        for p in self.nets.parameters():
            with torch.no_grad():
                p.add_(0.1 * torch.randn_like(p))
        self.inputs = {n: torch.rand(batch, 3, size, size) * 2 - 1 for n in ("rainy", "clean")}
        looks = [look for term in method.terms().values() for look in term.looks()]
        self.step = Step(self.nets, method.wiring, looks, self.inputs)

    def vectors(self, encoder: str, image: Tensor, tap: str) -> Tensor:
        """Projected features of every place, [B, H W, width], by plain calls."""
        return self.project(encoder, self.nets[encoder].encode(image, (tap,))[tap], tap)

    def project(self, encoder: str, features: Tensor, tap: str) -> Tensor:
        mlp = self.nets[f"{encoder}_mlp"].mlps[tap]
        return F.normalize(mlp(features.flatten(2).mT), dim=-1)


def same_value_and_gradient(scene: Scene, loss: Tensor, expected: Tensor, *names: str) -> None:
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    parameters = [p for name in names for p in scene.nets[name].parameters()]
    gradients = [
        torch.autograd.grad(x, parameters, retain_graph=True, allow_unused=True)
        for x in (loss, expected)
    ]
    assert any(g is not None and g.abs().max() > 1e-4 for g in gradients[0])
    for one, two in zip(*gradients, strict=True):
        zero = torch.zeros(())
        one, two = (zero if g is None else g for g in (one, two))
        torch.testing.assert_close(*torch.broadcast_tensors(one, two), rtol=1e-3, atol=1e-5)


def one_nce(query: Tensor, keys: list[Tensor], temperature: float) -> Tensor:
    """-log of the softmax of the first key, with plain exponentials."""
    scores = torch.stack(keys) @ query / temperature
    return -torch.log(torch.exp(scores[0]) / torch.exp(scores).sum())


def patch_nce_loop(queries: Tensor, keys: Tensor, temperature: float) -> list[Tensor]:
    losses = []
    for q, k in zip(queries, keys.detach(), strict=True):
        for i in range(len(q)):
            others = [k[j] for j in range(len(k)) if j != i]
            losses.append(one_nce(q[i], [k[i], *others], temperature))
    return losses


def mean(values: list[Tensor]) -> Tensor:
    return sum(values) / len(values)


def test_dclgan_encodes_the_query_by_the_other_generator():
    method = DCLGAN(**SIZES, lcl=LCL(weight=2.0, patches=EVERY, temperature=0.5))
    scene = Scene(method)
    g, rainy, clean = scene.nets, scene.inputs["rainy"], scene.inputs["clean"]
    losses = []
    for tap in ("down1", "block1"):
        for key, source, query, output in (
            ("derainer", rainy, "rainer", g["derainer"](rainy)),
            ("rainer", clean, "derainer", g["rainer"](clean)),
        ):
            queries, keys = scene.vectors(query, output, tap), scene.vectors(key, source, tap)
            losses.append(mean(patch_nce_loop(queries, keys, 0.5)))
    loss = method.lcl(scene.step)["generators"]
    same_value_and_gradient(scene, loss, mean(losses), "derainer", "rainer", "rainer_mlp")
    assert not {"rerained", "rederained"} & set(scene.step._images)  # encoded, not translated


def test_fastcut_mirrors_back_what_it_mirrored():
    lcl = replace(FastCUT().lcl, patches=EVERY, temperature=0.5)
    scene = Scene(FastCUT(**SIZES, lcl=lcl), batch=4)
    rainy, heads = scene.inputs["rainy"], scene.step.image("heads").flatten().tolist()
    assert set(heads) == {False, True}
    losses = []
    for tap in ("down1", "block1"):
        by_place = []
        for picture, head in zip(rainy.split(1), heads, strict=True):
            output = scene.nets["derainer"](picture.flip(-1) if head else picture)
            features = scene.nets["derainer"].encode(output, (tap,))[tap]
            queries = scene.project("derainer", features.flip(-1) if head else features, tap)
            by_place += patch_nce_loop(queries, scene.vectors("derainer", picture, tap), 0.5)
        losses.append(mean(by_place))
    loss = lcl(scene.step)["generators"]
    same_value_and_gradient(scene, loss, mean(losses), "derainer", "derainer_mlp")


def test_exemplar_contrast():
    """A place of n~ near the same place of the unpaired n, far from every place of r."""
    term = ExemplarContrast(patches=EVERY, temperature=0.5)
    scene = Scene(DCDGAN(**SIZES, exemplars=term))
    g, rainy, clean = scene.nets, scene.inputs["rainy"], scene.inputs["clean"]
    losses = []
    for encoder, output, alike, other, unlike in (
        ("rainer", g["derainer"](rainy), clean, "derainer", rainy),
        ("derainer", g["rainer"](clean), rainy, "rainer", clean),
    ):
        for tap in ("down1", "block1"):
            queries = scene.vectors(encoder, output, tap)
            positives = scene.vectors(encoder, alike, tap).detach()
            negatives = scene.vectors(other, unlike, tap).detach()
            by_place = [
                one_nce(q[i], [p[i], *n], 0.5)
                for q, p, n in zip(queries, positives, negatives, strict=True)
                for i in range(len(q))
            ]
            losses.append(mean(by_place))
    loss = term(scene.step)["generators"]
    same_value_and_gradient(scene, loss, mean(losses), "derainer", "rainer", "rainer_mlp")


def test_exemplar_contrast_by_hand():
    """One query along its positive, one negative across: log(1 + e^(-1/tau))."""
    x, y = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 3.0]]])
    torch.testing.assert_close(nce(x, 2 * x, y, 0.5), torch.tensor(math.log(1 + math.exp(-2))))
