"""Canvases larger than what a network was trained on, by overlapping windows.

Bond-Taylor et al., 2022, "Unleashing transformers", arXiv 2111.12701: the probabilities of all windows over a token are
averaged at every step. Nothing changes in a sampler, which sees a network of a larger grid.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lightgen.functional.tiling import window_positions
from lightgen.networks.base import Network
from lightgen.types import Grid

OVERLAP = 0.5
MAX_ROWS = 256


class Windowed:
    """A network on a larger grid, to be called like the network itself: `(ids_BN, time_B, label_B) -> logits_BNV`.

    Each token's logits are the logarithm of its mean probability over the windows that it stands in. A canvas of one
    window gives the network's own logits.

    Args:
        network: reads one window.
        grid: (h, w) cells of the canvas, at least one window each way.
        overlap: share in [0, 1) of a window that its neighbour covers too; windows lie evenly, so it may be more.
        max_rows: windows evaluated at once over all pictures, but at least one of each picture: bounds the memory.

    Raises:
        ValueError: if the canvas is smaller than one window, or an argument is out of range.
    """

    def __init__(self, network: Network, grid: Grid, overlap: float = OVERLAP, max_rows: int = MAX_ROWS) -> None:
        if grid[0] < network.grid[0] or grid[1] < network.grid[1]:
            needed, given = ("x".join(map(str, cells)) for cells in (network.grid, grid))
            raise ValueError(f"a canvas must be at least one window of {needed} cells, not {given}")
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap must be in [0, 1), not {overlap}")
        if max_rows < 1:
            raise ValueError(f"max_rows must be at least 1, not {max_rows}")
        self.network = network
        self.max_rows, self.overlap = max_rows, overlap
        self.positions = window_positions(grid, network.grid, overlap, network.num_codes)
        """(windows, n) the positions of each window."""
        self.covered = torch.bincount(self.positions.flatten())
        """(N,) windows that each position stands in."""

    def __call__(self, ids_BN: Tensor, time: Tensor | None = None, label: Tensor | None = None) -> Tensor:
        """Logits (B, N, V) of ids (B, N) on the canvas; time and label are (B,)."""
        if len(self.positions) == 1:
            logits: Tensor = self.network(ids_BN, time, label)
            return logits
        total = ids_BN.new_full((*ids_BN.shape, self.network.vocab_size), -torch.inf, dtype=torch.float32)
        for some in self.positions.to(ids_BN.device).split(max(1, self.max_rows // len(ids_BN))):
            for place, log_probs in zip(some, self._evaluate(ids_BN, some, time, label), strict=True):
                # In logarithms: in guidance, a probability that underflows would turn into infinity minus infinity.
                total[:, place] = torch.logaddexp(total[:, place], log_probs)
        return total - self.covered.to(ids_BN.device).log()[:, None]

    def _evaluate(self, ids_BN: Tensor, windows: Tensor, time: Tensor | None, label: Tensor | None) -> Tensor:
        """Log-probabilities (windows, B, n, V) of some windows of every picture, in one batch."""
        count = len(windows)
        rows = ids_BN[:, windows].transpose(0, 1).flatten(0, 1)
        logits = self.network(
            rows, None if time is None else time.repeat(count), None if label is None else label.repeat(count)
        )
        return torch.log_softmax(logits, -1, dtype=torch.float32).unflatten(0, (count, -1))
