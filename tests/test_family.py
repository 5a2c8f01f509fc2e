"""The neighbours' own terms in a real step, held to slow loops from their equations."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cclgan_lite.losses import LCL, ExemplarContrast, HardNegatives, LayerContrast, Streaks
from cclgan_lite.losses.contrastive import nce
from cclgan_lite.losses.directional import least_change
from cclgan_lite.methods import (
    CDDGAN,
    DCDGAN,
    DCLGAN,
    NLCL,
    DerainCycleGAN,
    FastCUT,
    Method,
    UDGNet,
)
from cclgan_lite.networks import (
    AttentiveConfig,
    DiscriminatorConfig,
    FlatConfig,
    GeneratorConfig,
    high_pass,
)
from cclgan_lite.networks.projection import gather_patches, self_similar_places
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


def test_self_similar_places_are_the_nearest_patches(monkeypatch):
    """Against a search over every patch of the window, for two images with their own centres."""
    torch.manual_seed(3)
    images, side, window = torch.rand(2, 3, 30, 26), 4, 10
    drawn = iter([5, 20, 25, 2])  # y and x of the first image, then of the second
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor(next(drawn)))
    features = {"fine": torch.zeros(2, 1, 30, 26), "coarse": torch.zeros(2, 1, 15, 13)}
    places = self_similar_places(images, features, 7, side, window)
    for b, (y, x) in enumerate(((5, 20), (25, 2))):
        # 11 corners a way, at most 5 from the drawn one, or from the border inwards
        corners = [
            (v, u)
            for v in range(max(0, min(y - 5, 16)), max(0, min(y - 5, 16)) + 11)
            for u in range(max(0, min(x - 5, 12)), max(0, min(x - 5, 12)) + 11)
        ]
        own = images[b, :, y : y + side, x : x + side]
        corners.sort(
            key=lambda c: (
                ((images[b, :, c[0] : c[0] + 4, c[1] : c[1] + 4] - own) ** 2).sum().item()
            )
        )
        assert corners[0] == (y, x)
        centres = [(v + 2, u + 2) for v, u in corners[:7]]
        assert places["fine"][b].tolist() == [v * 26 + u for v, u in centres]
        assert places["coarse"][b].tolist() == [v // 2 * 13 + u // 2 for v, u in centres]


def test_places_of_each_image_are_gathered_from_it():
    features = torch.arange(2 * 3 * 4 * 5).view(2, 3, 4, 5)
    gathered = gather_patches(features, torch.tensor([[7, 0], [19, 7]]))
    assert gathered.tolist() == [[[7, 27, 47], [0, 20, 40]], [[79, 99, 119], [67, 87, 107]]]


def supervised_contrast_loop(background: Tensor, rain: Tensor, temperature: float) -> Tensor:
    losses = []
    for b, r in zip(background, rain, strict=True):
        vectors = [*b, *r]
        labels = [0] * len(b) + [1] * len(r)
        for i, z in enumerate(vectors):
            others = [j for j in range(len(vectors)) if j != i]
            total = sum(torch.exp(z @ vectors[j] / temperature) for j in others)
            alike = [j for j in others if labels[j] == labels[i]]
            losses.append(
                -mean([torch.log(torch.exp(z @ vectors[p] / temperature) / total) for p in alike])
            )
    return mean(losses)


NLCL_SIZES = SIZES | {
    "generator": FlatConfig(filters=2, blocks=1, taps=("stem", "block1")),
    "discriminator": DiscriminatorConfig(filters=2, norm="none", taps=("conv1", "conv2")),
}


def test_nlcl_layer_contrast():
    term = LayerContrast(patches=(3, 5), temperature=0.5)
    scene = Scene(NLCL(**NLCL_SIZES, layers=term), size=24)
    g, rainy = scene.nets, scene.inputs["rainy"]
    losses = []
    torch.manual_seed(7)
    loss = term(scene.step)["generators"]
    torch.manual_seed(7)
    seen = {}
    for name, image, count in (
        ("background_mlp", g["derainer"](rainy), 3),
        ("rain_mlp", g["rain_generator"](rainy), 5),
    ):
        features = g["discriminator_clean"].encode(image, ("conv1", "conv2"))
        places = self_similar_places(image, features, count)
        for tap, f in features.items():
            vectors = [f[b].flatten(1)[:, places[tap][b]].T for b in range(len(f))]
            seen[name, tap] = F.normalize(g[name].mlps[tap](torch.stack(vectors)), dim=-1)
    for tap in ("conv1", "conv2"):
        losses.append(
            supervised_contrast_loop(seen["background_mlp", tap], seen["rain_mlp", tap], 0.5)
        )
    names = "derainer", "rain_generator", "background_mlp", "rain_mlp"
    same_value_and_gradient(scene, loss, mean(losses), *names)


def test_nlcl_location_contrast_at_self_similar_places():
    method = NLCL(**NLCL_SIZES)
    term = replace(method.location, patches=6, temperature=0.5)
    scene = Scene(replace(method, location=term), size=24)
    torch.manual_seed(7)
    loss = term(scene.step)["generators"]
    torch.manual_seed(7)
    losses = []
    for source in (scene.inputs["rainy"], scene.inputs["clean"]):
        keys = scene.nets["derainer"].encode(source, ("stem", "block1"))
        places = self_similar_places(source, keys, 6)["stem"]
        output = scene.nets["derainer"](source)
        for tap in ("stem", "block1"):
            pair = [scene.vectors("derainer", image, tap) for image in (output, source)]
            at = [torch.stack([v[b, places[b]] for b in range(len(v))]) for v in pair]
            losses.append(mean(patch_nce_loop(*at, 0.5)))
    same_value_and_gradient(scene, loss, mean(losses), "derainer", "derainer_mlp")


def test_nlcl_layers_add_up_to_the_picture():
    method = NLCL(**NLCL_SIZES)
    scene = Scene(method)
    rainy = scene.inputs["rainy"]
    layers = [scene.nets[name](rainy) for name in ("derainer", "rain_generator")]
    squares = [
        (b + r - o).item() ** 2
        for b, r, o in zip(layers[0].flatten(), layers[1].flatten(), rainy.flatten(), strict=True)
    ]
    loss = method.reconstruction(scene.step)["generators"]
    assert loss.item() == pytest.approx(sum(squares) / len(squares), rel=1e-4)
    close = method.closeness(scene.step)["generators"]
    torch.testing.assert_close(close, (layers[0] - rainy).abs().mean())
    weights = {name: term.weight for name, term in method.terms().items()}
    assert list(weights.values()) == [1, 1, 1, 1, 0.1]


def test_hard_negatives():
    """Value, what generators descend, and what the negatives' networks climb."""
    term = HardNegatives(patches=EVERY, temperature=0.5, diversity=0.7, decay=0.6)
    scene = Scene(CDDGAN(**SIZES, negatives=4, contrast=term))
    g, rainy, clean = scene.nets, scene.inputs["rainy"], scene.inputs["clean"]
    slow = {
        name: [
            0.6 * own + 0.4 * fast
            for own, fast in zip(
                g[f"{name}_negatives"].slow.parameters(),
                g[f"{name}_mlp"].parameters(),
                strict=True,
            )
        ]
        for name in ("derainer", "rainer")
    }
    torch.manual_seed(7)
    found = term(scene.step)
    torch.manual_seed(7)
    losses, spreads = [], []
    for key, source, query, output in (
        ("derainer", rainy, "rainer", g["derainer"](rainy)),
        ("rainer", clean, "derainer", g["rainer"](clean)),
    ):
        network = g[f"{key}_negatives"]
        for expected, own in zip(slow[key], network.slow.parameters(), strict=True):
            torch.testing.assert_close(own, expected)
        for tap in ("down1", "block1"):  # the order of places, drawn before the noise
            torch.randperm(g[key].encode(source, (tap,))[tap][0, 0].numel())
        for tap in ("down1", "block1"):
            queries, keys = scene.vectors(query, output, tap), scene.vectors(key, source, tap)
            features = g[key].encode(source, (tap,))[tap].detach()
            noise = torch.randn(2, 4, 64)
            for b in range(2):
                places = features[b].flatten(1).T
                average = mean([F.normalize(network.slow.mlps[tap](p), dim=0) for p in places])
                made = [
                    F.normalize(network.mlps[tap](torch.cat([average, z])), dim=0)
                    for z in noise[b]
                ]
                losses += [
                    one_nce(q, [k.detach(), *made], 0.5)
                    for q, k in zip(queries[b], keys[b], strict=True)
                ]
                spreads += [(made[0] - made[2]).abs().mean(), (made[1] - made[3]).abs().mean()]
    # Taps have different numbers of places: 64 and 16 for each image and role.
    parts = [losses[i : i + n] for i, n in ((0, 128), (128, 32), (160, 128), (288, 32))]
    loss = mean([mean(part) for part in parts])
    same_value_and_gradient(scene, found["generators"], loss, "derainer", "rainer", "rainer_mlp")
    expected = -loss - 0.7 * mean(spreads)
    torch.testing.assert_close(found["negatives"], expected, rtol=1e-4, atol=1e-5)
    for name in ("derainer_negatives", "rainer_negatives"):
        learned = list(g[name].mlps.parameters())
        torch.testing.assert_close(
            torch.autograd.grad(found["negatives"], learned, retain_graph=True),
            torch.autograd.grad(expected, learned, retain_graph=True),
            rtol=1e-3,
            atol=1e-5,
        )
        assert not any(p.requires_grad for p in g[name].slow.parameters())


@pytest.mark.parametrize("degrees", [-60, -20, 0, 35, 90])
def test_a_grating_changes_least_along_its_stripes(degrees):
    """Stripes `degrees` from the vertical, leaning right as they go down."""
    angle = math.radians(degrees)
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(80.0), indexing="ij")
    across = x * math.cos(angle) - y * math.sin(angle)
    down, right = least_change((0.5 * across).sin().expand(2, 3, -1, -1))
    assert down.shape == (2, 1, 1, 1)
    found = torch.stack([down, right]).squeeze()[:, 1]
    expected = torch.tensor([math.cos(angle), math.sin(angle)])
    assert (found @ expected).abs() == pytest.approx(1, abs=1e-3)


def test_streaks():
    term = Streaks(along=0.5, across=0.7, sparse=0.3)
    scene = Scene(UDGNet(**{k: v for k, v in NLCL_SIZES.items() if k != "projection"}))
    rainy = scene.inputs["rainy"]
    rain = scene.nets["rain_generator"](rainy)
    along, across = [], []
    for o, r, h in zip(rainy, rain, high_pass(rainy), strict=True):
        # The tensor of the high-passed picture, summed pixel by pixel.
        yy = xx = xy = 0.0
        for c in range(3):
            for i in range(15):
                for j in range(15):
                    gy = (h[c, i + 1, j] - h[c, i, j]).item()
                    gx = (h[c, i, j + 1] - h[c, i, j]).item()
                    yy, xx, xy = yy + gy * gy, xx + gx * gx, xy + gx * gy
        # Closed form: the angle of largest change of a 2 x 2 tensor; the least is across it.
        most = math.atan2(2 * xy, yy - xx) / 2  # from "down" towards "right"
        down, right = -math.sin(most), math.cos(most)
        for c in range(3):
            for i in range(15):
                for j in range(15):
                    ry, rx = r[c, i + 1, j] - r[c, i, j], r[c, i, j + 1] - r[c, i, j]
                    oy, ox = o[c, i + 1, j] - o[c, i, j], o[c, i, j + 1] - o[c, i, j]
                    along.append((down * ry + right * rx).abs())
                    across.append((right * (oy - ry) - down * (ox - rx)).abs())
    expected = 0.5 * mean(along) + 0.7 * mean(across) + 0.3 * rain.abs().mean()
    loss = term(scene.step)["generators"]
    same_value_and_gradient(scene, loss, expected, "rain_generator")


def test_isotropic_by_hand():
    """Rows grow by 2, columns by 1: 4 + 1."""
    y, x = torch.meshgrid(torch.arange(4.0), torch.arange(5.0), indexing="ij")
    step = Step({}, {}, [], {"derained": (2 * y + x).expand(1, 3, -1, -1)})
    assert UDGNet().isotropic(step)["generators"].item() == pytest.approx(5)


def test_rain_attention():
    """The attention refined from 1/2 twice; what it sees of r and n~ is left of r; none in n."""
    sizes = {"generator": AttentiveConfig(2, 1, looks=2), "discriminator": SIZES["discriminator"]}
    method = DerainCycleGAN(**sizes)
    scene = Scene(method)
    derainer, rainy, clean = scene.nets["derainer"], scene.inputs["rainy"], scene.inputs["clean"]

    def attention(image: Tensor) -> Tensor:
        first = derainer.attend(torch.cat([image, 0.5 * torch.ones(2, 1, 16, 16)], 1))
        return derainer.attend(torch.cat([image, first], 1))

    derained = derainer(rainy)
    squares = [
        (attention(rainy)[b, 0] + derained[b, c] - rainy[b, c]).square().mean()
        for b in range(2)
        for c in range(3)
    ]
    expected = mean(squares) + attention(clean).square().mean()
    loss = method.attention(scene.step)["generators"]
    same_value_and_gradient(scene, loss, expected, "derainer")
    assert "identity_clean" not in scene.step._images  # looked at, not derained
