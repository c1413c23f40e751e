"""The contract of a sampler."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.registry import Component, arguments, components, find, suggestion
from lightgen.samplers.iteration import Iteration
from lightgen.samplers.recorded import Player
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily, OnStep, Sample

ROUNDING = 1e-9
"""By how much a time may be off that was worked out from a share of tokens."""


class Sampler(Component):
    """Turns noise into ids, in a loop of `steps`.

    A subclass writes one step; counting, known tokens, stopping and the shrinking batch are taken care of by
    `Iteration`. A step decides nothing by looking at data, so that it could be recorded once and played again.

    Args:
        steps: S >= 1.

    Raises:
        ValueError: if `steps` is below 1.
    """

    kind: ClassVar[str] = "sampler"
    accepts: ClassVar[frozenset[NoiseFamily]]
    """The noise families whose networks it can run on."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Roles of networks beside the first that it asks, e.g. `("critic",)`."""
    revisits: ClassVar[bool] = False
    """Whether a step may leave a picture as it was and look at it again: then the last evaluation is used again."""
    adaptive: ClassVar[bool] = False
    """Whether pictures decide themselves how many evaluations they take; `num_evaluations` is only the most."""

    nfe: ClassVar[str] = "at most S"
    """Network evaluations (NFE) of a picture in S steps without guidance, in words: see `num_evaluations`."""
    revises: ClassVar[str] = "yes"
    """Whether a token that is written may change again."""
    exact: ClassVar[str] = "no"
    """Whether a perfect network is sampled exactly."""

    def __init__(self, steps: int) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        self.steps = steps

    @property
    def takes_steps(self) -> bool:
        """Whether the number of steps can be chosen."""
        return "steps" in arguments(self)

    def start(self, state: State, denoise: Denoiser) -> State:
        """The state with what the steps need in its memory."""
        return state

    def clock(self, state: State) -> Clock:
        """Where the step that comes stands: the time of k / S, at most that of the start, and progress k / (S - 1)."""
        progress = state.step / (self.steps - 1) if self.steps > 1 else 0.0
        time = float(self.noise_left(torch.tensor(state.step / self.steps, dtype=torch.float64)))
        return Clock.even(state.step, min(time, state.start), progress, state.ids, self.steps)

    @abstractmethod
    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        """The ids (A, N) after a step, and (A,) True where a picture is finished (None: nowhere).

        What the next steps should know is written into `state.memory`.
        """

    def num_steps(self, num_tokens: int) -> int:
        """The length of the loop for pictures of N tokens."""
        return self.steps

    def noise_left(self, done: Tensor) -> Tensor:
        """The time that the ids have reached, float64, when these shares of the steps are done."""
        return 1 - done

    def first_step(self, start: float, num_tokens: int) -> int:
        """The first step from ids at a time: the last one before which there is at least as much noise.

        So that a start in between takes as many steps as are left from there, and time 0 takes none.
        """
        if start == 1:
            return 0
        steps = self.num_steps(num_tokens)
        left = self.noise_left(torch.arange(steps + 1, dtype=torch.float64) / steps)
        return int((left >= start - ROUNDING).sum()) - 1

    def num_evaluations(self, num_tokens: int, branches: int = 1) -> int:
        """The most network evaluations that a picture of N tokens may take.

        Args:
            num_tokens: N.
            branches: evaluations for the logits of one step: those of the guidance.
        """
        return self.num_steps(num_tokens) * branches

    def iterate(
        self,
        denoise: Denoiser,
        ids_BN: Tensor,
        known_BN: Tensor | None,
        noise: Noise,
        watch: bool = False,
        player: Player | None = None,
        start: float = 1.0,
    ) -> Iteration:
        """The loop, to be driven from outside: one step each time it is asked for the next state.

        Args:
            denoise: network with condition, guidance and warps.
            ids_BN: (B, N) where to start: all noise, or any ids.
            known_BN: (B, N) True where the start is given and never changes; None means nowhere.
            noise: the random numbers of the B pictures.
            watch: whether to keep how sure the network is of each token.
            player: makes steps by recordings of them; None makes them as they are.
            start: the time in [0, 1] at which the ids stand that are not known; below 1 the first steps are left out
                (SDEdit, Meng et al., 2021, arXiv 2108.01073).
        """
        return Iteration(self, denoise, ids_BN, known_BN, noise, watch, player, start)

    def __call__(
        self,
        denoise: Denoiser,
        ids_BN: Tensor,
        known_BN: Tensor | None,
        noise: Noise,
        on_step: OnStep | None = None,
        start: float = 1.0,
    ) -> Sample:
        """Sample a batch: the ids (B, N) at the end, and what happened on the way.

        Args:
            denoise, ids_BN, known_BN, noise, start: see `iterate`.
            on_step: called with the step's number and the ids (B, N) after it.
        """
        return self.iterate(denoise, ids_BN, known_BN, noise, start=start).run(on_step)


def require_fit(sampler: Sampler, family: NoiseFamily, roles: Collection[str] = ()) -> None:
    """Refuse a sampler on a network of a noise family that it does not accept, or without a network that it needs.

    Raises:
        ValueError: in one line that names the samplers that fit, or says how to train what is missing.
    """
    if family not in sampler.accepts:
        raise ValueError(
            f"the sampler {type(sampler).__name__} does not fit a prior trained with {family.value} noise; "
            f"these do: {', '.join(fitting(family, roles))}"
        )
    for role in sampler.needs:
        if role not in roles:
            raise ValueError(f"the sampler {type(sampler).__name__} needs a prior trained with --model.others.{role}")


def sampler_called(name: str, family: NoiseFamily, roles: Collection[str] = ()) -> Callable[..., Sampler]:
    """The class of a sampler by its name; whether it fits a network of this noise family is not looked at.

    Raises:
        ValueError: if there is none; the message names the nearest one, or those that fit.
    """
    try:
        found = find(Sampler.kind, name)
    except ValueError:
        there = f"; these fit a prior trained with {family.value} noise: {', '.join(fitting(family, roles))}"
        hint = suggestion(name, [known.__name__ for known in components(Sampler.kind)], there)
        raise ValueError(f"no sampler is called {name!r}{hint}") from None
    assert issubclass(found, Sampler)
    return found


def require_restart(family: NoiseFamily) -> None:
    """Refuse to begin from a picture on a network whose noise has no levels.

    Raises:
        ValueError: in one line that names the samplers that can.
    """
    if family is NoiseFamily.CAUSAL:
        can = {name for other in NoiseFamily if other is not family for name in fitting(other, ())}
        raise ValueError(
            f"a prior trained with {family.value} noise writes each token once, and cannot begin from a picture; "
            f"those of other noise can, by {', '.join(sorted(can))}"
        )


def fitting(family: NoiseFamily, roles: Collection[str]) -> list[str]:
    """Names of the samplers for a network of a noise family, beside which there are networks in some roles."""
    known = [found for found in components(Sampler.kind) if issubclass(found, Sampler)]
    return [found.__name__ for found in known if family in found.accepts and {*found.needs} <= {*roles}]
