"""The method that adapts a derainer: veil transplanted, two discriminators, no rainer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cclgan_lite.losses import Adversarial, InterCCL, IntraCCL
from cclgan_lite.methods import Adaptation
from cclgan_lite.methods.operators import Transplant, TransplantVeil
from cclgan_lite.networks import DiscriminatorConfig, PatchDiscriminator, RestorationConfig
from cclgan_lite.training.config import Config
from cclgan_lite.training.trainer import Trainer

SAME = TransplantVeil(strength=(1.0, 1.0), window=9, lean=1e-6)


def picture(seed: int) -> torch.Tensor:
    """Uniform in [-0.5, 0.5], [1, 3, 24, 32]."""
    return torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(seed)) - 0.5


def test_a_veil_is_transplanted_whole():
    """r = 0.6 n~ + 0.3: the same is done to the clean picture."""
    clean, derained = picture(0), picture(1)
    rained = SAME(clean, 0.6 * derained + 0.3, derained)
    torch.testing.assert_close(rained, 0.6 * clean + 0.3, atol=1e-3, rtol=0)


def test_streaks_are_added_as_they_are():
    """A layer that knows nothing of the picture leaves the transmission near 1."""
    clean, derained = picture(0), picture(1)
    layer = 0.4 * (torch.arange(32) % 8 == 0).float().expand(1, 3, 24, 32)
    rained = replace(SAME, lean=1.0)(clean, derained + layer, derained)
    torch.testing.assert_close(rained, clean + layer, atol=0.05, rtol=0)


def test_transmission_by_the_slow_way():
    """One pixel's slope from its window, written out, then their mean over the window."""
    clean, derained = picture(0), picture(1)
    rainy = 0.5 * derained + 0.1 * picture(2)
    lean, slopes = 0.02, torch.zeros(24, 32)
    for y in range(24):
        for x in range(32):
            window = (
                slice(0, 1),
                slice(0, 3),
                slice(max(0, y - 1), y + 2),
                slice(max(0, x - 1), x + 2),
            )
            r, n = (image[window].flatten(2)[0] for image in (rainy, derained))
            covariance = ((r - r.mean(1, True)) * (n - n.mean(1, True))).mean()
            variance = (n - n.mean(1, True)).square().mean()
            slopes[y, x] = ((covariance + lean) / (variance + lean)).clamp(0, 1)
    t = F.avg_pool2d(slopes[None, None], 3, 1, 1, count_include_pad=False)
    expected = t * clean + rainy - t * derained
    found = TransplantVeil((1.0, 1.0), window=3, lean=lean)(clean, rainy, derained)
    torch.testing.assert_close(found, expected.clamp(-1, 1), atol=1e-5, rtol=0)


def test_no_gradient_flows_through_what_is_transplanted():
    derained = picture(1).requires_grad_()
    for operator in (SAME, Transplant()):
        assert not operator(picture(0), picture(2), derained).requires_grad


def test_a_low_pass_discriminator_sees_means():
    config = DiscriminatorConfig(filters=4, layers=2, norm="none", low_pass=4)
    network = PatchDiscriminator(config).requires_grad_(False)
    image = torch.rand(1, 3, 64, 64)
    blocks = F.interpolate(F.avg_pool2d(image, 4), scale_factor=4, mode="nearest")
    torch.testing.assert_close(network(image), network(blocks))
    assert not torch.equal(network(image), replace_low_pass(network)(image))


def replace_low_pass(network: PatchDiscriminator) -> PatchDiscriminator:
    other = PatchDiscriminator(replace(network.config, low_pass=1)).requires_grad_(False)
    other.load_state_dict(network.state_dict())
    return other


TINY = Adaptation(
    generator=RestorationConfig(filters=4, blocks=1, look=1, veil=True),
    streaks=DiscriminatorConfig(filters=4, norm="spectral", high_pass=True),
    veil=DiscriminatorConfig(filters=4, layers=2, norm="spectral", low_pass=2),
    embedder="random",
    projection=8,
)


def batch() -> dict[str, torch.Tensor]:
    images = ("rainy", "clean", "rendered")
    return {name: torch.rand(2, 3, 64, 64) * 2 - 1 for name in images}


def config(method: Adaptation) -> Config:
    from cclgan_lite.data.shower import Shower

    return Config(method=method, shower=Shower(share=1.0))


def test_all_of_its_networks_learn_in_one_step():
    trainer = Trainer(config(TINY), 10, torch.device("cpu"))
    before = {name: value.clone() for name, value in trainer.networks.state_dict().items()}
    losses, _ = trainer.train_step(batch())
    assert {name.split("/")[0] for name in losses} == {
        "rehearsal", "transplant", "adversarial", "lcl", "intra", "inter",
    }  # fmt: skip
    for name in trainer.learning:
        after = trainer.networks[name].state_dict()
        assert any(not torch.equal(before[f"{name}.{key}"], value) for key, value in after.items())
    assert "rainer" not in trainer.networks


@pytest.mark.parametrize("seed", range(2))
def test_pixel_terms_alone_need_no_discriminator(seed):
    off = replace(
        TINY,
        adversarial=Adversarial(weight=0.0),
        inter=InterCCL(weight=0.0),
        intra=IntraCCL(weight=0.0),
        lcl=replace(TINY.lcl, weight=0.0),
    )
    trainer = Trainer(replace(config(off), seed=seed), 10, torch.device("cpu"))
    assert trainer.learning == ["derainer"] and set(trainer.networks) == {"derainer"}
    losses, _ = trainer.train_step(batch())
    assert set(losses) == {"rehearsal/derainer", "transplant/derainer"}
