"""Autoregressive decoding: every token is drawn given all before it.

Esser et al., 2021, "Taming transformers for high-resolution image synthesis", arXiv 2012.09841; guided as in Sun et
al., 2024, "Autoregressive model beats diffusion: Llama for scalable image generation", arXiv 2406.06525.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler, State
from lightgen.types import NoiseFamily


class Autoregressive(Sampler):
    """Draw the tokens one after another, in the order of the network; a perfect one is sampled exactly.

    There are as many steps as tokens, whatever is known: N network evaluations, or 2 N where guidance needs both
    branches. Known tokens are read like those that were drawn.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.CAUSAL})
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841; Sun et al., 2024, arXiv 2406.06525"

    def __init__(self) -> None:
        """There is nothing to choose."""

    def num_steps(self, num_tokens: int) -> int:
        return num_tokens

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        num = state.ids.shape[1]
        if step == 0:
            state.memory["uniform"] = state.noise.uniform(0, Stream.TOKEN, num)
        position, logits = denoise.at(step, state.ids, step / max(num - 1, 1))
        ids = state.ids.clone()
        ids.select(1, position).copy_(draw(logits, state.memory["uniform"].select(1, position)))
        return ids, None
