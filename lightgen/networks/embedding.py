"""What every network begins and ends with: ids, class and time to vectors, vectors to logits."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from lightgen.networks.base import Network
from lightgen.types import Grid


class TokenNetwork(Network):
    """Embeds ids, adds learned vectors of class and time to every cell, and ends in LayerNorm and a linear layer.

    Where M codes stand at a cell, their embeddings are summed, and the last layer has M heads. A subclass gives the
    `body` between the two.

    Args:
        num_ids: K.
        vocab_size: V.
        grid: (h, w).
        num_classes: a class vector each, and one more for "no class"; 0 means no classes at all.
        num_codes: M.
        reads_time: whether to embed the time.
        dim: D.
    """

    def __init__(
        self, num_ids: int, vocab_size: int, grid: Grid, num_classes: int, num_codes: int, reads_time: bool, dim: int
    ) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.grid = (grid[0], grid[1])
        self.num_classes = num_classes
        self.num_codes = num_codes
        self.reads_time = reads_time
        self.num_ids = num_ids
        self.token = nn.Embedding(num_codes * num_ids, dim)
        self.label = nn.Embedding(num_classes + 1, dim) if num_classes else None
        self.time = TimeEmbedding(dim) if reads_time else None
        self.to_logits = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, num_codes * vocab_size))
        for embedding in (self.token, self.label):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=dim**-0.5)

    def forward(self, ids_BN: Tensor, time: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        x = self.body(self.embed(ids_BN) + self.condition(ids_BN, time, label))
        return self.logits(x)

    def embed(self, ids_BN: Tensor) -> Tensor:
        """(B, h w, D): the sum over the codes of each cell."""
        if self.num_codes == 1:
            return self.token(ids_BN)
        book = torch.arange(self.num_codes, device=ids_BN.device) * self.num_ids
        return self.token(ids_BN.unflatten(1, (-1, self.num_codes)) + book).sum(2)

    def condition(self, ids_BN: Tensor, time: Tensor | None, label: Tensor | None) -> Tensor:
        """(B, 1, D), or (1, 1, D) of zeros without a condition: class and time."""
        x = self.token.weight.new_zeros(1, 1, self.token.embedding_dim)
        if self.label is not None:
            if label is None:
                label = ids_BN.new_full((len(ids_BN),), self.num_classes)
            x = x + self.label(label).unsqueeze(1)
        if self.time is not None:
            if time is None:
                raise ValueError("this network was trained to read the time, and must be told it")
            x = x + self.time(time).unsqueeze(1)
        return x

    def logits(self, x_BnD: Tensor) -> Tensor:
        """(B, N, V) of vectors (B, h w, D)."""
        return self.to_logits(x_BnD).unflatten(-1, (self.num_codes, -1)).flatten(1, 2)

    @abstractmethod
    def body(self, x_BND: Tensor) -> Tensor:
        """(B, h w, D) to (B, h w, D)."""


class TimeEmbedding(nn.Module):
    """Times (B,) in [0, 1] to vectors (B, D): sinusoids, then two layers (Ho et al., 2020, arXiv 2006.11239)."""

    frequencies: Tensor

    def __init__(self, dim: int, num_frequencies: int = 32, longest: float = 1000.0) -> None:
        super().__init__()
        frequencies = torch.logspace(0, math.log10(longest), num_frequencies)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * num_frequencies, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, time_B: Tensor) -> Tensor:
        angles = time_B[:, None] * self.frequencies
        vectors: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return vectors
