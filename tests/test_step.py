"""The training step: nothing computed twice, the right gradients for the right players."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from cclgan_lite.losses import LCL, Adversarial, InterCCL, IntraCCL
from cclgan_lite.losses.lcl import CODE_ROLES
from cclgan_lite.losses.pixel import identity, rederain
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig
from cclgan_lite.training.config import Config
from cclgan_lite.training.step import Step, training_step
from cclgan_lite.training.trainer import Trainer

SMALL = CCLGAN(
    generator=GeneratorConfig(filters=4, blocks=1, taps=("down1", "block1")),
    discriminator=DiscriminatorConfig(filters=4),
    projection=8,
    lcl=LCL(patches=16),
    inter=InterCCL(patches=8),
)


def images(size: int = 48, batch: int = 1) -> dict[str, torch.Tensor]:
    return {name: torch.rand(batch, 3, size, size) * 2 - 1 for name in ("rainy", "clean")}


def make_step(method: CCLGAN, batch: dict[str, torch.Tensor]) -> Step:
    looks = [look for term in method.terms().values() for look in term.looks()]
    return Step(nn.ModuleDict(method.networks()), method.wiring, looks, batch)


def optimizers(method: CCLGAN, step: Step, lr: float = 1e-3) -> dict[str, torch.optim.Optimizer]:
    return {
        player: torch.optim.SGD(
            [p for n in names if n in step.networks for p in step.networks[n].parameters()], lr=lr
        )
        for player, (names, _) in method.players().items()
        if any(n in step.networks for n in names)
    }


def count_passes(step: Step) -> Counter:
    """Counts forward calls per network, and images per discriminator call, from now on."""
    calls: Counter = Counter()
    for name, network in step.networks.items():
        network.register_forward_hook(
            lambda module, args, output, name=name: calls.update(
                {name: 1, f"{name} images": len(args[0])}
            )
        )
        if hasattr(network, "encode"):
            encode = network.encode

            def counted(*args, _encode=encode, _name=name, **options):
                calls.update([f"{_name} encode"])
                return _encode(*args, **options)

            network.encode = counted
    return calls


def test_paper_step_needs_four_generator_passes():
    step = make_step(SMALL, images())
    calls = count_passes(step)
    last = []
    step.networks["discriminator_clean"].convs["conv5"].register_forward_hook(
        lambda module, args, output: last.append(len(args[0]))
    )
    training_step(step, SMALL.terms(), optimizers(SMALL, step))
    assert last == [2]  # only clean and derained are judged to the end
    assert calls["derainer"] == calls["rainer"] == 2
    assert calls["derainer encode"] == calls["rainer encode"] == 0
    assert (
        calls["discriminator_clean"] == calls["discriminator_rainy"] == 1
    )  # one batch of four images
    assert calls["discriminator_clean images"] == 4
    assert calls["embedder"] == 2  # the two anchors with a graph, the other four without
    assert calls["embedder images"] == 6


def test_what_nobody_reads_is_not_computed():
    off = {"intra": IntraCCL(weight=0), "inter": InterCCL(weight=0)}
    method = replace(SMALL, **off, adversarial=Adversarial(weight=0))
    step = make_step(method, images())
    calls = count_passes(step)
    training_step(step, method.terms(), optimizers(method, step))
    assert "discriminator_clean" not in step.networks and "embedder" not in step.networks
    assert calls["derainer"] == calls["rainer"] == 2

    method = replace(SMALL, **off, lcl=LCL(weight=0))
    step = make_step(method, images())
    calls = count_passes(step)
    training_step(step, method.terms(), optimizers(method, step))
    assert calls["derainer"] == calls["rainer"] == 1  # the adversarial game needs no cycle
    assert calls["discriminator_clean images"] == 2


def test_published_codes_four_pairs_cost_two_encoder_passes():
    method = replace(SMALL, lcl=LCL(patches=16, roles=CODE_ROLES))
    step = make_step(method, images())
    calls = count_passes(step)
    training_step(step, method.terms(), optimizers(method, step))
    assert (calls["derainer"], calls["derainer encode"]) == (2, 1)
    assert (calls["rainer"], calls["rainer encode"]) == (2, 1)


def test_images_are_what_their_names_say():
    batch = images()
    step = make_step(SMALL, batch)
    derainer, rainer = step.networks["derainer"], step.networks["rainer"]
    torch.testing.assert_close(step.image("derained"), derainer(batch["rainy"]))
    torch.testing.assert_close(step.image("rained"), rainer(batch["clean"]))
    torch.testing.assert_close(step.image("rerained"), rainer(derainer(batch["rainy"])))
    torch.testing.assert_close(step.image("rederained"), derainer(rainer(batch["clean"])))
    for name, judge in (("derained", "discriminator_clean"), ("rainy", "discriminator_rainy")):
        torch.testing.assert_close(
            step.logits(judge, name), step.networks[judge](step.image(name))
        )
    torch.testing.assert_close(
        step.features("discriminator_clean", "rederained"),
        step.networks["discriminator_clean"](step.image("rederained"), taps=("conv2", "conv3"))[1],
    )


def test_gradients_equal_those_of_two_separate_passes():
    """The textbook way: the generators' loss, then the discriminators' on detached images."""
    method = replace(SMALL, inter=InterCCL(weight=0), lcl=LCL(weight=0), intra=IntraCCL(weight=0))
    batch = images()
    step = make_step(method, batch)
    nets = step.networks
    optimiser = optimizers(method, step, lr=0.0)

    def lsgan(judge, image, target):
        return (nets[judge](image) - target).square().mean()

    derained, rained = nets["derainer"](batch["rainy"]), nets["rainer"](batch["clean"])
    fool = (
        lsgan("discriminator_clean", derained, 1) + lsgan("discriminator_rainy", rained, 1)
    ) / 2
    generators = [p for n in ("derainer", "rainer") for p in nets[n].parameters()]
    expected = torch.autograd.grad(fool, generators)
    judge = sum(
        (lsgan(j, batch[real], 1) + lsgan(j, fake.detach(), 0)) / 2
        for j, real, fake in (
            ("discriminator_clean", "clean", derained),
            ("discriminator_rainy", "rainy", rained),
        )
    )
    judges = [
        p for n in ("discriminator_clean", "discriminator_rainy") for p in nets[n].parameters()
    ]
    expected_judges = torch.autograd.grad(judge, judges)

    losses = training_step(step, method.terms(), optimiser)
    for p, g in zip(generators + judges, expected + expected_judges, strict=True):
        torch.testing.assert_close(p.grad, g, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(losses["adversarial/generators"], fool.detach())
    torch.testing.assert_close(losses["adversarial/discriminators"], judge.detach())


@pytest.mark.parametrize("trains", [("generators", "discriminators"), ("generators",)])
def test_inter_ccl_sharpens_the_discriminators(trains):
    inter = InterCCL(weight=1.0, patches=8, trains=trains)
    method = replace(
        SMALL,
        adversarial=Adversarial(weight=0),
        lcl=LCL(weight=0),
        intra=IntraCCL(weight=0),
        inter=inter,
    )
    step = make_step(method, images())
    training_step(step, method.terms(), optimizers(method, step, lr=0.0))
    for name, moves in (("discriminator_clean", "discriminators" in trains), ("derainer", True)):
        gradients = [p.grad for p in step.networks[name].parameters() if p.grad is not None]
        assert any(g.abs().sum() > 0 for g in gradients) is moves


def test_every_trainable_parameter_is_trained():
    step = make_step(replace(SMALL, identity=identity(1.0)), images())
    method = replace(SMALL, identity=identity(1.0), rederain=rederain(1.0))
    trained = optimizers(method, step)
    training_step(step, method.terms(), trained)
    in_optimizers = {id(p) for o in trained.values() for g in o.param_groups for p in g["params"]}
    for name, parameter in step.networks.named_parameters():
        if name.startswith("embedder"):
            assert parameter.grad is None and id(parameter) not in in_optimizers
        else:
            assert id(parameter) in in_optimizers, name
            assert parameter.grad is not None, name


def test_weights_scale_the_gradient():
    gradients = []
    for weight in (1.0, 3.0):
        torch.manual_seed(1)
        method = replace(
            SMALL,
            adversarial=Adversarial(weight=0),
            intra=IntraCCL(weight=0),
            inter=InterCCL(weight=0),
            lcl=LCL(weight=weight, patches=16),
        )
        step = make_step(method, images())
        training_step(step, method.terms(), optimizers(method, step, lr=0.0))
        gradients.append(step.networks["rainer_mlp"].mlps["down1"][0].weight.grad)
    torch.testing.assert_close(3 * gradients[0], gradients[1])


def test_lcl_keys_are_constants():
    """Only through the query may LCL reach a network: never through the input's features."""
    one_pair = (("derainer", "rainy", "rainer", "derained"),)
    method = replace(SMALL, lcl=LCL(patches=16, roles=one_pair))
    step = make_step(method, images())
    loss = method.lcl(step)["generators"]
    key_mlp = list(step.networks["derainer_mlp"].parameters())
    assert all(
        g is None for g in torch.autograd.grad(loss, key_mlp, allow_unused=True, retain_graph=True)
    )
    query_mlp = list(step.networks["rainer_mlp"].parameters())
    assert all(g.abs().sum() > 0 for g in torch.autograd.grad(loss, query_mlp))


def test_only_the_derainer_hears_the_rederain_loss():
    alone = replace(
        SMALL,
        adversarial=Adversarial(weight=0),
        intra=IntraCCL(weight=0),
        inter=InterCCL(weight=0),
        lcl=LCL(weight=0),
        rederain=rederain(2.0),
    )
    batch = images()
    step = make_step(alone, batch)
    nets = step.networks
    rederained = nets["derainer"](nets["rainer"](batch["clean"]).detach())
    loss = (rederained - batch["clean"]).abs().mean()
    expected = torch.autograd.grad(2.0 * loss, list(nets["derainer"].parameters()))
    training_step(step, alone.terms(), optimizers(alone, step, lr=0.0))
    for p, g in zip(nets["derainer"].parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, g)
    assert all(p.grad is None for p in nets["rainer"].parameters())
    # Beside another loss, the gradients of both add up in the derainer.
    both = replace(alone, identity=identity(1.0))
    step = make_step(both, batch)
    step.networks.load_state_dict(nets.state_dict())
    training_step(step, both.terms(), optimizers(both, step, lr=0.0))
    same = (step.networks["derainer"](batch["clean"]) - batch["clean"]).abs().mean() / 2
    more = torch.autograd.grad(same, list(step.networks["derainer"].parameters()))
    for p, g, m in zip(step.networks["derainer"].parameters(), expected, more, strict=True):
        torch.testing.assert_close(p.grad, g + m, atol=1e-5, rtol=1e-4)


class Watch(TorchDispatchMode):
    """Counts operations after which a GPU's queue would have to run empty."""

    waits = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique")

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name.startswith(self.waits):
            self.seen[name] += 1
        return function(*args, **(kwargs or {}))


class WatchCalls(TorchFunctionMode):
    """Counts copies between host and device: what a CPU does for nothing, a GPU waits for."""

    copies = (
        "cpu",
        "numpy",
        "tolist",
        "item",
        "tensor",
        "as_tensor",
        "new_tensor",
        "from_numpy",
        "__bool__",
        "__float__",
        "__int__",
        "__index__",
    )

    def __init__(self):
        super().__init__()
        self.seen = Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if (name := getattr(function, "__name__", "")) in self.copies:
            self.seen[name] += 1
        return function(*args, **(kwargs or {}))


LEVERS = replace(
    SMALL,
    generator=GeneratorConfig(filters=4, blocks=1, head="rain_layer", antialias=True),
    discriminator=DiscriminatorConfig(filters=4, norm="spectral", high_pass=True),
    identity=identity(1.0),
    rederain=rederain(10.0),
)


@pytest.mark.parametrize("method", [SMALL, LEVERS])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_nothing_waits_for_the_device(method, precision):
    trainer = Trainer(Config(method=method, precision=precision), 10, torch.device("cpu"))
    trainer.train_step(images())  # optimisers build their state at the first step
    with Watch() as operations, WatchCalls() as calls:
        trainer.train_step(images())
    assert not operations.seen and not calls.seen


@pytest.mark.parametrize("wait", [lambda x: x.item(), lambda x: x.nonzero(), bool])
def test_waiting_would_be_seen(wait):
    with Watch() as operations:
        wait(torch.ones(()))
    assert operations.seen
    with WatchCalls() as calls:
        torch.ones(1).cpu()
    assert calls.seen


@pytest.mark.slow
@pytest.mark.parametrize("method", [SMALL, LEVERS])
def test_compiled_networks_take_the_same_step(method):
    """Also the second step, which starts from what the first has learned."""
    batch, losses = images(), []
    for compiled in (False, True):
        config = Config(method=method, compile=compiled)
        trainer = Trainer(config, 10, torch.device("cpu"))
        trainer.train_step(batch)
        losses.append(trainer.train_step(batch)[0])
        assert not any("_orig_mod" in name for name in trainer.networks.state_dict())
    torch.testing.assert_close(*losses, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "read, message",
    [
        (lambda s: s.image("nix"), "loss 'rude' reads image 'nix'; there are rainy, clean"),
        (lambda s: s.features("nix", "rainy"), "loss 'rude' reads network 'nix'; there are derai"),
        (
            lambda s: s.logits("discriminator_clean", "rainy"),
            r"'rude' reads the logits of image 'rainy' from 'discriminator_clean' without having "
            r"asked: add Look\('discriminator_clean', 'rainy', 'logits'\)",
        ),
        (
            lambda s: s.features("discriminator_clean", "rerained"),
            "reads the features of image 'rerained' from 'discriminator_clean' without",
        ),
    ],
)
def test_a_term_that_reads_what_it_did_not_ask_for_is_named(read, message):
    step = make_step(SMALL, images())

    class Rude:
        weight = 1.0

        def __call__(self, step):
            return {"generators": read(step)}

    with pytest.raises(LookupError, match=message):
        training_step(step, SMALL.terms() | {"rude": Rude()}, optimizers(SMALL, step))
