"""The yardstick: CCLGAN's training step as one would first write it down.

The same objective, gradients and update as `cclgan_lite.training.step`, loss after loss, each
computing what it needs: LCL encodes both of its images anew, intra-CCL embeds one image after the
other, inter-CCL encodes its images apart from the adversarial pass, once for the generators and
once for the discriminators, and the discriminators see every image again for their own loss.
float32, contiguous layout, PyTorch's own convolutions, plain Adam. `tests/test_textbook.py` holds
both steps against each other.
"""

from __future__ import annotations

from unittest import mock

import torch
from torch import Tensor, nn

from cclgan_lite.losses import discriminator_loss, generator_loss, inter_ccl, intra_ccl, patch_nce
from cclgan_lite.networks import norm_relu_conv, sample_places
from cclgan_lite.training.config import Config


class TextbookTrainer:
    """Networks and optimisers of a recipe with the paper's four losses."""

    def __init__(self, config: Config, networks: dict[str, nn.Module]):
        self.method, self.networks = config.method, networks
        self.optimizers = {
            player: torch.optim.Adam(
                [p for name in names for p in networks[name].parameters()],
                lr=config.lr * speed,
                betas=config.betas,
            )
            for player, (names, speed) in self.method.players().items()
        }

    @mock.patch.object(norm_relu_conv, "_pays", lambda x: False)
    def train_step(self, rainy: Tensor, clean: Tensor) -> dict[str, float]:
        """One update on images [B, 3, H, W] in [-1, 1]; the unweighted losses."""
        derainer, rainer = self.networks["derainer"], self.networks["rainer"]
        images = {"rainy": rainy, "clean": clean}
        images["derained"], images["rained"] = derainer(rainy), rainer(clean)
        images["rerained"] = rainer(images["derained"])
        images["rederained"] = derainer(images["rained"])
        constant = {name: image.detach() for name, image in images.items()}

        method, losses = self.method, {}
        self.optimizers["generators"].zero_grad()
        losses["adversarial/generators"] = self.fooled(images)
        losses["lcl/generators"] = self.lcl(images)
        losses["intra/generators"] = self.intra(images)
        losses["inter/generators"], places = self.inter(images)
        total = sum(getattr(method, k.split("/")[0]).weight * v for k, v in losses.items())
        total.backward()
        self.optimizers["generators"].step()

        self.optimizers["discriminators"].zero_grad()
        judged = self.judged(constant)
        sharpened, _ = self.inter(constant, places)
        (method.adversarial.weight * judged + method.inter.weight * sharpened).backward()
        self.optimizers["discriminators"].step()
        losses |= {"adversarial/discriminators": judged, "inter/discriminators": sharpened}
        return {name: loss.item() for name, loss in losses.items()}

    def fooled(self, images: dict[str, Tensor]) -> Tensor:
        roles = self.method.adversarial.roles
        losses = [generator_loss(self.networks[d](images[fake])) for d, _, fake in roles]
        return sum(losses) / len(losses)

    def judged(self, images: dict[str, Tensor]) -> Tensor:
        losses = []
        for discriminator, real, fake in self.method.adversarial.roles:
            network = self.networks[discriminator]
            losses.append(discriminator_loss(network(images[real]), network(images[fake])))
        return sum(losses)

    def lcl(self, images: dict[str, Tensor]) -> Tensor:
        lcl, losses = self.method.lcl, []
        for key_encoder, source, query_encoder, output in lcl.roles:
            encoder = self.networks[key_encoder]
            keys = encoder.encode(images[source], encoder.taps)
            places = sample_places(keys, lcl.patches)
            keys = self.networks[f"{key_encoder}_mlp"](keys, places)
            encoder = self.networks[query_encoder]
            queries = encoder.encode(images[output], encoder.taps)
            queries = self.networks[f"{query_encoder}_mlp"](queries, places)
            losses += [patch_nce(queries[tap], keys[tap], lcl.temperature) for tap in keys]
        return sum(losses) / len(losses)

    def intra(self, images: dict[str, Tensor]) -> Tensor:
        embedder = self.networks["embedder"]
        losses = [
            intra_ccl(*(embedder(images[name]) for name in names))
            for names in self.method.intra.roles
        ]
        return sum(losses) / len(losses)

    def inter(self, images: dict[str, Tensor], places=None) -> tuple[Tensor, dict]:
        """The loss, and the places compared, which both players share."""
        total, used = 0.0, {}
        for discriminator, *names in self.method.inter.roles:
            network = self.networks[discriminator]
            features = [network.encode(images[name], network.taps) for name in names]
            used[discriminator] = (
                places[discriminator] if places else sample_places(features[0], 256)
            )
            mlp = self.networks[f"{discriminator}_mlp"]
            vectors = [mlp(f, used[discriminator]) for f in features]
            losses = [inter_ccl(*(v[tap] for v in vectors)) for tap in used[discriminator]]
            total = total + sum(losses) / len(losses)
        return total, used
