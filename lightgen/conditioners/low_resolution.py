"""The ids of a coarser picture."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import Condition, Context
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise
from lightgen.layout import Layout

COARSE = "coarse"
"""What the ids are called in a condition."""


class LowResolution(Conditioner):
    """`coarse`, the ids (B, n) of the same picture on a coarser grid, to a vector for each cell of the fine grid.

    A fine cell is told the id of the coarse cell that it lies in, and its own place inside of that. Where several codes
    stand at a coarse cell, their vectors are summed. What is hidden adds zeros, which is the same as not being there.

    Args:
        layout: of the coarser ids. In a config, None takes that of the data's.
        tokenizer: the `fingerprint` of the tokenizer that they are of, likewise.
        dropout: see `Conditioner`.

    Raises:
        ValueError: if the layout is missing or no grid, or `dropout` is out of range.
    """

    source: ClassVar[str] = "Razavi et al., 2019, arXiv 1906.00446; Chang et al., 2023, arXiv 2301.00704"

    cells: Tensor
    """(h w,) the coarse cell that each fine one lies in."""
    places: Tensor
    """(h w,) where in it."""

    def __init__(self, layout: Layout | None = None, tokenizer: str | None = None, dropout: float = 0.1) -> None:
        super().__init__(dropout)
        if layout is None or tokenizer is None:
            raise ValueError("layout and tokenizer must be those of the coarser ids; in a config they are the data's, "
                             "where --data.coarse names a token cache")  # fmt: skip
        if not layout.is_grid:
            raise ValueError(f"coarser ids must stand on a grid, not in a sequence of {layout.num_cells}")
        self.layout, self.tokenizer = layout, tokenizer

    @property
    def names(self) -> tuple[str, ...]:
        return (COARSE,)

    def place(self, layout: Layout) -> None:
        (rows, columns), (h, w) = layout.grid, self.layout.grid
        if not layout.is_grid or rows % h or columns % w:
            fine = f"a grid of {rows}x{columns} cells" if layout.is_grid else f"a sequence of {layout.num_cells}"
            raise ValueError(f"coarser ids stand on {h}x{w} cells, of which {fine} is no whole multiple")
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        height, width = rows // h, columns // w
        cells = row.div(height, rounding_mode="floor") * w + column.div(width, rounding_mode="floor")
        self.register_buffer("cells", cells.flatten(), persistent=False)
        self.register_buffer("places", (row % height * width + column % width).flatten(), persistent=False)

    def attach(self, dim: int) -> None:
        self.embedding = nn.Embedding(self.layout.num_codes * self.layout.vocab_size, dim)
        self.inside = nn.Embedding(int(self.places.max()) + 1, dim)
        for table in (self.embedding, self.inside):
            nn.init.normal_(table.weight, std=dim**-0.5)

    def forward(self, condition: Condition, num_rows: int) -> Context:
        if COARSE not in condition.tensors:
            return Context()
        ids = condition.tensors[COARSE].unflatten(1, (-1, self.layout.num_codes))
        offset = torch.arange(self.layout.num_codes, device=ids.device) * self.layout.vocab_size
        vectors = self.embedding(ids + offset).sum(2)[:, self.cells] + self.inside(self.places)
        if COARSE in condition.hidden:
            vectors = vectors.masked_fill(condition.hidden[COARSE][:, None, None], 0.0)
        return Context(cells=vectors)

    def require(self, condition: Condition) -> None:
        ids = condition.tensors.get(COARSE)
        if ids is None:
            return
        num, last = self.layout.num_tokens, self.layout.vocab_size - 1
        if ids.ndim != 2 or ids.shape[1] != num or ids.dtype != torch.int64:
            raise ValueError(f"{COARSE} must be (B, {num}) int64, not {tuple(ids.shape)} {ids.dtype}")
        if bool(((ids < 0) | (ids > last)).any()):
            raise ValueError(f"{COARSE} must be in [0, {last}], not in [{int(ids.min())}, {int(ids.max())}]")

    def complete(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        """Nothing is drawn in place of ids that are not given.

        Raises:
            ValueError: if the network was never trained without them.
        """
        if COARSE not in condition.tensors and not self.dropout:
            raise ValueError("this prior knows no picture without the ids of a coarser one; `lightgen sample "
                             "--ckpt_path COARSER --then THIS` makes both")  # fmt: skip
        return condition

    def require_ids(self, layout: Layout | None, tokenizer: str | None) -> None:
        """Refuse ids of another tokenizer, or none.

        Raises:
            ValueError: in one line.
        """
        if layout is None:
            raise ValueError("the prior reads the ids of a coarser picture, and the data have none; --data.coarse "
                             "names a token cache of the same pictures")  # fmt: skip
        if (layout, tokenizer) != (self.layout, self.tokenizer):
            found, needed = (f"{'x'.join(map(str, one.cells))} cells of {one.vocab_size} codes"
                             for one in (layout, self.layout))  # fmt: skip
            other = f": those are on {found}, these on {needed}" if found != needed else ""
            raise ValueError(f"the coarser ids are of another tokenizer than those that the prior reads{other}")


def levels(conditioner: Conditioner | None) -> list[LowResolution]:
    """What of a conditioner, alone or mixed, reads the ids of a coarser picture."""
    return [] if conditioner is None else [part for part in conditioner.modules() if isinstance(part, LowResolution)]
