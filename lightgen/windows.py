"""Canvases larger than what a network was trained on. Nothing changes in a sampler: it sees a network of a larger grid.

Bond-Taylor et al., 2022, "Unleashing transformers", arXiv 2111.12701: at every step, the probabilities of all windows
over a token are averaged. Esser et al., 2021, "Taming transformers for high-resolution image synthesis",
arXiv 2012.09841: a causal network draws each token by the window around it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from lightgen.condition import Condition, Context
from lightgen.functional.tiling import sliding_window
from lightgen.layout import Layout
from lightgen.networks.base import Network
from lightgen.types import Grid

OVERLAP = 0.5
MAX_ROWS = 64


def on_canvas(network: Network, layout: Layout) -> Windowed | Sliding:
    """The network on a larger grid, as suits it: by overlapping windows, or by sliding ones where it is causal.

    Raises:
        ValueError: if the canvas is smaller than one window, or a causal network does not go row by row.
    """
    return Sliding(network, layout) if network.causal else Windowed(network, layout)


class Windowed:
    """A network on a larger grid, to be called like the network itself: `(ids_BN, time_B, context) -> logits_BNV`.

    Each token's logits are the logarithm of its mean probability over the windows that it stands in; where the network
    gives one logit a token, of a yes or no, the logit of its mean probability. A canvas of one window gives the
    network's own logits.

    Args:
        network: reads one window.
        layout: of the canvas, at least one window each way.
        overlap: share in [0, 1) of a window that its neighbour covers too; windows lie evenly, so it may be more.
        max_rows: windows evaluated at once over all pictures, but at least one of each picture: bounds the memory.

    Raises:
        ValueError: if the canvas is smaller than one window, or an argument is out of range.
    """

    def __init__(self, network: Network, layout: Layout, overlap: float = OVERLAP, max_rows: int = MAX_ROWS) -> None:
        _require_room(network, layout.grid)
        if not 0 <= overlap < 1:
            raise ValueError(f"overlap must be in [0, 1), not {overlap}")
        if max_rows < 1:
            raise ValueError(f"max_rows must be at least 1, not {max_rows}")
        self.network, self.reads_time = network, network.reads_time
        self.conditioner = getattr(network, "conditioner", None)
        self.max_rows, self.overlap = max_rows, overlap
        self.positions = layout.windows(network.layout, overlap)
        """(windows, n) the positions of each window."""
        self.covered = torch.bincount(self.positions.flatten())
        """(N,) windows that each position stands in."""
        self.num_windows = len(self.positions)
        """Windows that one evaluation is made of."""

    def context(self, condition: Condition, num_rows: int) -> Context:
        """What the network sees of a condition, in every window."""
        return self.network.context(condition, num_rows)

    def __call__(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        """Logits (B, N, V) of ids (B, N) on the canvas; time is (B,)."""
        if self.num_windows == 1:
            logits: Tensor = self.network(ids_BN, time, context)
            return logits
        yes_or_no = self.network.num_outputs == 1
        num_outcomes = 2 if yes_or_no else self.network.num_outputs
        total = ids_BN.new_full((*ids_BN.shape, num_outcomes), -torch.inf, dtype=torch.float32)
        # Moved once, for a recorded step moves nothing between devices.
        self.positions, self.covered = self.positions.to(ids_BN.device), self.covered.to(ids_BN.device)
        for some in self.positions.split(max(1, self.max_rows // len(ids_BN))):
            for place, logits in zip(some, self._evaluate(ids_BN, some, time, context), strict=True):
                both = pad(logits, (0, 1)) if yes_or_no else logits
                log_probs = torch.log_softmax(both, -1, dtype=torch.float32)
                # In logarithms: in guidance, a probability that underflows would turn into infinity minus infinity.
                total[:, place] = torch.logaddexp(total[:, place], log_probs)
        if yes_or_no:
            return total[..., :1] - total[..., 1:]
        return total - self.covered.log()[:, None]

    def _evaluate(self, ids_BN: Tensor, windows: Tensor, time: Tensor | None, context: Context | None) -> Tensor:
        """Logits (windows, B, n, V) of some windows of every picture, in one batch."""
        count = len(windows)
        rows = ids_BN[:, windows].transpose(0, 1).flatten(0, 1)
        told = None if context is None else context.repeat(count)
        if context is not None and told is not None and context.cells is not None:
            num_codes = self.network.layout.num_codes
            cells = windows[:, ::num_codes].div(num_codes, rounding_mode="floor")
            told = told._replace(cells=context.cells[:, cells].transpose(0, 1).flatten(0, 1))
        logits: Tensor = self.network(rows, None if time is None else time.repeat(count), told)
        return logits.unflatten(0, (count, -1))


class Sliding:
    """A causal network on a larger grid, row by row: each position by the window around its cell, inside the canvas.

    Args:
        network: reads one window, row by row.
        layout: of the canvas, at least one window each way.

    Raises:
        ValueError: if the canvas is smaller than one window, or the network goes in another order.
    """

    num_windows = 1
    """Windows that one evaluation is made of."""

    def __init__(self, network: Network, layout: Layout) -> None:
        _require_room(network, layout.grid)
        in_order = torch.arange(network.layout.num_tokens)
        if not torch.equal(torch.as_tensor(network.causal_order).cpu(), in_order):
            raise ValueError("a larger canvas needs a causal network that goes row by row, but this one does not")
        self.network, self.reads_time = network, network.reads_time
        self.grid = layout.grid
        self.causal_order = torch.arange(layout.num_tokens)
        """(N,) the positions in the order in which they are drawn."""

    def context(self, condition: Condition, num_rows: int) -> Context:
        """What the network sees of a condition, in every window."""
        return self.network.context(condition, num_rows)

    def __call__(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        """Logits (B, N, V) of ids (B, N) on the canvas, at the price of N evaluations."""
        return torch.stack([self.at(ids_BN, step, context) for step in range(ids_BN.shape[1])], dim=1)

    def reader(self, num_rows: int, context: Context | None) -> SlidingReader:
        """Goes through the canvas token by token."""
        return SlidingReader(self, context)

    def at(self, ids_BN: Tensor, step: int, context: Context | None) -> Tensor:
        """Logits (B, V) of one position, given the ids (B, N) at those before it."""
        (h, w), num_codes = self.network.layout.grid, self.network.layout.num_codes
        cell, code = divmod(step, num_codes)
        row, column = divmod(cell, self.grid[1])
        top, left = sliding_window((row, column), self.grid, (h, w))
        cells = ids_BN.unflatten(1, (*self.grid, num_codes))
        window = cells[:, top : top + h, left : left + w].flatten(1)
        logits: Tensor = self.network(window, None, context)
        return logits[:, ((row - top) * w + column - left) * num_codes + code]


class SlidingReader:
    """See `lightgen.types.Reader`; it keeps nothing, for the window moves."""

    def __init__(self, network: Sliding, context: Context | None) -> None:
        self.network, self.context = network, context

    @property
    def held(self) -> None:
        """Where a window stands is worked out from numbers."""

    def __call__(self, ids_BN: Tensor, step: int | Tensor) -> Tensor:
        return self.network.at(ids_BN, int(step), self.context)

    def select(self, rows: Tensor) -> SlidingReader:
        return SlidingReader(self.network, None if self.context is None else self.context.select(rows))


def _require_room(network: Network, grid: Grid) -> None:
    if grid[0] < network.layout.grid[0] or grid[1] < network.layout.grid[1]:
        needed, given = ("x".join(map(str, cells)) for cells in (network.layout.grid, grid))
        raise ValueError(f"a canvas must be at least one window of {needed} cells, not {given}")
