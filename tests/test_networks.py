"""Networks: published sizes, taps of the same pass, heads, patches."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from cclgan_lite.networks import (
    DiscriminatorConfig,
    GeneratorConfig,
    PatchDiscriminator,
    PatchProjection,
    ResNetGenerator,
    RestorationConfig,
    gather_patches,
    high_pass,
    norm_relu_conv,
    sample_places,
)
from cclgan_lite.networks.layers import init_weights, instance_norm

SMALL = {"filters": 8, "blocks": 2}


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_published_sizes():
    assert count(ResNetGenerator()) == 11_378_179  # 11.38 M
    assert count(ResNetGenerator(GeneratorConfig(antialias=True))) == 11_378_179
    assert round(count(PatchDiscriminator()) / 1e6, 2) == 2.76


@pytest.mark.parametrize("head", ["tanh", "residual", "rain_layer"])
@pytest.mark.parametrize("antialias", [False, True])
def test_generator_keeps_the_shape(head, antialias):
    generator = ResNetGenerator(GeneratorConfig(**SMALL, head=head, antialias=antialias))
    image = torch.rand(2, 3, 20, 32) * 2 - 1
    assert generator(image).shape == image.shape
    taps = generator.encode(image, ("stem", "down1", "down2", "block2"))
    assert [tuple(f.shape) for f in taps.values()] == [
        (2, 8, 20, 32),
        *(
            ((2, 16, 10, 16), (2, 32, 5, 8))
            if not antialias
            else ((2, 16, 20, 32), (2, 32, 10, 16))
        ),
        (2, 32, 5, 8),
    ]


def test_generator_taps_belong_to_the_same_pass():
    generator = ResNetGenerator(GeneratorConfig(**SMALL))
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    output, features = generator(image, taps=("block1", "down1"))
    torch.testing.assert_close(output, generator(image))
    assert list(features) == ["block1", "down1"]
    torch.testing.assert_close(features, generator.encode(image, ("block1", "down1")))
    # down1 is the raw convolution output, so it can be computed by hand from the stem's.
    stem = F.relu(F.instance_norm(generator.stem(image)))
    torch.testing.assert_close(features["down1"], generator.down1(stem))
    # A tap is part of the graph of the output.
    (gradient,) = torch.autograd.grad(output.sum(), features["down1"])
    assert gradient.abs().sum() > 0


def test_tap_channels_and_unknown_taps():
    generator = ResNetGenerator(GeneratorConfig(**SMALL, taps=("stem", "down1", "block2")))
    assert generator.tap_channels() == {"stem": 8, "down1": 16, "block2": 32}
    with pytest.raises(ValueError, match="no tap.*block9"):
        generator(torch.zeros(1, 3, 16, 16), taps=("block9",))
    with pytest.raises(ValueError, match="no tap.*conv9"):
        PatchDiscriminator()(torch.zeros(1, 3, 32, 32), taps=("conv9",))


def test_heads():
    image = torch.rand(1, 3, 16, 16) * 2 - 1
    tanh = ResNetGenerator(GeneratorConfig(**SMALL))(image)
    assert tanh.abs().max() < 1
    residual = ResNetGenerator(GeneratorConfig(**SMALL, head="residual"))
    torch.testing.assert_close(residual(image), image)  # starts as the identity
    config = GeneratorConfig(**SMALL, head="rain_layer")
    change = ResNetGenerator(config)(image) - image
    added = ResNetGenerator(config, adds_rain=True)(image) - image
    assert change.abs().max() < 0.1 and added.abs().max() < 0.1  # hardly any rain at the start
    for layer in (change, added):  # one layer for all three channels
        torch.testing.assert_close(layer[:, 0], layer[:, 1], atol=1e-6, rtol=0)
        torch.testing.assert_close(layer[:, 0], layer[:, 2], atol=1e-6, rtol=0)
    assert change.max() <= 1e-6 and added.min() >= -1e-6  # light only adds


@pytest.mark.parametrize("norm", ["instance", "spectral", "none"])
@pytest.mark.parametrize("high_pass_input", [False, True])
def test_discriminator(norm, high_pass_input):
    config = DiscriminatorConfig(filters=8, norm=norm, high_pass=high_pass_input)
    judge = PatchDiscriminator(config).eval()
    images = torch.rand(3, 3, 64, 48)
    logits, features = judge(images, taps=("conv2", "conv3"))
    assert logits.shape == (3, 1, 6, 4)
    assert [f.shape[1] for f in features.values()] == list(judge.tap_channels().values())
    torch.testing.assert_close(logits, judge(images))
    # Only two images get logits; the taps of all three are there, and all values as before.
    some, again = judge(images, taps=("conv2", "conv3"), count=2)
    torch.testing.assert_close(some, logits[:2])
    torch.testing.assert_close(again, features)


def test_discriminator_taps_are_raw_outputs_before_the_norm():
    torch.manual_seed(0)
    config = DiscriminatorConfig(filters=4, taps=("conv1", "conv2", "conv3"))
    network, image = PatchDiscriminator(config), torch.rand(1, 3, 48, 48)
    first, second, third = (network.convs[tap] for tap in config.taps)
    one = first(image)
    two = second(F.leaky_relu(one, 0.2))
    mean, variance = two.mean((2, 3), keepdim=True), two.var((2, 3), correction=0, keepdim=True)
    three = third(F.leaky_relu((two - mean) / (variance + 1e-5).sqrt(), 0.2))
    _, features = network(image, config.taps)
    for tap, by_hand in zip(config.taps, (one, two, three), strict=True):
        torch.testing.assert_close(features[tap], by_hand)


def test_spectral_norm_holds_every_convolution():
    torch.manual_seed(0)
    network = PatchDiscriminator(DiscriminatorConfig(filters=4, norm="spectral"))
    for _ in range(50):  # a step of the power iteration each
        network(torch.rand(1, 3, 48, 48))
    for name, conv in network.convs.items():
        largest = torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.02), name


@pytest.mark.parametrize("layers, patch", [(1, 16), (2, 34), (3, 70)])
def test_discriminator_receptive_field(layers, patch):
    judge = PatchDiscriminator(DiscriminatorConfig(filters=4, layers=layers, norm="none"))
    image = torch.zeros(1, 3, 160, 160, requires_grad=True)
    with torch.no_grad():  # a zero image would leave LeakyReLU's kink undefined
        image += torch.rand_like(image)
    logits = judge(image)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    touched = image.grad[0].abs().sum(0).nonzero()
    size = touched.max(0).values - touched.min(0).values + 1
    assert size.tolist() == [patch, patch]


def test_high_pass_by_hand():
    assert high_pass(torch.full((1, 3, 9, 9), 0.7)).abs().max() < 1e-6
    image = torch.zeros(1, 1, 15, 15)
    image[..., 7, 7] = 1
    assert high_pass(image)[0, 0, 7, 7].item() == pytest.approx(3 * (1 - 1 / 49), rel=1e-5)
    assert high_pass(image)[0, 0, 7, 10].item() == pytest.approx(-3 / 49, rel=1e-5)


def test_patches_are_unit_vectors_of_the_right_places():
    features = {"a": torch.randn(2, 5, 4, 6), "b": torch.randn(2, 3, 2, 2)}
    places = sample_places(features, 10)
    assert len(set(places["a"].tolist())) == 10  # different places
    assert sorted(places["b"].tolist()) == [0, 1, 2, 3]  # no more than there are
    patches = gather_patches(features["a"], torch.tensor([8]))
    torch.testing.assert_close(patches[:, 0], features["a"][:, :, 1, 2])
    projected = PatchProjection({"a": 5, "b": 3}, width=7)(features, places)
    assert projected["a"].shape == (2, 10, 7)
    torch.testing.assert_close(projected["a"].norm(dim=-1), torch.ones(2, 10))


def test_channels_last_changes_nothing():
    generator = ResNetGenerator(GeneratorConfig(**SMALL))
    image = torch.rand(1, 3, 16, 16)
    a = generator(image, taps=("down1",))
    b = generator.to(memory_format=torch.channels_last)(
        image.to(memory_format=torch.channels_last), taps=("down1",)
    )
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("gradient_layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_is_its_formula_in_every_layout(batch, layout, gradient_layout):
    x = torch.randn(batch, 8, 6, 5, dtype=torch.float64).to(memory_format=layout)
    gradient = torch.randn_like(x).to(memory_format=gradient_layout)
    x.requires_grad_()
    mean = x.mean((2, 3), keepdim=True)
    formula = (x - mean) / ((x - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(instance_norm(x), formula)
    mine, theirs = (torch.autograd.grad(y, x, gradient) for y in (instance_norm(x), formula))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("bfloat16", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(**SMALL),
        GeneratorConfig(**SMALL, norm="none"),
        GeneratorConfig(**SMALL, antialias=True),
        GeneratorConfig(filters=1, blocks=2),
        RestorationConfig(**SMALL),
    ],
)
def test_lean_convolutions_change_nothing(monkeypatch, config, bfloat16):
    """Output and gradients are those of the plain layers, also when backward comes twice."""
    generator = config.build()
    for parameter in generator.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.05)
    image = (torch.rand(2, 3, 32, 20) * 2 - 1).requires_grad_()
    inputs = [image, *generator.parameters()]

    def run():
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            output, taps = generator(image, taps=("down1", "block1"))
        loss = output.float().square().mean()
        loss = loss + sum(f.float().square().mean() for f in taps.values())
        first = torch.autograd.grad(loss, inputs, retain_graph=True)
        again = torch.autograd.grad(loss, inputs)
        torch.testing.assert_close(first, again)
        return output, torch.cat([g.flatten() for g in first])

    output, gradient = run()
    monkeypatch.setattr(norm_relu_conv, "_pays", lambda x: False)
    plain_output, plain_gradient = run()
    tolerance = 0.02 if bfloat16 else 1e-5
    assert (output - plain_output).norm() < tolerance * plain_output.norm()
    assert (gradient - plain_gradient).norm() < tolerance * plain_gradient.norm()


@pytest.mark.parametrize(
    "conv",
    [
        torch.nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", dtype=torch.float64),
        torch.nn.Conv2d(2, 3, 3, 2, padding=1, dtype=torch.float64),
        torch.nn.ConvTranspose2d(2, 3, 3, 2, padding=1, output_padding=1, dtype=torch.float64),
    ],
)
def test_lean_convolution_in_double_precision(conv):
    """Against numerical derivatives."""
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)

    def function(x, weight, bias):
        return norm_relu_conv._LeanConv.apply(x, weight, bias, conv, True, True)

    assert torch.autograd.gradcheck(function, (x, conv.weight, conv.bias))


def test_lean_convolutions_keep_less():
    """Bytes that the graph of a generator holds on to."""
    generator = ResNetGenerator(GeneratorConfig(filters=8, blocks=4))
    image = torch.rand(1, 3, 64, 64)

    def kept() -> int:
        storages = {}

        def pack(tensor):
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            graph = generator(image)  # noqa: F841  keeps the storages alive
        return sum(storages.values())

    mine = kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(norm_relu_conv, "_pays", lambda x: False)
        assert mine < 0.6 * kept()


@pytest.mark.parametrize("places", [False, True])
def test_a_judge_may_hear_where_it_looks(places):
    """In a grey picture nothing else tells above from below."""
    judge = PatchDiscriminator(DiscriminatorConfig(8, 1, norm="none", places=places))
    init_weights(judge, std=0.2)
    logits = judge(torch.full((1, 3, 64, 48), 0.5))
    apart = (logits[..., 8, :] - logits[..., -8, :]).abs().max().item()
    assert (apart > 1e-2) == places
