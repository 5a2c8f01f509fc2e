"""Checks of lesson 11: who encodes, what negatives descend, passes of a step, a new method."""

from __future__ import annotations

from collections import Counter

import torch

from cclgan_lite.course.exercises import NotDone, Wrong, check, expect
from cclgan_lite.course.siblings import passes, small
from cclgan_lite.losses import Adversarial
from cclgan_lite.losses.lcl import TEXT_ROLES
from cclgan_lite.methods import CCLGAN, CUT, DCLGAN, CycleGAN, Method, Pass
from cclgan_lite.networks.base import Generator
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import Trainer


@check("dual_roles")
def check_dual_roles(answer):
    """DCLGAN's two roles, in any order."""
    roles = [tuple(role) for role in answer if isinstance(role, tuple | list) and len(role) == 4]
    if len(roles) != len(answer) or not roles:
        raise Wrong(
            "a role is (encoder of the input, input, encoder of the output, output); there is a "
            "tuple of roles, even if it holds one"
        )
    generators, images = {"derainer", "rainer"}, {"rainy", "clean", "derained", "rained"}
    for key_encoder, source, query_encoder, output in roles:
        if strange := {key_encoder, query_encoder} - generators:
            raise Wrong(f"no generator {', '.join(map(str, strange))}: derainer and rainer encode")
        if strange := {source, output} - images:
            raise Wrong(
                f"no image {', '.join(map(str, strange))} here; there are {sorted(images)}"
            )
        if source in ("derained", "rained"):
            raise Wrong(f"the input comes first: {source!r} is an output")
        if output != {"rainy": "derained", "clean": "rained"}[source]:
            raise Wrong(f"{output!r} is not what a generator makes of {source!r}")
        if key_encoder == query_encoder:
            raise Wrong(
                f"{output!r} is encoded by the generator that encodes {source!r}: that is CUT; "
                "the other generator is the one that reads pictures of its kind"
            )
        if key_encoder != {"rainy": "derainer", "clean": "rainer"}[source]:
            raise Wrong(f"{source!r} is encoded by the generator that translates it")
    if set(roles) != set(TEXT_ROLES):
        raise Wrong("one direction is missing: dual means rainy to derained and clean to rained")


@check("negatives_loss")
def check_negatives_loss(answer):
    """What a generator of negatives descends: minus the contrast, minus the spread."""
    torch.manual_seed(0)
    made = torch.randn(2, 6, 5, requires_grad=True)
    contrast = (made @ torch.randn(5)).logsumexp(-1).mean()
    gap = made[:, :3] - made[:, 3:]
    spread = gap.abs().mean()
    for diversity in (0.7, 2.5):
        expect(
            answer(contrast, made, diversity),
            -contrast - diversity * spread,
            {
                "the sign of the contrast: the negatives climb what the generators descend": [
                    contrast - diversity * spread,
                    contrast + diversity * spread,
                ],
                "the sign of the spread: who descends +spread draws all negatives together": (
                    -contrast + diversity * spread
                ),
                "the weight of the spread is missing": -contrast - spread,
                "the spread is missing: all negatives may become one": -contrast,
                "differences of both signs cancel: take their absolute values": [
                    -contrast - diversity * gap.mean(),
                    -contrast + diversity * gap.mean(),
                ],
                "that is a sum of differences: take the mean": (
                    -contrast - diversity * gap.abs().sum()
                ),
                "those are squares: the spread is a mean absolute difference": (
                    -contrast - diversity * gap.square().mean()
                ),
                "the halves are cut through the wrong dimension: the second holds the negatives": (
                    -contrast - diversity * (made[:1] - made[1:]).abs().mean()
                ),
            },
            "on random vectors",
            wrt={"the negatives": made},
        )


COUNTED = {"CUT": CUT, "CycleGAN": CycleGAN, "DCLGAN": DCLGAN, "CCLGAN": CCLGAN}


@check("counted")
def check_counted(answer):
    """(whole passes, encodings) of a step of four methods."""
    if set(answer) != set(COUNTED):
        raise Wrong(f"give (whole, encodings) for each of {', '.join(COUNTED)}")
    truth = {name: passes(small(kind())) for name, kind in COUNTED.items()}
    hints = {
        "CUT": "whole: the picture and, for the identity term, a clean one; then each output is "
        "encoded to be the query",
        "CycleGAN": "two there, two back, two for identity, and no contrast that encodes",
        "DCLGAN": "two there, two for identity, nobody goes back: the outputs must be encoded",
        "CCLGAN": "two there, two back, no identity; the ways back begin by encoding the outputs",
    }
    for name, want in truth.items():
        try:
            got = tuple(int(number) for number in answer[name])
        except (TypeError, ValueError):
            raise Wrong(f"{name}: give two numbers, (whole, encodings)") from None
        if got != want:
            swapped = got == want[::-1] and want[0] != want[1]
            raise Wrong(f"{name}: " + ("the other way round" if swapped else hints[name]))


IMAGES = {"rainy", "clean", "derained", "rerained"}


@check("OneWay")
def check_one_way(answer):
    """A method with two generators, one judge, and a cycle from the rainy side alone."""
    if not isinstance(answer, type) or not issubclass(answer, Method):
        raise Wrong("OneWay is to be a class that inherits from Method")
    if answer.players is Method.players and not hasattr(answer, "wiring"):
        raise NotDone
    if not hasattr(answer, "wiring"):
        raise Wrong("it lacks `wiring`: which image comes from which")
    if answer.players is Method.players:
        raise Wrong("it lacks `players`: who trains which networks")
    method = answer()
    _wired(method)
    players = method.players()
    kinds = {
        name: {n: type(net) for n, net in player.networks.items()}
        for name, player in players.items()
    }
    if set(kinds) != {"generators", "discriminators"}:
        raise Wrong(f"the players are generators and discriminators, not {', '.join(kinds)}")
    for name, network in kinds["generators"].items():
        if not issubclass(network, Generator):
            raise Wrong(f"{name!r} is among the generators: its player would help whom it judges")
    if set(kinds["generators"]) != {"derainer", "rainer"}:
        raise Wrong("the generators are `derainer` and `rainer`")
    if not players["generators"].networks["rainer"].adds_rain:
        raise Wrong("the rainer is to be built with adds_rain=True")
    if set(kinds["discriminators"]) != {"discriminator_clean"}:
        raise Wrong(
            "one judge is enough, `discriminator_clean`; nobody makes pictures for another"
        )
    _terms(method)
    config = Config(method=method, lr=1e-3)
    trainer = Trainer(config, 10, torch.device("cpu"))
    before = {name: p.detach().clone() for name, p in trainer.networks.named_parameters()}
    batch = {name: torch.rand(1, 3, 48, 48) * 2 - 1 for name in ("rainy", "clean")}
    trainer.train_step(batch)
    moved = Counter(
        name.split(".")[0]
        for name, p in trainer.networks.named_parameters()
        if not torch.equal(p, before[name])
    )
    if still := set(trainer.networks) - set(moved):
        raise Wrong(f"after a step {', '.join(sorted(still))} has not moved: no loss trains it")


def _wired(method: Method) -> None:
    wiring = dict(method.wiring)
    if wiring.get("derained") != Pass("derainer", "rainy"):
        raise Wrong('wiring: "derained" is Pass("derainer", "rainy"), network first')
    if wiring.get("rerained") != Pass("rainer", "derained"):
        raise Wrong('wiring: "rerained" is what the rainer makes of the derained picture')
    if surplus := set(wiring) - IMAGES:
        raise Wrong(f"wiring: nobody needs {', '.join(sorted(surplus))} in one way")


def _terms(method: Method) -> None:
    terms = method.terms()
    games = [term for term in terms.values() if isinstance(term, Adversarial)]
    if len(games) != 1:
        raise Wrong("one adversarial loss is needed, as a field of the class with a weight")
    if games[0].roles != (("discriminator_clean", "clean", "derained"),):
        raise Wrong(
            "the adversarial loss has other roles: (judge, real, made) is discriminator_clean, "
            "clean, derained; by default it asks for both judges"
        )
    cycles = [term for term in terms.values() if not isinstance(term, Adversarial)]
    if not cycles:
        raise Wrong("the cycle is missing, or its weight is 0: then it is not built")
    roles = {tuple(role) for term in cycles for role in getattr(term, "roles", ())}
    if ("rerained", "rainy") not in roles:
        raise Wrong("the cycle compares the picture that came back, `rerained`, with `rainy`")
    if roles - {("rerained", "rainy")}:
        raise Wrong("the clean side has no way back here: its pair of images must go")
