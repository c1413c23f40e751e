"""The loop that all samplers share, driven from outside."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.samplers.recorded import Player
from lightgen.samplers.state import State
from lightgen.types import OnStep, Sample, Trace


class Steps(Protocol):
    """What the loop needs of a sampler: see `lightgen.samplers.base.Sampler`."""

    revisits: ClassVar[bool]

    def start(self, state: State, denoise: Denoiser) -> State: ...

    def clock(self, state: State) -> Clock: ...

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]: ...

    def num_steps(self, num_tokens: int) -> int: ...

    def first_step(self, start: float, num_tokens: int) -> int: ...


class Iteration:
    """A batch on its way through a sampler: ask for the next state, look at it, change it, go on, or fork.

    It is an iterator of itself. Between two steps `ids`, `known`, `confidence` and `evaluations` can be read; `edit`
    changes tokens, `fork` makes a copy that goes another way.

    Args:
        sampler, denoise, ids_BN, known_BN, noise, watch, player, start: see `Sampler.iterate`.
    """

    ids: Tensor
    """(B, N) as they are, those of finished pictures included."""
    known: Tensor
    """(B, N) True where a token never changes."""
    finished: Tensor
    """(B,) True where a picture stopped by itself before the last step."""
    confidence: Tensor | None
    """(B, N) the network's own probability of each token, and of the likeliest where one is MASK; if it is watched."""

    @torch.no_grad()
    def __init__(
        self,
        sampler: Steps,
        denoise: Denoiser,
        ids_BN: Tensor,
        known_BN: Tensor | None,
        noise: Noise,
        watch: bool = False,
        player: Player | None = None,
        start: float = 1.0,
    ) -> None:
        everyone = torch.arange(len(ids_BN), device=ids_BN.device)
        self.sampler = sampler
        self.ids = ids_BN.clone()
        self.known = torch.zeros_like(ids_BN, dtype=torch.bool) if known_BN is None else known_BN.clone()
        self.finished = torch.zeros_like(everyone, dtype=torch.bool)
        self.confidence = torch.zeros_like(ids_BN, dtype=torch.float32) if watch else None
        # What is played evaluates every picture of a batch anyway.
        again = sampler.revisits and denoise.steady and player is None
        self._denoise = denoise.bind(everyone, watch or again, self.known)
        self._make = sampler.step if player is None else player.stepping(sampler, sampler.step, self._denoise)
        num_steps, first = sampler.num_steps(ids_BN.shape[1]), sampler.first_step(start, ids_BN.shape[1])
        state = State(self.ids, self.known, noise, everyone, num_steps, first, first=first, start=start)
        self._state = sampler.start(state, self._denoise) if first < num_steps else state
        self._holds = known_BN is not None
        self._nothing = torch.zeros_like(everyone)
        self._changed: list[Tensor] = []
        self._rows: list[int] = []

    @property
    def step(self) -> int:
        """How many steps are done, with those that a later start left out."""
        return self._state.step

    @property
    def num_steps(self) -> int:
        """The most steps that there can be."""
        return self._state.num_steps

    @property
    def evaluations(self) -> Tensor:
        """(B,) network evaluations of each picture so far."""
        return self._denoise.evaluations.clone()

    def __iter__(self) -> Iteration:
        return self

    @torch.no_grad()
    def __next__(self) -> Iteration:
        state, denoise = self._state, self._denoise
        if state.step == state.num_steps or state.rows.numel() == 0:
            raise StopIteration
        ids, done = self._make(state, denoise, self.sampler.clock(state))
        ids = torch.where(state.known, state.ids, ids) if self._holds else ids
        self._rows.append(len(ids))
        self._changed.append(self._placed(self._nothing, (ids != state.ids).sum(1)))
        self.ids = self._placed(self.ids, ids)
        if self.confidence is not None:
            self.confidence = self._placed(self.confidence, self._sure(ids))
        state.ids, state.step = ids, state.step + 1
        if done is not None and bool(done.any()):
            self.finished[state.rows[done]] = state.step < state.num_steps
            state, denoise = state.select(~done), denoise.select(~done)
        if self.sampler.revisits:
            denoise.expect(state.ids)
        self._state, self._denoise = state, denoise
        return self

    @torch.no_grad()
    def edit(self, ids_BN: Tensor | None = None, known_BN: Tensor | None = None) -> None:
        """Change tokens, or which are known, before the next step. Pictures that are finished stay so.

        Args:
            ids_BN: (B, N) in place of the current ids, with the id of MASK where one is to be drawn again.
            known_BN: (B, N) in place of the known ones.

        Raises:
            ValueError: if a shape is another.
        """
        for name, tensor in (("ids_BN", ids_BN), ("known_BN", known_BN)):
            if tensor is not None and tensor.shape != self.ids.shape:
                raise ValueError(f"{name} must be {tuple(self.ids.shape)}, not {tuple(tensor.shape)}")
        self.ids = self.ids if ids_BN is None else ids_BN.clone()
        self.known = self.known if known_BN is None else known_BN.clone()
        self._holds = self._holds or known_BN is not None
        rows = self._state.rows
        self._state = replace(self._state, ids=self.ids[rows], known=self.known[rows])
        self._denoise.edited(self._state.known)

    def fork(self) -> Iteration:
        """A copy that goes its own way from here; with another `edit`, say."""
        other = copy(self)
        other.finished = self.finished.clone()
        other._changed, other._rows = list(self._changed), list(self._rows)
        other._denoise = self._denoise.fork()
        other._state = self._state.select(torch.ones_like(self._state.rows, dtype=torch.bool))
        if self.sampler.revisits:
            other._denoise.expect(other._state.ids)
        return other

    def run(self, on_step: OnStep | None = None) -> Sample:
        """Do all steps that are left.

        Args:
            on_step: called with the step's number and the ids (B, N) after it.
        """
        start = _now(self.ids.device)
        for state in self:
            if on_step is not None:
                on_step(state.step - 1, state.ids)
        return self.sample(_now(self.ids.device) - start)

    def sample(self, seconds: float = 0.0) -> Sample:
        """The ids as they are, and what happened so far."""
        none = torch.zeros(0, len(self.ids), dtype=torch.long, device=self.ids.device)
        changed = torch.stack(self._changed) if self._changed else none
        return Sample(self.ids, Trace(self.evaluations, changed, list(self._rows), self.finished.clone(), seconds))

    def _placed(self, whole: Tensor, part: Tensor) -> Tensor:
        """(B, ...) of the batch, with the rows (A, ...) of the pictures still being sampled."""
        return part if part.shape == whole.shape else whole.index_copy(0, self._state.rows, part)

    def _sure(self, ids_AN: Tensor) -> Tensor:
        own = self._denoise.own
        assert own is not None and self.confidence is not None
        probs, mask = own.softmax(-1), own.shape[-1]
        code = ids_AN.clamp_max(mask - 1).unsqueeze(-1)
        if own.ndim == 2:
            # Of a causal network, which is asked of one position at a time.
            sure, position = self.confidence[self._state.rows], self._denoise.position
            sure[:, position] = probs.gather(-1, code[:, position]).squeeze(-1)
            return sure
        return torch.where(ids_AN == mask, probs.amax(-1), probs.gather(-1, code).squeeze(-1))


def _now(device: torch.device) -> float:
    """Seconds on a clock, once the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
