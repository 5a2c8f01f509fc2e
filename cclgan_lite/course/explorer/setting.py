"""What the explorer's controls say: the weights of eq. 11 and the forms of its losses.

The method is a small recipe with the levers of `demo` and all losses switched on: 16 filters and
three blocks, so that a step takes a fraction of a second on one core.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from cclgan_lite.losses import LCL, IntraCCL
from cclgan_lite.losses.pixel import identity, rederain
from cclgan_lite.losses.term import Term
from cclgan_lite.methods.cclgan import CCLGAN
from cclgan_lite.networks import DiscriminatorConfig, GeneratorConfig

METHOD = CCLGAN(
    generator=GeneratorConfig(filters=16, blocks=3, head="rain_layer"),
    discriminator=DiscriminatorConfig(filters=16, norm="spectral", high_pass=True),
    discriminator_speed=4.0,
    embedder="tiny-rain-clip",
    projection=64,
    lcl=LCL(weight=0.2),
    intra=IntraCCL(weight=0.1),
    identity=identity(1.0),
    rederain=rederain(10.0),
)
LOSSES = tuple(METHOD.terms())
TITLES = {
    "adversarial": "adversarial",
    "lcl": "LCL",
    "intra": "intra-CCL",
    "inter": "inter-CCL",
    "identity": "identity",
    "rederain": "re-derain L1",
}
SHORT = TITLES | {
    "adversarial": "adv.",
    "intra": "intra",
    "inter": "inter",
    "identity": "ident.",
    "rederain": "re-derain",
}


@dataclass(frozen=True)
class Setting:
    """A weight for each loss; the rest decides what the losses are.

    Attributes:
        temperature: tau of LCL, and of both CCL where their form is InfoNCE.
        fake_weight: of intra-CCL's generated negatives (0.1 in eq. 1 and 2).
        form: of intra-CCL and inter-CCL.
    """

    adversarial: float = METHOD.adversarial.weight
    lcl: float = METHOD.lcl.weight
    intra: float = METHOD.intra.weight
    inter: float = METHOD.inter.weight
    identity: float = METHOD.identity.weight
    rederain: float = METHOD.rederain.weight
    temperature: float = METHOD.lcl.temperature
    fake_weight: float = METHOD.intra.fake_weight
    form: Literal["ratio", "infonce"] = "ratio"

    def weights(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in LOSSES}

    def forms(self) -> tuple:
        """What the losses themselves depend on: when it changes, gradients are computed anew."""
        return self.temperature, self.fake_weight, self.form

    def terms(self, method: CCLGAN = METHOD) -> Mapping[str, Term]:
        """All losses of `method`, also those of weight zero, as this setting wants them."""
        changes: dict[str, dict] = {
            "lcl": {"temperature": self.temperature},
            "intra": {
                "temperature": self.temperature,
                "form": self.form,
                "fake_weight": self.fake_weight,
            },
            "inter": {"temperature": self.temperature, "form": self.form},
        }
        return {
            name: replace(getattr(method, name), weight=weight, **changes.get(name, {}))
            for name, weight in self.weights().items()
        }
