"""`--device`: what does the work of a command that encodes pictures."""

from __future__ import annotations

import os

import torch
from torch import nn

from lightgen.cli.parser import Parser


def add_option(made: Parser) -> None:
    """By default this process's GPU, or the CPU."""
    own = f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if torch.cuda.is_available() else "cpu"
    made.add_argument("--device", type=str, default=own, help="what does the work")


def move(device: str, *modules: nn.Module) -> None:
    """Put networks on a device.

    Raises:
        ValueError: in one line, if it is not there.
    """
    try:
        for module in modules:
            module.to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"no device {device}: {str(error).splitlines()[0]}") from None
