"""Training that begins with the weights of another prior."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lightgen.conditioners.mixed import Mixed
from lightgen.layout import Layout
from lightgen.networks.base import Network
from lightgen.tokenizers.base import Tokenizer

LEAST = 0.5
"""The share of the parameters that must fit, or it would be a training from the start by another name."""
CELL = "cell"
"""A network's vectors of the places in the grid, where it learns them."""
PART = "conditioner."
"""Before the name of each weight of a network's conditioner."""
CODES = "token.weight"
"""A network's vectors of the codes, behind which those of a process stand, as MASK."""


@torch.no_grad()
def take(network: Network, other: Network) -> tuple[set[str], list[str]]:
    """Take the weights of another network that have the same name and shape; the rest stays as it is.

    Vectors of the places in a grid of another size are interpolated, as in Dosovitskiy et al., 2020, arXiv 2010.11929,
    section 3.2. Those of the codes are taken where only what a process has beside them differs.

    Returns:
        The names of what begins anew, at least in part, and a table of all that is not as it was there.

    Raises:
        ValueError: in one line, if less than half of the parameters fit.
    """
    own, there = network.state_dict(), placed(network, other)
    taken = {name: there[name] for name, tensor in own.items() if name in there and there[name].shape == tensor.shape}
    share = sum(tensor.numel() for tensor in taken.values()) / max(1, sum(tensor.numel() for tensor in own.values()))
    if share < LEAST:
        raise ValueError(
            f"only {share:.0%} of the weights of {type(network).__name__} are in the {type(other).__name__} "
            "that it is to begin with: change less of it"
        )
    become = dict.fromkeys(own.keys() - taken.keys(), "begins anew")
    anew = set(become)
    if CELL in become and CELL in there and own[CELL].shape[1] == there[CELL].shape[1]:
        taken[CELL], become[CELL] = interpolated(there[CELL], other.layout, network.layout), "interpolated"
        anew.discard(CELL)
    if CODES in become and _same_codes(network, other) and own[CODES].shape[1] == there[CODES].shape[1]:
        taken[CODES], become[CODES] = with_codes(own[CODES], there[CODES], network.layout), "its codes are taken"
    network.load_state_dict({**own, **taken})
    rows = [(name, _shape(own[name]), _shape(there.get(name)), become[name]) for name in own if name in become]
    return anew, _table(("weights", "here", "there", ""), rows) if rows else []


def interpolated(cells_ND: Tensor, before: Layout, now: Layout) -> Tensor:
    """(n, D) vectors of the cells of another grid."""
    grid = cells_ND.T.unflatten(1, before.cells).unsqueeze(0)
    return nn.functional.interpolate(grid, now.cells, mode="bicubic", antialias=True)[0].flatten(1).T.contiguous()


def with_codes(own_ID: Tensor, there_JD: Tensor, layout: Layout) -> Tensor:
    """(I, D) vectors of ids, of which those of the codes are from there, and those of MASK and the like one's own."""
    own, there = (vectors.unflatten(0, (layout.num_codes, -1)) for vectors in (own_ID, there_JD))
    return torch.cat([there[:, : layout.vocab_size], own[:, layout.vocab_size :]], 1).flatten(0, 1)


def _same_codes(network: Network, other: Network) -> bool:
    """Whether both look their ids up in tables, of equal codebooks."""
    mine, theirs = (getattr(one, "token", None) for one in (network, other))
    own, there = ((layout.vocab_size, layout.num_codes) for layout in (network.layout, other.layout))
    return own == there and isinstance(mine, nn.Embedding) and isinstance(theirs, nn.Embedding)


def require_same_ids(tokenizer: Tokenizer, other: Tokenizer) -> None:
    """Refuse a tokenizer whose ids mean something else; its decoder may be another.

    Raises:
        ValueError: in one line.
    """
    if not Tokenizer.same_ids(tokenizer.state_dict(), other.state_dict()):
        raise ValueError("the prior to begin with was trained on ids of another tokenizer, which mean other things: "
                         "leave out --model.tokenizer, which then is its own")  # fmt: skip


def _shape(tensor: Tensor | None) -> str:
    return "-" if tensor is None else "x".join(map(str, tensor.shape))


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)]


def placed(network: nn.Module, other: nn.Module) -> dict[str, Tensor]:
    """The weights of another network by their names in this one.

    Its conditioner may be the first of several here. The blocks of a causal network are those of one that is not.
    """
    mine, theirs = getattr(network, "conditioner", None), getattr(other, "conditioner", None)
    first = isinstance(mine, Mixed) and type(theirs) is type(mine.parts[0])
    here = {_plain(name): name for name in network.state_dict()}
    found = {}
    for name, tensor in other.state_dict().items():
        told = f"{PART}parts.0.{name.removeprefix(PART)}" if first and name.startswith(PART) else name
        found[here.get(_plain(told), told)] = tensor
    return found


def _plain(name: str) -> str:
    """The name of a weight, whether a `Stack` holds the blocks or the network itself."""
    return name.removeprefix("stack.")
