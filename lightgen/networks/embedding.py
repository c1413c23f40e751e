"""What every network begins and ends with: ids and class to vectors, vectors to logits."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from lightgen.networks.base import Network
from lightgen.types import Grid


class TokenNetwork(Network):
    """Embeds ids, adds a learned vector of the class to every token, and ends in LayerNorm and a linear layer.

    A subclass gives the `body` between the two.

    Args:
        num_ids: K.
        vocab_size: V.
        grid: (h, w).
        num_classes: a class vector each, and one more for "no class"; 0 means no classes at all.
        dim: D.
    """

    def __init__(self, num_ids: int, vocab_size: int, grid: Grid, num_classes: int, dim: int) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.grid = (grid[0], grid[1])
        self.num_classes = num_classes
        self.token = nn.Embedding(num_ids, dim)
        self.label = nn.Embedding(num_classes + 1, dim) if num_classes else None
        self.to_logits = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, vocab_size))
        for embedding in (self.token, self.label):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=dim**-0.5)

    def forward(self, ids_BN: Tensor, time: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        x = self.token(ids_BN)
        if self.label is not None:
            if label is None:
                label = ids_BN.new_full((len(ids_BN),), self.num_classes)
            x = x + self.label(label).unsqueeze(1)
        logits: Tensor = self.to_logits(self.body(x))
        return logits

    @abstractmethod
    def body(self, x_BND: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
