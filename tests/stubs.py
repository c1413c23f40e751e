"""Networks that tests can reason about."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def echo(vocab_size: int, confidence: float = 60.0):
    """A network that is sure of the ids it is given."""

    def network(ids_BN: Tensor, time: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        return nn.functional.one_hot(ids_BN, vocab_size).float() * confidence

    return network


def oracle(answer_BN: Tensor, vocab_size: int, confidence: float = 60.0):
    """A network that knows the answer, whatever it is given (rows must not leave the batch)."""

    def network(ids_BN: Tensor, time: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        return nn.functional.one_hot(answer_BN, vocab_size).float() * confidence

    return network


class TableNetwork(nn.Module):
    """Logits from a small table of parameters, so that its loss can be written down by hand."""

    def __init__(self, num_ids: int, vocab_size: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.randn(num_ids, vocab_size, generator=generator))
        self.calls: list[Tensor] = []

    def forward(self, ids_BN: Tensor, time: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        self.calls.append(ids_BN.clone())
        return self.table[ids_BN]
