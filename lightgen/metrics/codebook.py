"""How much of a codebook is in use."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class CodebookUsage(Metric):
    """Share of codes used at all, number of dead ones, and perplexity (exp of the entropy of the code frequencies).

    Args:
        vocab_size: V.
    """

    counts: Tensor
    full_state_update = False

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(vocab_size, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, ids: Tensor) -> None:
        """Count ids of any shape."""
        self.counts += torch.bincount(ids.flatten(), minlength=len(self.counts))

    def compute(self) -> dict[str, Tensor]:
        frequency = self.counts / self.counts.sum().clamp_min(1)
        entropy = -torch.xlogy(frequency, frequency).sum()
        dead = (self.counts == 0).float()
        return {"usage": 1 - dead.mean(), "dead": dead.sum(), "perplexity": entropy.exp()}
