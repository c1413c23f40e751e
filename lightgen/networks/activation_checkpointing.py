"""Less memory for more time in training: Chen et al., 2016, "Training deep nets with sublinear memory cost",
arXiv 1604.06174.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(network: nn.Module) -> None:
    """Keep, for the gradient, what goes into each block of a network, and nothing of what is worked out in it.

    Args:
        network: its blocks are what stands in a list of modules; they are changed in place.
    """
    for module in network.modules():
        for block in module if isinstance(module, nn.ModuleList) else ():
            block.forward = partial(_worked_out_again, block.forward)


def _worked_out_again(forward: Any, *args: Any) -> Any:
    return checkpoint(forward, *args, use_reentrant=False) if torch.is_grad_enabled() else forward(*args)
