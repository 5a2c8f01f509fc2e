"""Location contrastive learning, eq. 7: the same place in input and output agrees.

The text names input and output of one generator. The published code averages four terms:
r -> n~, n -> r~, n~ -> r*, r~ -> n*. The first two come free: r* = G_r(n~) encodes n~ anyway.
The other two need one more encoder pass each; `roles` is the switch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cclgan_lite.losses.contrastive import patch_nce
from cclgan_lite.losses.term import Look, Views
from cclgan_lite.networks.layers import mirror
from cclgan_lite.networks.projection import sample_places, self_similar_places
from cclgan_lite.validation import above, at_least, check

# (encoder of the input, input, encoder of the output, output)
TEXT_ROLES = (
    ("derainer", "rainy", "rainer", "derained"),
    ("rainer", "clean", "derainer", "rained"),
)
CODE_ROLES = (
    *TEXT_ROLES,
    ("rainer", "derained", "derainer", "rerained"),
    ("derainer", "rained", "rainer", "rederained"),
)


@dataclass(frozen=True)
class LCL:
    """Mean of `patch_nce` over roles and taps. Each encoder has its own `<encoder>_mlp`.

    With `mirrored`, the name of what `operators.coin` tossed, the outputs of heads are those of
    mirrored inputs; their features are mirrored back (FastCUT's flip equivariance).
    """

    weight: float = 2.0
    temperature: float = 0.07
    patches: int = 256  # places per tap: one positive and 255 negatives for each query
    roles: tuple[tuple[str, str, str, str], ...] = TEXT_ROLES
    mirrored: str = ""
    similar: bool = False  # places where the input looks like itself (NLCL), not anywhere

    def __post_init__(self):
        check(self, weight=at_least(0), temperature=above(0), patches=at_least(2))

    def looks(self) -> list[Look]:
        return []

    def __call__(self, step: Views) -> dict[str, Tensor]:
        losses = []
        for key_encoder, source, query_encoder, output in self.roles:
            keys = step.features(key_encoder, source)
            places = (
                self_similar_places(step.image(source), keys, self.patches)
                if self.similar
                else sample_places(keys, self.patches)
            )
            with torch.no_grad():  # keys are constants
                keys = step.networks[f"{key_encoder}_mlp"](keys, places)
            queries = step.features(query_encoder, output)
            if self.mirrored:
                heads = step.image(self.mirrored)
                queries = {tap: mirror(f, heads) for tap, f in queries.items()}
            queries = step.networks[f"{query_encoder}_mlp"](queries, places)
            losses += [patch_nce(queries[tap], keys[tap], self.temperature) for tap in keys]
        return {"generators": sum(losses) / len(losses)}
