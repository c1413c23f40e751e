"""Looking up one place, by a number, or by a tensor of one, which a recorded step reads anew each time it is played."""

from __future__ import annotations

from torch import Tensor

Place = int | Tensor
"""A number, or a tensor () or (1,) int64, out of which nothing is read."""


def pick(x: Tensor, dim: int, place: Place) -> Tensor:
    """`x.select(dim, place)`."""
    return x.select(dim, place) if isinstance(place, int) else x.index_select(dim, place).squeeze(dim)


def put(x: Tensor, dim: int, place: Place, values: Tensor) -> None:
    """Write values where `pick` reads them, in place."""
    if isinstance(place, int):
        x.select(dim, place).copy_(values)
    else:
        x.index_copy_(dim, place, values.to(x.dtype).unsqueeze(dim))


class Lookup:
    """A table (n,) of whole numbers: asked by a number it answers with one, by a tensor with a tensor (1,)."""

    def __init__(self, table: Tensor) -> None:
        self.table: Tensor = table
        self.numbers: list[int] = table.tolist()

    def __getitem__(self, place: Place) -> Place:
        return self.numbers[place] if isinstance(place, int) else self.table.index_select(0, place)
