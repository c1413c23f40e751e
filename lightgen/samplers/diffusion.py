"""What samplers share that step back in time with the process that the network was trained with."""

from __future__ import annotations

from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.samplers.base import State
from lightgen.types import Diffusing


def process_of(denoise: Denoiser) -> Diffusing:
    """The process behind a denoiser.

    Raises:
        ValueError: if it was made without one.
    """
    if denoise.process is None:
        raise ValueError("this sampler needs the process that the network was trained with")
    return denoise.process


def evaluate_changed(state: State, denoise: Denoiser, time: float, progress: float) -> Tensor:
    """Logits (A, N, V), evaluated anew only for pictures that changed since the last call, where that is the same."""
    if not denoise.steady:
        return denoise(state.ids, time, progress)
    last = state.memory.get("ids")
    if last is None:
        logits = denoise(state.ids, time, progress)
    else:
        logits, changed = state.memory["logits"], (last != state.ids).any(1)
        if bool(changed.all()):
            logits = denoise(state.ids, time, progress)
        elif bool(changed.any()):
            logits[changed] = denoise.select(changed)(state.ids[changed], time, progress)
    state.memory["ids"], state.memory["logits"] = state.ids, logits
    return logits
