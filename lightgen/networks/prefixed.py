"""Causal networks that read the condition, then the tokens row by row, and answer at each place with the next one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lightgen.condition import Condition, Context
from lightgen.functional.lookup import Place
from lightgen.networks.base import Interface, Network
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.styled import KeyValues, Places, fixed

Memory = Sequence[KeyValues | None]
"""Of each block."""


class Prefixed(TokenNetwork):
    """Reads a prefix of P places and all tokens but the last; place P - 1 + i answers for token i.

    The same `read` serves all places at once, in training, and the newest one, in sampling, where keys and values of
    those before are kept. A subclass has `blocks`.

    Args:
        interface: see `Network`; one code stands at a cell.
        dim: D.

    Raises:
        ValueError: if several codes stand at a cell, or the condition has tokens that it does not read.
    """

    causal: ClassVar[bool] = True
    reads_tokens: ClassVar[bool] = False
    """Whether the tokens of a condition stand before those of the picture."""
    num_prefix: int = 1
    """P."""
    blocks: nn.ModuleList
    causal_order: Tensor
    """(N,) the positions, row by row."""

    def __init__(self, interface: Interface, dim: int) -> None:
        require_single(self, interface)
        if not (self.reads_tokens and interface.conditioner is not None and interface.conditioner.num_tokens):
            require_unattended(self, interface)
        super().__init__(interface, dim)
        fixed(self, "causal_order", lambda: torch.arange(self.layout.num_tokens))

    @property
    def num_places(self) -> int:
        """P + N - 1."""
        return self.num_prefix + self.layout.num_tokens - 1

    def prefix(self, context: Context, num_rows: int) -> Tensor:
        """(B, P, D) what is read before the first token: the condition's vector, or MASK's where there is none."""
        start = self.token.weight[self.layout.mask][None, None] if context.vector is None else context.vector
        return start.expand(num_rows, -1, -1)

    @abstractmethod
    def read(self, x_BnD: Tensor, where: slice | Tensor, context: Context, memory: Memory) -> Tensor:
        """(B, n, D) to (B, n, D): positions are added, and the blocks run.

        Args:
            x_BnD: what stands at n places.
            where: the places, as an index of tables: a slice, or (1,) int64 of one that is not the first.
            context: of the condition.
            memory: of the places before the first.
        """

    def forward(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        context = self.told(self.context(Condition(), len(ids_BN)) if context is None else context, time)
        x = torch.cat([self.prefix(context, len(ids_BN)), self.embed(ids_BN[:, :-1])], 1)
        return self.logits(self.body(x, context)[:, self.num_prefix - 1 :])

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        return self.enter(x_BND, slice(0, x_BND.shape[1]), context, [None] * len(self.blocks))

    def enter(self, x_BnD: Tensor, where: slice | Tensor, context: Context, memory: Memory) -> Tensor:
        """The same as `read`, of what stands at n places before the vectors of the cells they answer for are added."""
        if context.cells is not None:
            x_BnD = x_BnD + pad(context.cells, (0, 0, self.num_prefix - 1, 0))[:, where]
        return self.read(x_BnD, where, context, memory)

    def reader(self, num_rows: int, context: Context | None) -> PrefixedReader:
        """A reader that keeps the keys and values of all it has read, so that a token costs O(N) and not O(N^2)."""
        context = self.context(Condition(), num_rows) if context is None else context
        return PrefixedReader(self, self.told(context, None))


class PrefixedReader:
    """Reads one token at a step. See `lightgen.types.Reader`."""

    def __init__(self, network: Prefixed, context: Context) -> None:
        self.network, self.context = network, context
        self.memory = [KeyValues(network.num_places) for _ in network.blocks]
        self.all_places = torch.arange(network.num_places, device=network.causal_order.device)

    @property
    def held(self) -> tuple[Tensor, ...]:
        """See `lightgen.types.Reader`."""
        return (*(layer.memory for layer in self.memory if layer.memory is not None), *self.context.parts)

    def __call__(self, ids_BN: Tensor, step: Place) -> Tensor:
        network, before = self.network, self.network.num_prefix - 1
        if isinstance(step, Tensor):
            x, where = network.embed(ids_BN.index_select(1, step - 1)), step.view(1) + before
            places = Places(where, (self.all_places <= where)[None])
        elif step == 0:
            x, places = network.prefix(self.context, len(ids_BN)), Places(slice(0, before + 1))
        else:
            x, places = network.embed(ids_BN[:, step - 1 : step]), Places(slice(before + step, before + step + 1))
        for layer in self.memory:
            layer.places = places
        return network.logits(network.enter(x, places.where, self.context, self.memory)[:, -1:])[:, 0]

    def select(self, rows: Tensor) -> PrefixedReader:
        some = copy(self)
        some.context = self.context.select(rows)
        some.memory = [layer.select(rows) for layer in self.memory]
        return some


def require_plain(network: Network, interface: Interface) -> None:
    """Refuse several codes at a cell, and a condition to attend to.

    Raises:
        ValueError: in one line.
    """
    require_single(network, interface)
    require_unattended(network, interface)


def require_single(network: Network, interface: Interface) -> None:
    """Refuse several codes at a cell.

    Raises:
        ValueError: in one line.
    """
    if interface.layout.num_codes > 1:
        raise ValueError(f"{type(network).__name__} takes one code at a cell, not {interface.layout.num_codes}")


def require_unattended(network: Network, interface: Interface) -> None:
    """Refuse a condition to attend to.

    Raises:
        ValueError: in one line.
    """
    name, conditioner = type(network).__name__, interface.conditioner
    if conditioner is not None and conditioner.attended:
        raise ValueError(f"{name} has no attention to the tokens that {type(conditioner).__name__} gives; "
                         "Transformer, CausalTransformer, Hourglass, Llama and UViT2D have")  # fmt: skip
