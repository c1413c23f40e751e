"""What every network begins and ends with: ids, condition and time to vectors, vectors to logits."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn

from lightgen.condition import Condition, Context
from lightgen.networks.attention import CrossAttention
from lightgen.networks.base import Interface, Network


class TokenNetwork(Network):
    """Embeds ids, adds what the condition and the time say to every cell, and ends in LayerNorm and a linear layer.

    Where M codes stand at a cell, their embeddings are summed, and the last layer has M heads. A subclass gives the
    `body` between the two.

    Args:
        interface: see `Network`.
        dim: D.
        adaptive: whether the vectors of condition and time shift, scale and gate every block (`adaLN-Zero`, Peebles and
            Xie, 2022, arXiv 2212.09748), instead of being added to the cells.
        learned: whether every cell has a vector of its own, which says where it is.

    Raises:
        ValueError: if D is not at least 1.
    """

    def __init__(self, interface: Interface, dim: int, adaptive: bool = False, learned: bool = False) -> None:
        super().__init__(interface)
        if dim < 1:
            raise ValueError(f"dim must be at least 1, not {dim}")
        self.num_ids = interface.num_ids
        self.dim, self.adaptive = dim, adaptive
        self.token = self.beginning()
        self.conditioner = interface.conditioner
        if self.conditioner is not None:
            self.conditioner.attach(dim)
        self.time = TimeEmbedding(dim) if self.reads_time else None
        self.to_logits = self.ending()
        nn.init.normal_(self.token.weight, std=dim**-0.5)
        self.cell = nn.Parameter(torch.randn(self.layout.num_cells, dim) * dim**-0.5) if learned else None

    def beginning(self) -> nn.Embedding | nn.Linear:
        """The first layer, of ids, or of what is made of them."""
        return nn.Embedding(self.layout.num_codes * self.num_ids, self.dim)

    def ending(self) -> nn.Sequential:
        """The last layers, (B, h w, D) to (B, h w, M V)."""
        return nn.Sequential(nn.LayerNorm(self.dim), nn.Linear(self.dim, self.layout.num_codes * self.num_outputs))

    @property
    def attended(self) -> bool:
        """Whether its blocks attend to tokens of the condition."""
        return self.conditioner is not None and self.conditioner.attended

    def forward(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        context = self.told(self.context(Condition(), len(ids_BN)) if context is None else context, time)
        x = self.embed(ids_BN)
        if self.cell is not None:
            x = x + self.cell
        if context.vector is not None and not self.adaptive:
            x = x + context.vector
        if context.cells is not None:
            x = x + context.cells
        return self.logits(self.body(x, context))

    def context(self, condition: Condition, num_rows: int) -> Context:
        context = super().context(condition, num_rows)
        if context.tokens is None:
            return context
        layers = [layer.remember(context.tokens) for layer in self.modules() if isinstance(layer, CrossAttention)]
        return context._replace(memory=tuple(layers))

    def told(self, context: Context, time: Tensor | None) -> Context:
        """A context with the time in its vector.

        Raises:
            ValueError: if the network reads the time, and is not told it.
        """
        vector = context.vector
        if self.time is not None:
            if time is None:
                raise ValueError("this network was trained to read the time, and must be told it")
            at = self.time(time).unsqueeze(1)
            vector = at if vector is None else vector + at
        if vector is None and self.adaptive:
            vector = self.token.weight.new_zeros(1, 1, self.dim)
        return context._replace(vector=vector)

    def embed(self, ids_BN: Tensor) -> Tensor:
        """(B, h w, D): the sum over the codes of each cell, of ids (B, N) or vectors (B, N, D) in their place."""
        if ids_BN.is_floating_point():
            return ids_BN.unflatten(1, (-1, self.layout.num_codes)).sum(2)
        if self.layout.num_codes == 1:
            return self.token(ids_BN)
        offset = torch.arange(self.layout.num_codes, device=ids_BN.device) * self.num_ids
        return self.token(ids_BN.unflatten(1, (-1, self.layout.num_codes)) + offset).sum(2)

    def logits(self, x_BnD: Tensor) -> Tensor:
        """(B, N, V) of vectors (B, h w, D)."""
        return self.to_logits(x_BnD).unflatten(-1, (self.layout.num_codes, -1)).flatten(1, 2)

    @abstractmethod
    def body(self, x_BND: Tensor, context: Context) -> Tensor:
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
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        vectors: Tensor = self.layers(waves.to(next(self.layers.parameters()).dtype))
        return vectors
