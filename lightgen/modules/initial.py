"""Training that begins with the weights of another prior."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightgen.conditioners.mixed import Mixed

LEAST = 0.5
"""The share of the parameters that must fit, or it would be a training from the start by another name."""


@torch.no_grad()
def take(network: nn.Module, other: nn.Module) -> list[str]:
    """Take the weights of another network that have the same name and shape; the rest stays as it is.

    Returns:
        A line for each tensor that stays as it was made.

    Raises:
        ValueError: in one line, if less than half of the parameters fit.
    """
    own, there = network.state_dict(), placed(network, other)
    fitting = [name for name, tensor in own.items() if name in there and there[name].shape == tensor.shape]
    share = sum(own[name].numel() for name in fitting) / max(1, sum(tensor.numel() for tensor in own.values()))
    if share < LEAST:
        raise ValueError(
            f"only {share:.0%} of the weights of {type(network).__name__} are in the {type(other).__name__} "
            "that it is to begin with: change less of it"
        )
    network.load_state_dict({**own, **{name: there[name] for name in fitting}})
    return [
        f"{name} {tuple(own[name].shape)} begins anew"
        + (f"; there it is {tuple(there[name].shape)}" if name in there else "")
        for name in own
        if name not in fitting
    ]


def placed(network: nn.Module, other: nn.Module) -> dict[str, Tensor]:
    """The weights of another network by their names in this one, where its conditioner is the first of several."""
    mine, theirs, prefix = getattr(network, "conditioner", None), getattr(other, "conditioner", None), "conditioner."
    if not isinstance(mine, Mixed) or type(theirs) is not type(mine.parts[0]):
        return other.state_dict()
    return {
        f"{prefix}parts.0.{name.removeprefix(prefix)}" if name.startswith(prefix) else name: tensor
        for name, tensor in other.state_dict().items()
    }
