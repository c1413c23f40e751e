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

    @property
    def is_last(self) -> bool:
        """Whether no step comes after this one."""
        return self.step + 1 == self.num_steps

    def remember(self, **memory: Tensor) -> State:
        """With these in its memory."""
        return replace(self, memory={**self.memory, **memory})

    def select(self, rows: Tensor) -> State:
        """The state of some of these pictures (a boolean mask (A,))."""
        memory = {name: tensor[rows] for name, tensor in self.memory.items()}
        parts = (self.ids[rows], self.known[rows], self.noise.select(rows), self.rows[rows])
        return State(*parts, self.num_steps, self.step, memory)
