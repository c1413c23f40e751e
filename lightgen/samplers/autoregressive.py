"""Autoregressive decoding: every token is drawn given all before it.

Esser et al., 2021, "Taming transformers for high-resolution image synthesis", arXiv 2012.09841; guided as in Sun et
al., 2024, "Autoregressive model beats diffusion: Llama for scalable image generation", arXiv 2406.06525.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.lookup import pick, put
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class Autoregressive(Sampler):
    """Draw x_k from p(x_k | x_1, ..., x_{k-1}) for k = 1 to N, in the order of the network; a perfect one is exact.

    There are as many steps as tokens, whatever is known: N network evaluations, times the branches of guidance. Known
    tokens are read like those that were drawn.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.CAUSAL})
    nfe: ClassVar[str] = "N"
    revises: ClassVar[str] = "no"
    exact: ClassVar[str] = "yes"
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841; Sun et al., 2024, arXiv 2406.06525"

    def __init__(self) -> None:
        """There is nothing to choose."""

    def num_steps(self, num_tokens: int) -> int:
        return num_tokens

    def start(self, state: State, denoise: Denoiser) -> State:
        return state.remember(uniform=state.noise.uniform(0, Stream.TOKEN, state.ids.shape[1]))

    def clock(self, state: State) -> Clock:
        progress = state.step / max(state.num_steps - 1, 1)
        return Clock.even(state.step, 1 - progress, progress, state.ids, state.num_steps)

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        position, prediction = denoise.at(clock.step, state.ids, clock)
        ids = state.ids.clone()
        put(ids, 1, position, prediction.draw(pick(state.memory["uniform"], 1, position)))
        return ids, None
