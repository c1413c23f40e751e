"""Which pictures are near others, by the angle between their features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

PICTURE, NEIGHBOURS = "picture", "neighbours"
"""What the ids of a reference picture, and of neighbours, are called in a condition."""
CHUNK = 256
"""Queries at a time."""


def nearest(
    queries: Tensor, memory: Tensor, num: int, apart: Tensor | None = None, others: Tensor | None = None
) -> Tensor:
    """(Q, num) int64: the rows of a memory with the largest cosine, the largest first; -1 where there are no more.

    Exact: every query is compared with every row.

    Args:
        queries: (Q, d) features.
        memory: (n, d) features.
        num: at least 1.
        apart: (Q, G) int64, G names of each query; a row that has one of them in the same place is left out.
        others: (n, G) int64, the names of the rows.
    """
    found = torch.full((len(queries), num), -1)
    memory, most = normalize(memory.float(), dim=1).T, min(num, len(memory))
    for start in range(0, len(queries) if most else 0, CHUNK):
        some = slice(start, start + CHUNK)
        near = normalize(queries[some].float(), dim=1) @ memory
        if apart is not None and others is not None:
            for mine, theirs in zip(apart[some].T, others.T, strict=True):
                near.masked_fill_(mine[:, None] == theirs, -torch.inf)
        cosine, rows = near.topk(most, 1)
        found[some, :most] = rows.masked_fill(cosine == -torch.inf, -1)
    return found
