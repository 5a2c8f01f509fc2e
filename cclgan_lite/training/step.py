"""One training step: the whole objective with no activation computed twice.

Four generator passes serve everything: r -> n~ -> r* and n -> r~ -> n*. The first pass of each
generator leaves the LCL keys behind, the second one the queries. Each discriminator sees all the
images that anyone wants it to judge or to encode in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from cclgan_lite.losses.term import Look, Term


class Step:
    """The images and features of one step, each computed when a loss first reads it.

    `wiring` says how images come to be, `{"derained": ("derainer", "rainy"), ...}`; `looks` what
    each viewer (discriminator, embedder) will be asked for; `images` are the step's inputs,
    [B, 3, H, W] in [-1, 1]. `precision` is that of the networks' passes; what they return is
    float32 again, and so are the losses: contrastive gradients drown in bfloat16's rounding.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        wiring: Mapping[str, tuple[str, str]],
        looks: list[Look],
        images: Mapping[str, Tensor],
        precision: torch.dtype = torch.float32,
    ):
        self.precision = precision
        self.networks = networks
        self.wiring = wiring
        self.looks = looks
        self._images = dict(images)
        self._features: dict[tuple[str, str], dict[str, Tensor]] = {}
        self._logits: dict[tuple[str, str], Tensor] = {}

    def image(self, name: str) -> Tensor:
        if name not in self._images:
            network, *sources = self.wiring[name]
            if callable(network):  # made of images, not by a network
                self._images[name] = network(*map(self.image, sources))
                return self._images[name]
            (source,) = sources
            self._images[name], self._features[network, source] = self._run(
                self.networks[network],
                self.image(source),
                taps=self.networks[network].config.taps,
            )
        return self._images[name]

    def features(self, network: str, image: str) -> dict[str, Tensor]:
        key = (network, image)
        if key not in self._features:
            if any(look.viewer == network for look in self.looks):
                self._view(network)
            elif key in self.wiring.values():  # the pass that makes another image
                self.image(next(name for name, made in self.wiring.items() if made == key))
            else:
                generator = self.networks[network]
                self._features[key] = self._run(
                    generator.encode, self.image(image), taps=generator.config.taps
                )
        return self._features[key]

    def logits(self, viewer: str, image: str) -> Tensor:
        if (viewer, image) not in self._logits:
            self._view(viewer)
        return self._logits[viewer, image]

    def _view(self, viewer: str) -> None:
        """Show `viewer` all its images of this step in one batch, those to be judged first.

        Images that nobody needs a gradient through (the embedder's positives and negatives) make
        a second batch, of which no graph is kept.
        """
        looks = sorted(
            (look for look in self.looks if look.viewer == viewer),
            key=lambda look: look.needs != "logits",
        )
        network = self.networks[viewer]
        taps = network.config.taps if any(k.needs == "features" for k in looks) else ()
        judged = {look.image for look in looks if look.needs == "logits"}
        moving = {look.image for look in looks if look.gradient}
        names = dict.fromkeys(look.image for look in looks)
        for gradient in (True, False):
            batch = [name for name in names if (name in moving) is gradient]
            if not batch:
                continue
            images = torch.cat([self.image(name) for name in batch])
            size = len(images) // len(batch)
            count = sum(name in judged for name in batch)
            with torch.set_grad_enabled(gradient):
                seen = self._run(network, images, taps=taps, judged=count * size)
            logits, features = seen if taps else (seen, {})
            for name, part in zip(batch[:count], logits.split(size), strict=False):
                self._logits[viewer, name] = part
            parts = {tap: f.split(size) for tap, f in features.items()}
            for i, name in enumerate(batch):
                self._features[viewer, name] = {tap: p[i] for tap, p in parts.items()}

    def _run(self, call: Callable, images: Tensor, **options):
        """`call(images, **options)` in the step's precision, its result in float32."""
        reduced = self.precision != torch.float32
        # Without a cache: torch 2.4 keeps weights cast under no_grad, and their gradient is lost.
        with torch.autocast(
            images.device.type,
            self.precision if reduced else torch.bfloat16,
            enabled=reduced,
            cache_enabled=False,
        ):
            return _float(call(images, **options))


def compile_networks(networks: nn.ModuleDict) -> None:
    """Let torch.compile translate every network for itself, at its first call.

    The step around them stays as it is: its terms ask for passes as they please, and each
    audience walks back through the same graph, which must therefore survive the first walk.
    """
    torch._functorch.config.donated_buffer = False
    for network in networks.values():
        network.compile(dynamic=False)


def _float(value):
    """Every tensor of a tensor, a dictionary or a tuple in float32."""
    if isinstance(value, dict):
        return {name: _float(part) for name, part in value.items()}
    return tuple(map(_float, value)) if isinstance(value, tuple) else value.float()


def training_step(
    step: Step,
    terms: Mapping[str, Term],
    optimizers: Mapping[str, torch.optim.Optimizer],
    exchange: Callable[[Iterable[Tensor]], None] = lambda gradients: None,
) -> dict[str, Tensor]:
    """Every player descends the weighted sum of its terms (eq. 11); returns unweighted losses.

    One forward pass serves all. Each audience (a player, or a single network) gets its gradient
    from a backward pass confined to its own parameters, and all gradients are taken before anyone
    moves: exactly CycleGAN's update without image pool, minus its second pass through the
    discriminators. In between, `exchange` may change all gradients in place, as
    training/parallel.py does.
    """
    losses = {name: term(step) for name, term in terms.items()}
    totals: dict[str, Tensor | float] = {}
    for name, by_audience in losses.items():
        for audience, value in by_audience.items():
            totals[audience] = totals.get(audience, 0.0) + terms[name].weight * value
    for optimizer in optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    # The generators, named first, come last: their graph spans the others' and frees it.
    for audience in reversed(totals):
        if audience in optimizers:
            parameters = [p for g in optimizers[audience].param_groups for p in g["params"]]
        else:
            parameters = list(step.networks[audience].parameters())
        last = audience == next(iter(totals))
        totals[audience].backward(inputs=parameters, retain_graph=not last)
    exchange(
        p.grad
        for o in optimizers.values()
        for g in o.param_groups
        for p in g["params"]
        if p.grad is not None
    )
    for optimizer in optimizers.values():
        optimizer.step()
    return {
        f"{name}/{audience}": value.detach()
        for name, by_audience in losses.items()
        for audience, value in by_audience.items()
    }
