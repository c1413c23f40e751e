"""The contract of a process: the training half of a method."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Protocol

from torch import Tensor, nn

from lightgen.functional.random import Noise
from lightgen.registry import Component
from lightgen.types import Denoise, LossOutput, NoiseFamily


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
    """Whether its networks are told the time."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        if vocab_size < 2:
            raise ValueError(f"vocab_size must be at least 2, not {vocab_size}")
        self.vocab_size = vocab_size

    @property
    def num_ids(self) -> int:
        """K, the number of ids that the network reads: V, or V + 1 where there is a MASK."""
        return self.vocab_size

    @abstractmethod
    def corrupt(self, ids_BN: Tensor, time_B: Tensor, noise: Noise) -> Tensor:
        """Noisy ids (B, N) at time (B,) in [0, 1], where 1 is all noise."""

    @abstractmethod
    def initial(self, num_tokens: int, noise: Noise) -> Tensor:
        """Ids (B, num_tokens) at time 1, where sampling starts; one row per picture of `noise`."""

    @abstractmethod
    def loss(self, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """The training loss on clean ids (B, N). `loss.backward()` fills the gradients of `denoise.parameters()`."""


class ProcessFactory(Protocol):
    """Makes the process of a prior once its codebook is known."""

    def __call__(self, vocab_size: int) -> Process: ...
