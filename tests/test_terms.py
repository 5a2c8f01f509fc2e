"""The terms in a real step: right images, right roles, right weights, the same places.

Each is recomputed from the step's own networks with plain calls, as the equation has it.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.losses import LCL, InterCCL, IntraCCL, inter_ccl, intra_ccl
from cclgan_lite.losses.lcl import CODE_ROLES
from cclgan_lite.losses.pixel import cycle, identity, rederain, rehearsal, transplant
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training.step import Step

METHOD = CCLGAN(
    generator=GeneratorConfig(filters=4, blocks=1, taps=("down1", "block1")),
    discriminator=DiscriminatorConfig(filters=4, norm="none"),
    projection=8,
)


class Scene:
    """A step and the six images of its two branches, made with plain calls."""

    def __init__(self, method: CCLGAN, batch: int = 2):
        torch.manual_seed(0)
        self.nets = nn.ModuleDict(method.networks())
        for p in self.nets.parameters():  # untrained, outputs hardly differ: shake everything
            with torch.no_grad():
                p.add_(0.05 * torch.randn_like(p))
        inputs = {name: torch.rand(batch, 3, 32, 32) * 2 - 1 for name in ("rainy", "clean")}
        looks = [look for term in method.terms().values() for look in term.looks()]
        self.step = Step(self.nets, method.wiring, looks, inputs)
        g_n, g_r = self.nets["derainer"], self.nets["rainer"]
        self.r, self.n = inputs["rainy"], inputs["clean"]
        self.n_fake, self.r_fake = g_n(self.r), g_r(self.n)
        self.r_star, self.n_star = g_r(self.n_fake), g_n(self.r_fake)

    def parameters(self, name: str) -> list[Tensor]:
        return list(self.nets[name].parameters())


@pytest.mark.parametrize("form", ["ratio", "infonce"])
def test_intra_ccl_term(form):
    term = IntraCCL(form=form, real_weight=0.7, fake_weight=0.3, temperature=0.5, eps=0.01)
    scene = Scene(replace(METHOD, intra=term))
    constants = {
        "real_weight": 0.7,
        "fake_weight": 0.3,
        "form": form,
        "temperature": 0.5,
        "eps": 0.01,
    }
    phi = scene.nets["embedder"]
    rain = intra_ccl(
        *(phi(x) for x in (scene.r_star, scene.r, scene.n, scene.n_fake)), **constants
    )  # eq. 1
    clean = intra_ccl(
        *(phi(x) for x in (scene.n_star, scene.n, scene.r, scene.r_fake)), **constants
    )  # eq. 2
    loss = term(scene.step)["generators"]
    torch.testing.assert_close(loss, (rain + clean) / 2)  # eq. 3
    for name in ("derainer", "rainer"):
        torch.testing.assert_close(
            torch.autograd.grad(loss, scene.parameters(name), retain_graph=True),
            torch.autograd.grad((rain + clean) / 2, scene.parameters(name), retain_graph=True),
        )


@pytest.mark.parametrize("form", ["ratio", "infonce"])
def test_inter_ccl_term(form):
    """With so many patches that every place is taken, their order cannot matter."""
    constants = {
        "real_weight": 0.7,
        "fake_weight": 0.3,
        "temperature": 0.5,
        "eps": 0.01,
        "form": form,
    }
    term = InterCCL(patches=10_000, **constants)
    scene = Scene(replace(METHOD, inter=term))

    def side(judge: str, *images: Tensor) -> Tensor:
        projected = []
        for image in images:
            _, features = scene.nets[judge](image, taps=("conv2", "conv3"))
            mlps = scene.nets[f"{judge}_mlp"].mlps
            projected.append(
                [
                    F.normalize(mlps[tap](f.flatten(2).transpose(1, 2)), dim=-1)
                    for tap, f in features.items()
                ]
            )
        losses = [inter_ccl(*patches, **constants) for patches in zip(*projected, strict=True)]
        return sum(losses) / len(losses)

    expected = side("discriminator_clean", scene.n_fake, scene.n_star, scene.n, scene.r) + side(
        "discriminator_rainy", scene.r_fake, scene.r_star, scene.r, scene.n
    )  # eq. 6
    losses = term(scene.step)
    assert set(losses) == {"generators", "discriminators"}
    torch.testing.assert_close(losses["generators"], expected)
    sharpened = [scene.nets["discriminator_clean"].convs["conv2"].weight]
    sharpened += scene.parameters("discriminator_clean_mlp")
    torch.testing.assert_close(
        torch.autograd.grad(losses["discriminators"], sharpened),
        torch.autograd.grad(expected, sharpened),
        atol=1e-4,
        rtol=1e-3,
    )


@pytest.mark.parametrize("pairs", [LCL().roles, CODE_ROLES])
def test_lcl_term(pairs):
    """Eq. 7 with every place taken: queries and keys must come from the same places."""
    scene = Scene(replace(METHOD, lcl=LCL(patches=10_000, temperature=0.5, roles=pairs)))
    g_n, g_r = scene.nets["derainer"], scene.nets["rainer"]
    directions = [
        (g_n, "derainer_mlp", scene.r, g_r, "rainer_mlp", scene.n_fake),
        (g_r, "rainer_mlp", scene.n, g_n, "derainer_mlp", scene.r_fake),
        (g_r, "rainer_mlp", scene.n_fake, g_n, "derainer_mlp", scene.r_star),
        (g_n, "derainer_mlp", scene.r_fake, g_r, "rainer_mlp", scene.n_star),
    ]
    losses = []
    for key_net, key_mlp, source, query_net, query_mlp, output in directions[: len(pairs)]:
        for tap in ("down1", "block1"):
            patches = [
                F.normalize(
                    scene.nets[mlp].mlps[tap](net.encode(x, (tap,))[tap].flatten(2).mT), dim=-1
                )
                for net, mlp, x in ((query_net, query_mlp, output), (key_net, key_mlp, source))
            ]
            logits = patches[0] @ patches[1].detach().mT / 0.5
            target = torch.arange(logits.shape[1]).expand(len(logits), -1)
            losses.append(F.cross_entropy(logits.mT, target))
    expected = sum(losses) / len(losses)
    term = LCL(patches=10_000, temperature=0.5, roles=pairs)
    loss = term(scene.step)["generators"]
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, scene.parameters("rainer_mlp")),
        torch.autograd.grad(expected, scene.parameters("rainer_mlp")),
        atol=1e-5,
        rtol=1e-3,
    )


def test_few_patches_at_shared_random_places():
    scene = Scene(replace(METHOD, lcl=LCL(patches=4)))
    seen = []

    def record(module, args, patches):
        seen.append(args[1]["down1"].tolist())
        assert {p.shape[1] for p in patches.values()} == {4}

    for name in ("derainer_mlp", "rainer_mlp"):
        scene.nets[name].register_forward_hook(record)
    LCL(patches=4)(scene.step)
    assert seen[0] == seen[1] and seen[2] == seen[3]  # key and query at the same places
    assert seen[0] != seen[2]


@pytest.mark.parametrize(
    "term, images, value",
    [
        (cycle(1.0), {"rerained": 4, "rainy": 1, "rederained": 9, "clean": 2}, (3 + 7) / 2),
        (identity(1.0), {"identity_clean": 4, "clean": 2, "identity_rainy": 9, "rainy": 1}, 5),
        (rederain(1.0), {"rederained": 9, "clean": 2}, 7),
        (rehearsal(1.0), {"derained_rendered": 9, "practice": 2}, 7 - 0.05),  # Huber, beta 0.1
        (transplant(1.0), {"derained_transplanted": 9, "clean": 2}, 7 - 0.05),
    ],
    ids=["cycle", "identity", "rederain", "rehearsal", "transplant"],
)
def test_pixel_terms_compare_the_images_of_their_names(term, images, value):
    """Any other image is not there, or gives another number."""
    step = SimpleNamespace(image=lambda name: torch.full((1, 3, 4, 4), float(images[name])))
    assert {k: v.item() for k, v in term(step).items()} == {term.trains: pytest.approx(value)}
