"""Finetuning of few weights: matrices that stay as they are, each with one of low rank added (LoRA).

Hu et al., 2021, "LoRA: Low-rank adaptation of large language models", arXiv 2106.09685, eq. 3 with alpha = r.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import register_parametrization

ORIGINAL, DOWN, UP = (f".parametrizations.weight.{name}" for name in ("original", "0.down", "0.up"))
"""What torch calls the parts of such a weight in a state."""


class LowRank(nn.Module):
    """W to W + B A, with B zero at first. Whoever reads the weight, in whatever way, reads the sum."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(torch.empty(rank, columns, dtype=weight.dtype, device=weight.device))
        self.up = nn.Parameter(torch.zeros(rows, rank, dtype=weight.dtype, device=weight.device))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def adapt(network: nn.Module, rank: int, anew: Collection[str]) -> None:
    """Train a matrix of low rank beside the one of each linear layer, and nothing else but what begins anew.

    Args:
        network: all of it; in place.
        rank: r, at least 1.
        anew: names of parameters that were not trained before.

    Raises:
        ValueError: if the rank is out of range.
    """
    if rank < 1:
        raise ValueError(f"lora_rank must be at least 1, not {rank}")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in anew)
    linear = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear)}
    for name, layer in linear.items():
        if f"{name}.weight" not in anew:
            register_parametrization(layer, "weight", LowRank(layer.weight, rank))


def merged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state in which every such weight is one matrix again, under the name that it had before."""
    adapted = [name.removesuffix(UP) for name in state if name.endswith(UP)]
    sums = {f"{name}.weight": state[name + ORIGINAL] + state[name + UP] @ state[name + DOWN] for name in adapted}
    parts = {name + part for name in adapted for part in (ORIGINAL, UP, DOWN)}
    return {**{name: tensor for name, tensor in state.items() if name not in parts}, **sums}
