"""What a batch is asked for, and what a network sees of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, pad

from lightgen.types import Grid

KNOWN = "known"
"""The name of (B, h w) bool, True where a cell is known: nobody asks for it, the sampler tells it."""


@dataclass(frozen=True)
class Condition:
    """Named tensors with B rows, e.g. `{"label": (B,)}` or `{"caption": (B, L)}`.

    A name that is not there is told of no row. Of one that is there, single rows can be hidden, or told with a weight.

    >>> asked = Condition({"label": torch.tensor([3, 5])})
    >>> Condition.cat([asked, asked.hide()]).hidden["label"].tolist()
    [False, False, True, True]

    Args:
        tensors: by name.
        hidden: (B,) True where a row is not told; a name that is not there is told to all rows.
        weights: (B,) at least 0, where 0 is not told and 1 is what a name has that is not there.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    hidden: Mapping[str, Tensor] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tensors)

    def __len__(self) -> int:
        """Rows; 0 where nothing is asked for."""
        return len(next(iter(self.tensors.values()), ()))

    def replace(self, **tensors: Tensor) -> Condition:
        """With other tensors under some names, told to all rows."""
        return self.update(Condition(tensors))

    def update(self, other: Condition) -> Condition:
        """With what another condition says, hidden rows included, in place of the same names here."""
        kept = self.keep([name for name in self.tensors if name not in other.tensors])
        return Condition(*({**mine, **theirs} for mine, theirs in zip(kept._parts, other._parts, strict=True)))

    def keep(self, names: Sequence[str]) -> Condition:
        """Only some names."""
        return Condition(*({n: part[n] for n in part if n in names} for part in self._parts))

    def hide(self, *names: str, rows: Tensor | None = None) -> Condition:
        """Without some names, or all where none is given; in some rows ((B,) True where hidden), or in all."""
        chosen = names or tuple(self.tensors)
        if rows is None:
            return self.keep([name for name in self.tensors if name not in chosen])
        hidden = {name: rows | self.hidden.get(name, False) for name in chosen if name in self.tensors}
        return Condition(self.tensors, {**self.hidden, **hidden}, self.weights)

    def select(self, rows: Tensor) -> Condition:
        """Some rows (an index or a boolean mask)."""
        return Condition(*({name: tensor[rows] for name, tensor in part.items()} for part in self._parts))

    def repeat(self, times: int) -> Condition:
        """All rows, so many times over."""
        return Condition(*({n: t.repeat(times, *(1,) * (t.ndim - 1)) for n, t in part.items()} for part in self._parts))

    def dealt(self, index: Tensor) -> Condition:
        """A row for each number: with three rows, pictures 0, 3, 6 have the first, and so on."""
        return self.select(index.to("cpu") % len(self)) if self else self

    def to(self, device: torch.device | str) -> Condition:
        """On a device."""
        return Condition(*({name: tensor.to(device) for name, tensor in part.items()} for part in self._parts))

    @staticmethod
    def cat(parts: Sequence[Condition]) -> Condition:
        """One under another, of equal numbers of rows; what one does not have is hidden in its rows.

        Under what is hidden stands what another has, as where single rows are hidden.

        What is shorter in its second dimension, as a text of fewer bytes or tokens is, gets zeros behind.
        """
        examples = {name: tensor for part in reversed(parts) for name, tensor in part.tensors.items()}
        flags = {n: t.new_zeros(len(t), dtype=torch.bool) for n, t in examples.items()}
        tensors = {n: _joined([p.tensors.get(n, t) for p in parts]) for n, t in examples.items()}
        told = all(p.tensors.keys() == examples.keys() and not p.hidden for p in parts)
        hidden = {} if told else {
            n: torch.cat([p.hidden.get(n, flag) if n in p.tensors else ~flag for p in parts])
            for n, flag in flags.items()
        }  # fmt: skip
        weighed = {name for part in parts for name in part.weights}
        ones = {name: torch.ones_like(flags[name], dtype=torch.get_default_dtype()) for name in weighed}
        return Condition(tensors, hidden, {n: torch.cat([p.weights.get(n, ones[n]) for p in parts]) for n in weighed})

    @property
    def _parts(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor], Mapping[str, Tensor]]:
        return self.tensors, self.hidden, self.weights


def _joined(tensors: list[Tensor]) -> Tensor:
    """Tensors (B, L, ...) one under another, with zeros behind those of a smaller L."""
    if tensors[0].ndim == 1:
        return torch.cat(tensors)
    length = max(t.shape[1] for t in tensors)
    return torch.cat([pad(t, (0, 0) * (t.ndim - 2) + (0, length - t.shape[1])) for t in tensors])


class Context(NamedTuple):
    """What a network sees of a condition: worked out once a batch, not once a step."""

    vector: Tensor | None = None
    """(B, 1, D) added to every cell, or what shifts, scales and gates adaptive norms."""
    tokens: Tensor | None = None
    """(B, L, D) to attend to."""
    bias: Tensor | None = None
    """(B, L) added to the attention to each token, e.g. the logarithm of a weight; -inf is absent."""
    cells: Tensor | None = None
    """(B, h w, D) added cell by cell."""
    regions: Tensor | None = None
    """(B, h w, L) in [0, 1]: how far a cell is to attend to a token more than it would, where that is painted."""
    memory: tuple[Tensor, ...] = ()
    """(B, 2, heads, L + 1, d) of each layer that attends: the keys and values of the tokens."""
    strength: Tensor | None = None
    """(B,) of the regions in one evaluation; None does without them."""

    def select(self, rows: Tensor) -> Context:
        """Of some rows (an index or a boolean mask)."""
        return self._each(lambda part: part[rows])

    def repeat(self, times: int) -> Context:
        """All rows, so many times over."""
        return self._each(lambda part: part.repeat(times, *(1,) * (part.ndim - 1)))

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The tensors that are there."""
        return tuple(part for part in (*self[:5], *self.memory) if part is not None)

    def pooled(self, grid: Grid, coarse: Grid) -> Context:
        """For a coarser grid of cells, each of which has the mean of the regions of those in it."""
        if self.regions is None:
            return self
        painted = self.regions.transpose(1, 2).unflatten(2, grid)
        return self._replace(regions=adaptive_avg_pool2d(painted, coarse).flatten(2).transpose(1, 2))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Context:
        vector, tokens, bias, cells, regions = (None if part is None else change(part) for part in self[:5])
        strength = None if self.strength is None else change(self.strength)
        return Context(vector, tokens, bias, cells, regions, tuple(change(layer) for layer in self.memory), strength)


def weighed(context: Context, weight: Tensor | None) -> Context:
    """What a network sees of something that has a weight.

    Its vector is so many times as long, and its tokens are attended to as if each stood there so many times; 0 is as if
    there were nothing.

    Args:
        context: of B rows, with a vector, tokens and their bias.
        weight: (B,) at least 0; None is 1.
    """
    if weight is None:
        return context
    assert context.vector is not None and context.bias is not None
    factor = weight.to(context.vector.dtype)[:, None]
    return context._replace(vector=context.vector * factor[..., None], bias=context.bias + factor.log())
