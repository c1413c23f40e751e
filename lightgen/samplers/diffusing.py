"""What samplers share that ask the process that the network was trained with."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.samplers.state import State
from lightgen.types import Diffusing, NoiseFamily, NoiseLevel


def process_of(denoise: Denoiser) -> Diffusing:
    """The process behind a denoiser.

    Raises:
        ValueError: if it was made without one.
    """
    if denoise.process is None:
        raise ValueError("this sampler needs the process that the network was trained with")
    return denoise.process


def level_left_out(wanted: bool, denoise: Denoiser, time_A: Tensor) -> NoiseLevel | None:
    """The level (A,) of the noise whose own evidence warps leave out; None where it is not wanted, or there is none.

    There is none where noise is not uniform, and none that counts where the network does not read the time.
    """
    process = process_of(denoise)
    wanted = wanted and process.family is NoiseFamily.UNIFORM and denoise.reads_time
    return process.noise_level(time_A) if wanted else None


def unwritten(state: State, denoise: Denoiser) -> Tensor:
    """(A,) float64: the share of the tokens that is noise before the first step, for networks that read the time."""
    start = torch.full_like(state.rows, state.start, dtype=torch.float64)
    return 1 - process_of(denoise).noise_level(start).kept if denoise.reads_time else start


def by_noise(clock: Clock, share_A: Tensor, denoise: Denoiser) -> Clock:
    """The clock at the time whose share of replaced tokens is given, where the network reads it.

    A network that is told a later time than that of its ids takes right tokens for noise, and in the end gives all
    pictures the likeliest tokens that there are.
    """
    if not denoise.reads_time:
        return clock
    return replace(clock, time=time_of(process_of(denoise), share_A))


def time_of(process: Diffusing, share_A: Tensor) -> Tensor:
    """(A,) float64: the time at which a process has destroyed a share of the tokens, (A,) float64."""
    low, high = torch.zeros_like(share_A), torch.ones_like(share_A)
    for _ in range(32):
        middle = (low + high) / 2
        early = 1 - process.noise_level(middle).kept < share_A
        low, high = torch.where(early, middle, low), torch.where(early, high, middle)
    return high
