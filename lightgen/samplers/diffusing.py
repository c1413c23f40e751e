"""What samplers share that step back in time with the process that the network was trained with."""

from __future__ import annotations

from torch import Tensor

from lightgen.denoiser import Denoiser
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
