"""The contract of a sampler, and the loop that all samplers share."""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.registry import Component, components
from lightgen.types import NoiseFamily, OnStep, Sample, Trace


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
    memory: dict[str, Tensor] = field(default_factory=dict)
    """What a sampler keeps from step to step, one row a picture: (A, ...)."""

    def select(self, rows: Tensor) -> State:
        """The state of some of these pictures (a boolean mask (A,))."""
        memory = {name: tensor[rows] for name, tensor in self.memory.items()}
        return State(self.ids[rows], self.known[rows], self.noise.select(rows), self.rows[rows], memory)


class Sampler(Component):
    """Turns noise into ids, in a loop of `steps`.

    A subclass writes one step; counting, known tokens, stopping and the shrinking batch are taken care of here.

    Args:
        steps: S >= 1.

    Raises:
        ValueError: if `steps` is below 1.
    """

    kind: ClassVar[str] = "sampler"
    accepts: ClassVar[frozenset[NoiseFamily]]
    """The noise families whose networks it can run on."""
    needs_critic: ClassVar[bool] = False
    """Whether it asks a second network which tokens look wrong."""

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        self.steps = steps

    @abstractmethod
    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        """The ids (A, N) after step number `step`, and (A,) True where a picture is finished (None: nowhere)."""

    def num_steps(self, num_tokens: int) -> int:
        """The length of the loop for pictures of N tokens."""
        return self.steps

    def num_evaluations(self, num_tokens: int, branches: int = 1) -> int:
        """The most network evaluations that a picture of N tokens may take.

        Args:
            num_tokens: N.
            branches: evaluations for the logits of one step: 2 under guidance.
        """
        return self.num_steps(num_tokens) * branches

    def progress(self, step: int) -> float:
        """0 at the first step, 1 at the last."""
        return step / (self.steps - 1) if self.steps > 1 else 0.0

    @torch.no_grad()
    def __call__(
        self,
        denoise: Denoiser,
        ids_BN: Tensor,
        known_BN: Tensor | None,
        noise: Noise,
        on_step: OnStep | None = None,
    ) -> Sample:
        """Sample a batch: the ids (B, N) at the end, and what happened on the way.

        Args:
            denoise: network with condition and warps.
            ids_BN: (B, N) where to start: all noise, or any ids.
            known_BN: (B, N) True where the start is given and never changes; None means nowhere.
            noise: the random numbers of the B pictures.
            on_step: called with the step's number and the ids (B, N) after it.
        """
        start = _now(ids_BN.device)
        batch = ids_BN.clone()
        known_BN = torch.zeros_like(ids_BN, dtype=torch.bool) if known_BN is None else known_BN
        everyone = torch.arange(len(ids_BN), device=ids_BN.device)
        state = State(batch, known_BN, noise, everyone)
        denoise = denoise.bind(everyone)
        finished = torch.zeros_like(everyone, dtype=torch.bool)
        changed, rows = [], []
        num_steps = self.num_steps(ids_BN.shape[1])
        for step in range(num_steps):
            rows.append(len(state.rows))
            ids, done = self.step(state, denoise, step)
            ids = torch.where(state.known, state.ids, ids)
            changed.append(torch.zeros_like(everyone).index_copy_(0, state.rows, (ids != state.ids).sum(1)))
            state.ids = ids
            batch = batch.index_copy(0, state.rows, ids)
            if on_step is not None:
                on_step(step, batch)
            if done is not None and bool(done.any()):
                finished[state.rows[done]] = step + 1 < num_steps
                state = state.select(~done)
                denoise = denoise.select(~done)
                if len(state.rows) == 0:
                    break
        seconds = _now(ids_BN.device) - start
        return Sample(batch, Trace(denoise.evaluations, torch.stack(changed), rows, finished, seconds))


def _now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def require_fit(sampler: Sampler, family: NoiseFamily, has_critic: bool = False) -> None:
    """Refuse a sampler on a network of a noise family that it does not accept, or without a critic that it needs.

    Raises:
        ValueError: in one line that names the samplers that fit, or says how to train a critic.
    """
    if family not in sampler.accepts:
        fitting = [s.__name__ for s in components("sampler") if issubclass(s, Sampler) and family in s.accepts]
        raise ValueError(
            f"the sampler {type(sampler).__name__} does not fit a prior trained with {family.value} noise; "
            f"these do: {', '.join(fitting)}"
        )
    if sampler.needs_critic and not has_critic:
        raise ValueError(f"the sampler {type(sampler).__name__} needs a prior trained with --model.critic")
