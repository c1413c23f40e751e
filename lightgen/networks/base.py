"""The contract of a network: noisy ids in, logits of the clean ids out."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Protocol

from torch import Tensor, nn

from lightgen.registry import Component
from lightgen.types import Grid


class Network(nn.Module, Component):
    """Maps ids (B, N) in [0, K) to logits (B, N, V) of the clean ids.

    Where M codes stand at each cell of the grid, N = M h w, and the codes of a cell follow one another.

    Subclasses take `(num_ids, vocab_size, grid, num_classes, num_codes, reads_time)` as their first arguments, so that
    `NetworkFactory` can fill them in once the tokenizer and the process are known.
    """

    kind: ClassVar[str] = "network"
    vocab_size: int
    grid: Grid
    num_classes: int
    num_codes: int
    """M, the codes at each cell."""
    reads_time: bool
    """Whether the time makes a difference."""

    @property
    def num_tokens(self) -> int:
        """N, the ids of a picture."""
        return self.num_codes * self.grid[0] * self.grid[1]

    @abstractmethod
    def forward(self, ids_BN: Tensor, time: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        """Logits (B, N, V).

        Args:
            ids_BN: (B, N) int64 in [0, K), in raster order of their cells.
            time: (B,) float in [0, 1], 1 = all noise; ignored by networks without a time input.
            label: (B,) int64 in [0, num_classes]; `num_classes` is the null class.
        """


class NetworkFactory(Protocol):
    """Makes the network of a prior once its sizes are known."""

    def __call__(
        self, num_ids: int, vocab_size: int, grid: Grid, num_classes: int, num_codes: int, reads_time: bool
    ) -> Network: ...
