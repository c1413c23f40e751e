"""Pictures on the one device of a machine, without waiting for Lightning, which takes longer to import than torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch

from lightgen.cli.parser import Parser
from lightgen.sampling import PictureFiles, Sampling

if TYPE_CHECKING:
    from lightgen.cli.many_devices import ManyDevices

PRINTING = "--print_config"
HELP = ("-h", "--help")

LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "SLURM_NTASKS", "LSB_JOBID", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""By one of these, a process knows that it may be one of several."""


def is_alone() -> bool:
    """Whether there is one device at most, and nobody has started several processes."""
    return torch.cuda.device_count() <= 1 and not any(name in os.environ for name in LAUNCHED)


class OneDevice:
    """Does what `ManyDevices` does without a choice: the GPU where there is one, in float32."""

    world_size, is_first, precision = 1, True, "32-true"

    def __init__(self) -> None:
        gpu = "mps" if torch.backends.mps.is_available() else "cpu"
        self.device = torch.device("cuda:0" if torch.cuda.is_available() else gpu)

    def make(self, sampling: Sampling, files: PictureFiles, batch_size: int) -> None:
        """Make all pictures and write them."""
        sampling.to(self.device)
        sampling.begin()
        with torch.inference_mode():
            for index in torch.arange(len(files.evaluations)).split(batch_size):
                files.write(sampling(index.to(self.device)))


def understood(
    made: Parser, parser: Callable[[bool], Parser], args: list[str]
) -> tuple[Any, Callable[[], OneDevice] | Callable[[], ManyDevices]]:
    """What a command line says, and what makes the devices that it asks for.

    Lightning's options take longer to read than a small prior takes for a picture, so they are there only for whoever
    uses one, makes a mistake, or wants to see them.
    """
    if is_alone() and not _shows_all(args):
        made.takes_trainer = True
        with suppress(ValueError):
            return made.parse_args(args), OneDevice
    made = parser(True)
    parsed = made.parse_args(args)

    def devices() -> ManyDevices:
        from lightgen.cli.many_devices import ManyDevices

        return ManyDevices(made.instantiate(parsed).trainer)

    return parsed, devices


def _shows_all(args: list[str]) -> bool:
    """Whether the config is to be printed, or more than the first page of the help."""
    sections = (word for arg, word in pairwise(args) if arg in HELP)
    return any(arg.partition("=")[0] == PRINTING for arg in args) or any(not word.startswith("-") for word in sections)
