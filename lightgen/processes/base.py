"""The contract of a process: the training half of a method."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

from torch import Tensor, nn

from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.networks.base import Interface
from lightgen.registry import Component
from lightgen.types import Denoise, LossOutput, NoiseFamily

DENOISER = "denoiser"
"""The role of the network that is sampled."""
Networks = Mapping[str, Denoise]


class Process(nn.Module, Component):
    """How clean ids are destroyed, and the loss that teaches a network to restore them.

    It is a module without parameters; what it measures in training is kept in buffers, and so in checkpoints.

    Args:
        vocab_size: V, the number of codes.

    Raises:
        ValueError: if `vocab_size` is below 2.
    """

    kind: ClassVar[str] = "process"
    family: ClassVar[NoiseFamily]
    reads_time: ClassVar[bool] = False
    """Whether its network is told the time."""
    roles: ClassVar[tuple[str, ...]] = ()
    """Networks that it can train beside the first, which is the `DENOISER`, e.g. `("critic",)`."""
    diffuses: ClassVar[bool] = False
    """Whether it is `Diffusing`: has noise levels over time, and steps between them."""
    has_likelihood: ClassVar[bool] = False
    """Whether it is a `Bound`: its network has a likelihood, or a bound on it."""
    informed: bool = False
    """Whether it wants to `observe` the training data first."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        if vocab_size < 2:
            raise ValueError(f"vocab_size must be at least 2, not {vocab_size}")
        self.vocab_size = vocab_size

    @property
    def num_ids(self) -> int:
        """K, the number of ids that the network reads: V, or V + 1 where there is a MASK."""
        return self.vocab_size

    def interface(self, layout: Layout, conditioner: Conditioner | None, role: str = DENOISER) -> Interface:
        """What a network in a role reads and answers."""
        return Interface(layout, self.num_ids, None, self.reads_time, conditioner)

    def observe(self, counts_V: Tensor) -> None:
        """Take note of how often each code stands in the training data, if `informed`."""

    @abstractmethod
    def initial(self, num_tokens: int, noise: Noise) -> Tensor:
        """Ids (B, num_tokens) where sampling starts, all noise; one row per picture of `noise`."""

    @abstractmethod
    def loss(self, networks: Networks, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """The training loss on clean ids (B, N). `loss.backward()` fills the gradients of the networks' parameters.

        Args:
            networks: by role, the `DENOISER` among them.
            ids_BN: clean ids.
            noise: of the B pictures.
        """


class ProcessFactory(Protocol):
    """Makes the process of a prior once its codebook is known."""

    def __call__(self, vocab_size: int) -> Process: ...
