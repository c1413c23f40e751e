"""A step of a sampler as a program that is recorded once, and played again with other numbers.

Where pictures are few, a graphics card does its work in less time than it takes to be asked for it, kernel by kernel. A
recorded step is asked for at once. It needs what `Sampler.step` promises: nothing is decided by looking at data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator
from copy import copy
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.registry import describe
from lightgen.samplers.state import State
from lightgen.types import Reader

FEWEST = 4
"""Steps that must be left: to record one takes about as long as two."""
MOST = 8
"""Programs that are kept, the latest ones."""


class Outcome(NamedTuple):
    """What a step leaves, in tensors that the next play of the program writes over."""

    ids: Tensor
    done: Tensor | None
    memory: dict[str, Tensor]
    kept: dict[str, Tensor]
    """By the denoiser, from one step to the next."""


Program = Callable[[], Outcome]
Recorder = Callable[[Program], Program]
"""Makes a program that does the same on the same tensors in less time; it may run the first one meanwhile."""
Step = Callable[[State, Denoiser, Clock], tuple[Tensor, Tensor | None]]


class Recording:
    """A step on tensors of its own, which are written before each play.

    Args:
        step: of a sampler.
        state, denoise, clock: of A pictures, at a step that is neither the first nor the last.
        recorder: see `Recorder`.
    """

    def __init__(self, step: Step, state: State, denoise: Denoiser, clock: Clock, recorder: Recorder) -> None:
        everyone = torch.arange(len(state.ids), device=state.ids.device)
        self.state, self.denoise, self.source = state.select(everyone), denoise.fork(), denoise
        self.denoise.rows, self.denoise.evaluations = everyone, torch.zeros_like(everyone)
        number = torch.tensor(state.step, device=state.ids.device)
        self.clock = Clock(number, clock.time.clone(), clock.progress.clone(), clock.num_steps)
        self.inputs = tensors(self.state, self.denoise, self.clock)

        def program() -> Outcome:
            own, asked = replace(self.state, memory=dict(self.state.memory)), copy(self.denoise)
            ids, done = step(own, asked, self.clock)
            return Outcome(ids, done, own.memory, asked.kept)

        program()
        self.cost = int(self.denoise.evaluations[0])
        """Network evaluations of a step."""
        self.play = recorder(program)

    @property
    def reader(self) -> Reader | None:
        """Of a causal network: what all steps read and write, which a batch that is played reads from then on."""
        return self.denoise.reader

    def __call__(self, state: State, denoise: Denoiser, clock: Clock) -> Outcome:
        """The outcome for as many pictures, or for fewer, whose rows come first in it."""
        num = len(state.ids)
        if denoise.reader is not self.reader:
            self._take_over(denoise)
        if denoise is not self.source:
            rows = self.denoise.rows
            told = (denoise if num == len(rows) else denoise.select(rows.clamp_max(num - 1))).told
            for name, tensor in self.denoise.told.items():
                tensor.copy_(told[name])
            self.source = denoise
        assert isinstance(self.clock.step, Tensor)
        self.clock.step.fill_(clock.step)
        for name, tensor in tensors(state, denoise, clock).items():
            self.inputs[name][:num].copy_(tensor)
        return self.play()

    def _take_over(self, denoise: Denoiser) -> None:
        """Go on where the reader of a batch stands, whose place that of the recording takes from now on."""
        held = [reader.held for reader in (self.reader, denoise.reader) if reader is not None]
        if self.source.reader is self.reader:
            # If that batch goes on, it reads its ids again.
            self.source.reader = None
        for mine, theirs in zip(*(parts or () for parts in held), strict=True):
            mine.copy_(theirs)


class Player:
    """Makes steps by recordings, one for each sampler, size of batch, and whatever else a step depends on.

    Batches have the size that they begin with, or a half of it, a quarter, and so on: pictures that are finished leave
    room that is worked on for nothing, so that no recording is made for each number that is left. Where a reader keeps
    keys and values, which are too many to be moved at each step, steps are made as they are while there is such room.

    Args:
        recorder: see `Recorder`.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.recordings: dict[Hashable, Recording] = {}

    def stepping(self, sampler: object, step: Step, denoise: Denoiser) -> Step:
        """The step of a sampler on a batch, played where it can be.

        The first and the last steps are made as they are, for they may differ from the others.
        """
        fixed = json.dumps([describe(part) for part in (sampler, denoise.guidance, denoise.warps)])
        return partial(self._made, step, fixed)

    def _made(
        self, step: Step, fixed: str, state: State, denoise: Denoiser, clock: Clock
    ) -> tuple[Tensor, Tensor | None]:
        num, size = len(state.ids), len(denoise.evaluations)
        while (half := (size + 1) // 2) >= num and half < size:
            size = half
        if state.is_first or state.is_last or not denoise.replayable or (denoise.reader is not None and num < size):
            return step(state, denoise, clock)
        key = (size, fixed, *signature(state, denoise, clock))
        recording = self.recordings.pop(key, None)
        if recording is None and state.num_steps - state.step < FEWEST:
            return step(state, denoise, clock)
        if recording is None:
            rows = torch.arange(size, device=state.ids.device).clamp_max(num - 1)
            some = (state, denoise, clock) if num == size else (
                state.select(rows), denoise.select(rows), clock.select(rows)
            )  # fmt: skip
            recording = Recording(step, *some, self.recorder)
        self.recordings = dict([*self.recordings.items(), (key, recording)][-MOST:])
        outcome = recording(state, denoise, clock)
        # Copies, for another batch may be played before the next step of this one.
        ids, done = outcome.ids[:num].clone(), None if outcome.done is None else outcome.done[:num].clone()
        state.memory, kept = (
            {name: tensor[:num].clone() for name, tensor in part.items()} for part in (outcome.memory, outcome.kept)
        )
        denoise.count(recording.cost)
        denoise.keep(kept, recording.reader, state.step)
        return ids, done


def tensors(state: State, denoise: Denoiser, clock: Clock) -> dict[str, Tensor]:
    """What changes from step to step, each with a row a picture."""
    return {
        "ids": state.ids, "known": state.known, "index": state.noise.index, "time": clock.time,
        "progress": clock.progress, **{f"memory.{name}": tensor for name, tensor in state.memory.items()},
        **denoise.read,
    }  # fmt: skip


def signature(state: State, denoise: Denoiser, clock: Clock) -> Iterator[Hashable]:
    """What a recording is made of beside its components, and does not read anew."""
    device = state.ids.device.type
    yield torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    yield from (id(denoise.network), id(denoise.critic), id(denoise.process), denoise.keeps)
    yield from (state.noise.seed, state.num_steps, state.start, clock.num_steps)
    for name, tensor in (*tensors(state, denoise, clock).items(), *denoise.told.items()):
        yield (name, tensor.dtype, *tensor.shape[1:])
