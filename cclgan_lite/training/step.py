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
from cclgan_lite.methods.base import Made, Wiring


class Step:
    """The images and features of one step, each computed when a loss first reads it.

    `wiring` says how images come to be, `{"derained": Pass("derainer", "rainy"), ...}`; `looks`
    what each viewer (discriminator, embedder) will be asked for; `images` are the step's inputs,
    [B, 3, H, W] in [-1, 1]. `precision` is that of the networks' passes; what they return is
    float32 again, and so are the losses: contrastive gradients drown in bfloat16's rounding.

    What a term reads without having asked for it, or what is not there, is a LookupError that
    names the term, the network and the image.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        wiring: Wiring,
        looks: list[Look],
        images: Mapping[str, Tensor],
        precision: torch.dtype = torch.float32,
    ):
        self.precision = precision
        self.networks = networks
        self.wiring = wiring
        self.looks = looks
        self.reader = "a term"  # who reads, for error messages
        self._images = dict(images)
        self._features: dict[tuple[str, str], dict[str, Tensor]] = {}
        self._logits: dict[tuple[str, str], Tensor] = {}

    def image(self, name: str) -> Tensor:
        if name not in self._images:
            made = self.wiring.get(name)
            if made is None:
                known = ", ".join(dict.fromkeys([*self._images, *self.wiring]))
                raise LookupError(f"{self.reader} reads image {name!r}; there are {known}")
            if isinstance(made, Made):
                self._images[name] = made.operator(*map(self.image, made.images))
            else:
                network = self._network(made.network)
                output = self._run(network, self.image(made.image), taps=network.taps)
                self._images[name], self._features[made] = output if network.taps else (output, {})
        return self._images[name]

    def features(self, network: str, image: str) -> dict[str, Tensor]:
        key = (network, image)
        if key not in self._features:
            if any(look.viewer == network for look in self.looks):
                self._require(network, image, "features")
                self._view(network)
            elif key in self.wiring.values():  # the pass that makes another image
                self.image(next(name for name, made in self.wiring.items() if made == key))
            else:
                encoder = self._network(network)
                self._features[key] = self._run(
                    encoder.encode, self.image(image), taps=encoder.taps
                )
        return self._features[key]

    def logits(self, viewer: str, image: str) -> Tensor:
        if (viewer, image) not in self._logits:
            self._require(viewer, image, "logits")
            self._view(viewer)
        return self._logits[viewer, image]

    def _network(self, name: str) -> nn.Module:
        if name not in self.networks:
            raise LookupError(
                f"{self.reader} reads network {name!r}; there are {', '.join(self.networks)}"
            )
        return self.networks[name]

    def _require(self, viewer: str, image: str, needs: str) -> None:
        if not any(
            k.viewer == viewer and k.image == image and k.needs == needs for k in self.looks
        ):
            raise LookupError(
                f"{self.reader} reads the {needs} of image {image!r} from {viewer!r} without "
                f"having asked: add Look({viewer!r}, {image!r}, {needs!r}) to its looks()"
            )

    def _view(self, viewer: str) -> None:
        """Show `viewer` all its images of this step in one batch, those that get logits first.

        Images that nobody needs a gradient through (the embedder's positives and negatives) make
        a second batch, of which no graph is kept.
        """
        looks = [look for look in self.looks if look.viewer == viewer]
        looks.sort(key=lambda look: look.needs != "logits")
        network = self._network(viewer)
        taps = network.taps if any(k.needs == "features" for k in looks) else ()
        scored = {look.image for look in looks if look.needs == "logits"}
        moving = {look.image for look in looks if look.gradient}
        names = dict.fromkeys(look.image for look in looks)
        for gradient in (True, False):
            batch = [name for name in names if (name in moving) is gradient]
            if not batch:
                continue
            images = torch.cat([self.image(name) for name in batch])
            size = len(images) // len(batch)
            count = sum(name in scored for name in batch)
            features = {}
            with torch.set_grad_enabled(gradient):
                if not count:
                    features = self._run(network.encode, images, taps=taps)
                elif taps:
                    logits, features = self._run(network, images, taps=taps, count=count * size)
                else:
                    logits = self._run(network, images)
            if count:
                parts = zip(batch[:count], logits.split(size), strict=True)
                self._logits |= {(viewer, name): part for name, part in parts}
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
    heard: Mapping[str, float] | None = None,
    shares_of: nn.Module | None = None,
) -> dict[str, Tensor]:
    """Every player descends the weighted sum of its terms (eq. 11); returns unweighted losses.

    One forward pass serves all. Whoever a term trains (a player, or a single network) gets its
    gradient from a backward pass confined to its own parameters, and all gradients are taken
    before anyone moves: exactly CycleGAN's update without image pool, minus its second pass
    through the discriminators. In between, `exchange` may change all gradients in place, as
    training/parallel.py does. `heard` is the part of a term's weight that generators hear (1 where
    nothing is said); discriminators hear all. With `shares_of` also `gradient_shares` on it.
    """
    heard = heard or {}
    losses = {}
    for name, term in terms.items():
        step.reader = f"loss {name!r}"
        losses[name] = term(step)
    totals: dict[str, Tensor | float] = {}
    for name, by_learner in losses.items():
        for learner, value in by_learner.items():
            part = 1.0 if learner.startswith("discriminator") else heard.get(name, 1.0)
            if part:
                totals[learner] = totals.get(learner, 0.0) + part * terms[name].weight * value
    shares = {}
    if shares_of is not None:
        weights = {name: heard.get(name, 1.0) * term.weight for name, term in terms.items()}
        shares = gradient_shares(losses, weights, list(shares_of.parameters()))
    for optimizer in optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    # The generators, named first, come last: their graph spans the others' and frees it.
    for learner in reversed(totals):
        if learner in optimizers:
            parameters = [p for g in optimizers[learner].param_groups for p in g["params"]]
        else:
            parameters = [p for p in step.networks[learner].parameters() if p.requires_grad]
        last = learner == next(iter(totals))
        totals[learner].backward(inputs=parameters, retain_graph=not last)
    trained = [p for o in optimizers.values() for g in o.param_groups for p in g["params"]]
    exchange(p.grad for p in trained if p.grad is not None)
    for optimizer in optimizers.values():
        optimizer.step()
    return {
        f"{name}/{learner}": value.detach()
        for name, by_learner in losses.items()
        for learner, value in by_learner.items()
    } | shares


def gradient_shares(
    losses: Mapping[str, Mapping[str, Tensor]],
    weights: Mapping[str, float],
    parameters: list[Tensor],
) -> dict[str, Tensor]:
    """How much of what moves `parameters` is which term's: {"share/<term>": number}.

    The norm of each weighted term's gradient over the sum of all norms; 0 while nothing is heard.
    `losses` are as a term returns them; what discriminators hear is left out.
    """
    norms, none = {}, torch.zeros((), device=parameters[0].device)
    for name, by_learner in losses.items():
        heard = [v for k, v in by_learner.items() if not k.startswith("discriminator")]
        if heard:
            found = torch.autograd.grad(heard[0], parameters, retain_graph=True, allow_unused=True)
            squares = [g.square().sum() for g in found if g is not None]
            norms[f"share/{name}"] = weights[name] * sum(squares, none).sqrt()
    total = sum(norms.values())
    return {name: norm / total.clamp_min(1e-30) for name, norm in norms.items()}
