"""What a sampler works on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from lightgen.functional.random import Noise


@dataclass
class State:
    """The pictures still being sampled: A rows of the batch of B."""

    ids: Tensor
    """(A, N) current ids."""
    known: Tensor
    """(A, N) True where a token is given and must not change."""
    noise: Noise
    rows: Tensor
    """(A,) where these pictures stand in the batch."""
    num_steps: int
    """The length of the loop."""
    step: int = 0
    """The number of the step that comes; it may decide what a step does, unlike the data."""
    memory: dict[str, Tensor] = field(default_factory=dict)
    """What a sampler keeps from step to step, one row a picture: (A, ...)."""
    first: int = 0
    """The number of the first step; those before it are left out where sampling starts with less noise."""
    start: float = 1.0
    """The time at which the ids stood at first: 1 is all noise."""

    @property
    def is_first(self) -> bool:
        """Whether no step came before this one."""
        return self.step == self.first

    @property
    def is_last(self) -> bool:
        """Whether no step comes after this one."""
        return self.step + 1 == self.num_steps

    def from_all_noise(self, count_A: Tensor) -> Tensor:
        """(A,) int64: of so many MASK at `start`, how many there would be at time 1, where all that can be is."""
        return (count_A.double() / self.start).round().long()

    def remember(self, **memory: Tensor) -> State:
        """With these in its memory."""
        return replace(self, memory={**self.memory, **memory})

    def select(self, rows: Tensor) -> State:
        """The state of some of these pictures (a boolean mask (A,))."""
        memory = {name: tensor[rows] for name, tensor in self.memory.items()}
        ids, known, noise = self.ids[rows], self.known[rows], self.noise.select(rows)
        return replace(self, ids=ids, known=known, noise=noise, rows=self.rows[rows], memory=memory)
