"""How much of a codebook is in use."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class CodebookUsage(Metric):
    """How often each code is used, counted over all ranks.

    Where M codes stand at one position, their codebooks are counted apart: `usage` is the share of all M * V codes
    that is used, `perplexity` the mean over the codebooks, and `dead` the sum.

    Args:
        vocab_size: V.
        num_codes: M.
    """

    counts: Tensor
    """(M, V) int64."""
    full_state_update = False

    def __init__(self, vocab_size: int, num_codes: int = 1) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(num_codes, vocab_size, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, ids: Tensor) -> None:
        """Count ids (B, M, ...), or of any shape where M = 1."""
        codebooks = ids.unsqueeze(0) if len(self.counts) == 1 else ids.transpose(0, 1)
        self.counts += torch.stack([torch.bincount(b.flatten(), minlength=self.counts.shape[1]) for b in codebooks])

    def compute(self) -> dict[str, Tensor]:
        """Share of used codes; exp of the entropy of their frequencies, in [1, V]; number of unused codes."""
        frequency = self.counts / self.counts.sum(1, keepdim=True).clamp_min(1)
        entropy = -torch.xlogy(frequency, frequency).sum(1)
        used = (self.counts > 0).float()
        return {"usage": used.mean(), "perplexity": entropy.exp().mean(), "dead": (1 - used).sum()}
