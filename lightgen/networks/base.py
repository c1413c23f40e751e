"""The contract of a network: noisy ids in, logits of the clean ids out."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor, nn

from lightgen.condition import Condition, Context
from lightgen.conditioners.base import Conditioner
from lightgen.layout import Layout
from lightgen.registry import Component, components
from lightgen.types import NoiseFamily


@dataclass(frozen=True)
class Interface(Component):
    """What a network reads and answers: all of it that follows from tokenizer, process and condition.

    Args:
        layout: of the tokens.
        num_ids: K, the ids that it reads: V, or V + 1 where there is a MASK.
        num_outputs: logits of each token; None is V.
        reads_time: whether the time is an input.
        conditioner: what it is told beside; None for nothing.
    """

    kind: ClassVar[str] = "interface"
    source: ClassVar[str] = "lightgen"

    layout: Layout
    num_ids: int
    num_outputs: int | None = None
    reads_time: bool = False
    conditioner: Conditioner | None = None


class Network(nn.Module, Component):
    """Maps ids (B, N) in [0, K) to logits (B, N, V) of the clean ids.

    Where M codes stand at each cell of the grid, N = M h w, and the codes of a cell follow one another.

    Subclasses take an `Interface` as their first argument, so that `NetworkFactory` can fill it in once the tokenizer
    and the process are known.

    Args:
        interface: what it reads and answers.
    """

    kind: ClassVar[str] = "network"
    causal: ClassVar[bool] = False
    """Whether it is `Ordered`: the logits at a position do not depend on the id there, nor on later ones."""
    conditioner: Conditioner | None
    """That of the interface, as a part of this network."""

    def __init__(self, interface: Interface) -> None:
        super().__init__()
        self.interface = interface
        self.layout = interface.layout
        self.num_outputs = interface.num_outputs or interface.layout.vocab_size
        self.reads_time = interface.reads_time
        if interface.conditioner is not None:
            interface.conditioner.place(interface.layout)

    @abstractmethod
    def forward(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        """Logits (B, N, V).

        Args:
            ids_BN: (B, N) int64 in [0, K), in raster order of their cells; or (B, N, D) float vectors in their place.
            time: (B,) float in [0, 1], 1 = all noise; ignored by networks without a time input.
            context: of the condition, from `context`; None tells nothing.
        """

    def context(self, condition: Condition, num_rows: int) -> Context:
        """What it sees of a condition of B rows, for any number of calls."""
        return Context() if self.conditioner is None else self.conditioner(condition, num_rows)


class NetworkFactory(Protocol):
    """Makes a network once its interface is known."""

    def __call__(self, interface: Interface) -> Network: ...


def require_sight(network: Network, family: NoiseFamily) -> None:
    """Refuse a network that sees what the process must hide from it, or does not see what it could.

    Raises:
        ValueError: in one line that names the networks that fit.
    """
    causal = family is NoiseFamily.CAUSAL
    if network.causal != causal:
        fitting = [n.__name__ for n in components("network") if issubclass(n, Network) and n.causal == causal]
        why = "sees every token and would only learn to copy it" if causal else "sees only what comes before a token"
        raise ValueError(
            f"the network {type(network).__name__} {why}, which does not fit training with {family.value} noise; "
            f"these do: {', '.join(fitting)}"
        )
