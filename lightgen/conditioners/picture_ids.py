"""Token ids of other pictures, attended to: what `Picture` and `Neighbours` have in common."""

from __future__ import annotations

import torch
from torch import nn

from lightgen.condition import Condition, Context, weighed
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise
from lightgen.layout import Layout


class PictureIds(Conditioner):
    """The ids of k pictures, each cell of each a token to attend to, and the mean of all as a vector.

    A token is what stands in a cell, where the cell is, and which of the pictures it is in. An id of V means a cell
    that is not there. What is not there, hidden, or of weight 0 is the same to the last bit.

    Args:
        num: k.
        dropout: see `Conditioner`; above 0, because pictures are asked for without any, too.

    Raises:
        ValueError: if a number is out of range.
    """

    attended = True

    def __init__(self, num: int, dropout: float) -> None:
        super().__init__(dropout)
        if not dropout:
            raise ValueError("dropout must be above 0, for pictures are asked for without other ones, too")
        self.num = num

    def place(self, layout: Layout) -> None:
        self.layout = layout

    def attach(self, dim: int) -> None:
        layout = self.layout
        self.embedding = nn.Embedding(layout.num_codes * layout.vocab_size, dim)
        self.cell = nn.Embedding(layout.num_cells, dim)
        self.number = nn.Embedding(self.num, dim)
        for table in (self.embedding, self.cell, self.number):
            nn.init.normal_(table.weight, std=dim**-0.5)
        self.norm = nn.LayerNorm(dim)
        # Without a bias, so that nothing is added where there is no picture.
        self.pool = nn.Linear(dim, dim, bias=False)
        nn.init.normal_(self.pool.weight, std=1 / dim)

    def forward(self, condition: Condition, num_rows: int) -> Context:
        name, layout = self.names[0], self.layout
        ids, device = condition.tensors.get(name), self.pool.weight.device
        if ids is None:
            ids = torch.full((num_rows, self.num * layout.num_tokens), layout.vocab_size, device=device)
        # (B, k, cells, codes)
        ids = ids.reshape(len(ids), self.num, layout.num_cells, layout.num_codes)
        there = (ids < layout.vocab_size).all(-1)
        if name in condition.hidden:
            there = there & ~condition.hidden[name][:, None, None]
        offset = torch.arange(layout.num_codes, device=device) * layout.vocab_size
        x = self.embedding(ids.clamp_max(layout.vocab_size - 1) + offset).sum(3)
        x = self.norm(x + self.cell.weight + self.number.weight[:, None]).masked_fill(~there[..., None], 0.0)
        tokens, there = x.flatten(1, 2), there.flatten(1)
        mean = tokens.sum(1, keepdim=True) / there.sum(1).clamp_min(1)[:, None, None]
        bias = torch.zeros_like(there, dtype=x.dtype).masked_fill(~there, -torch.inf)
        return weighed(Context(self.pool(mean), tokens, bias), condition.weights.get(name))

    def hide(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        if self.names[0] not in condition.tensors:
            raise ValueError(self.lacking)
        return super().hide(condition, noise, position)

    def require(self, condition: Condition) -> None:
        name, last = self.names[0], self.layout.vocab_size
        ids = condition.tensors.get(name)
        if ids is None:
            return
        shape = (self.layout.num_tokens,) if self.num == 1 else (self.num, self.layout.num_tokens)
        if ids.dtype != torch.int64 or (ids.shape[1:] != shape and ids.shape[1:] != (self.num, self.layout.num_tokens)):
            wanted = ", ".join(map(str, ("B", *shape)))
            raise ValueError(f"{name} must be ({wanted}) int64 ids, not {tuple(ids.shape)} {ids.dtype}")
        if bool(((ids < 0) | (ids > last)).any()):
            raise ValueError(f"{name} must be in [0, {last - 1}], or {last} for a cell that is not there, not in "
                             f"[{int(ids.min())}, {int(ids.max())}]")  # fmt: skip

    @property
    def lacking(self) -> str:
        """What is said of data that have not such pictures."""
        return f"the data have no {self.names[0]}; --data CachedTokens --data.cache FOLDER trains on a token cache"
