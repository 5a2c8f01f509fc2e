"""Initial weights: N(0, 0.02), as CycleGAN and its family (the default of all our networks)."""

from torch import nn


def init_weights(network: nn.Module, std: float = 0.02) -> None:
    """Every convolution and linear layer: weights N(0, std), biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
