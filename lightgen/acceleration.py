"""Making a prior fast on the device that it samples on: narrower weights, compiled networks, recorded steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import torch
from torch import nn

from lightgen.samplers.recorded import Program

Result = TypeVar("Result")
Mode = Literal["auto", "off", "compile", "graph"]
"""`graph` records steps as CUDA graphs, `compile` compiles the networks besides (on a CPU, alone), `off` does neither;
`auto` takes what pays.
"""
Dtype = Literal["auto", "float32", "bfloat16"]
"""Of the weights of networks and decoder; `auto` narrows them where steps are recorded."""
AS_ASKED = "as asked for"
COMPILE_FROM = 300_000
"""Evaluations of single pictures from which compiling is taken to pay: it takes about a minute, and saves about 0.2 ms
an evaluation of a network of 700 million parameters."""


@dataclass(frozen=True)
class Acceleration:
    """What is done to be fast, and why."""

    mode: Literal["off", "compile", "graph"]
    dtype: Literal["float32", "bfloat16"]
    """Of the weights of networks and decoder."""
    why: str
    records: bool = False
    """Whether steps are recorded."""

    @property
    def is_plain(self) -> bool:
        """Whether every step is as it is written, which is nothing to speak of."""
        return self.mode == "off" and self.dtype == "float32"

    def __str__(self) -> str:
        return f"accelerate {self.mode}, {self.dtype} weights: {self.why}"


def chosen(mode: Mode, dtype: Dtype, device: torch.device, evaluations: int) -> Acceleration:
    """What to do on a device.

    Args:
        mode, dtype: what is asked for.
        device: where the networks are.
        evaluations: how many are to be made, of single pictures.

    Raises:
        ValueError: if one is another word, or asks for what the device cannot do.
    """
    for name, value, known in (("accelerate", mode, Mode), ("dtype", dtype, Dtype)):
        if value not in get_args(known):
            raise ValueError(f"{name} must be one of {', '.join(get_args(known))}, not {value!r}")
    cuda = device.type == "cuda"
    if mode == "graph" and not cuda:
        raise ValueError(f"accelerate graph needs a CUDA device, and this is {device.type}")
    why = AS_ASKED
    if mode == "auto" and not cuda:
        mode, why = "off", "on a CPU compiling saves less than it takes"
    elif mode == "auto":
        many = evaluations >= COMPILE_FROM
        mode, why = ("compile", "many pictures") if many else ("graph", "too few pictures to compile for")
    records = cuda and mode != "off"
    if dtype == "auto":
        dtype = "bfloat16" if records else "float32"
    return Acceleration(mode, dtype, why, records)


def narrow(module: nn.Module | None) -> None:
    """Keep the parameters of a module in bfloat16, in place; its tables of positions and times stay as they are."""
    for parameter in () if module is None else module.parameters():
        parameter.data = parameter.data.to(torch.bfloat16)


def captured(call: Callable[[], Result]) -> Callable[[], Result]:
    """The replay of a call as a CUDA graph: the same work on the same tensors, and the same result, written anew.

    Raises:
        RuntimeError: if it does what cannot be captured.
    """
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = call()

    def replay() -> Result:
        graph.replay()
        return result

    return replay


def cuda_graph(program: Program) -> Program:
    """A program as a CUDA graph; as it is, with a warning, where it cannot be captured."""
    try:
        return captured(program)
    except RuntimeError as error:
        warnings.warn(f"steps are made one by one, for none could be recorded: {str(error).splitlines()[0]}",
                      stacklevel=2)  # fmt: skip
        return program
