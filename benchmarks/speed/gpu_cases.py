"""A shipped config with random weights as calls to be timed: a training step, sampling, decoding.

The parts are built from the YAML without Lightning or the command line, so that a bare machine with torch, einops and
PyYAML can run them. Decoding needs the quantizer's library besides.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import yaml
from timing import Call
from torch import Tensor, nn

from lightgen.acceleration import captured, cuda_graph, narrow
from lightgen.cli.configs import locate
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise, Stream
from lightgen.layout import Layout
from lightgen.networks.base import Network
from lightgen.processes.base import DENOISER, Process
from lightgen.samplers.recorded import Player
from lightgen.warps import Warps

PACKAGES = {
    "network": "lightgen.networks", "resampler": "lightgen.networks.resamplers", "base": "lightgen.networks.resamplers",
    "process": "lightgen.processes", "sampler": "lightgen.samplers", "tokenizer": "lightgen.tokenizers",
    "quantizer": "lightgen.quantizers", "conditioner": "lightgen.conditioners",
}  # fmt: skip
EVALUATIONS = 4
"""Sampling steps in a call."""
NO_GRAPH = "CUDA graphs need a CUDA device"
ENDLESS = 10**6
"""Steps that a sampler is made for, so that none of those that are timed is the last."""


@dataclass(frozen=True)
class Config:
    """The `init_args` of a prior's module and the tokenizer that goes with it, as they stand in the YAML."""

    name: str
    model: dict[str, Any]
    tokenizer: dict[str, Any]

    @classmethod
    def read(cls, name: str) -> Config:
        """The shipped configs NAME.yaml and NAME-tokenizer.yaml."""
        prior, tokenizer = (_yaml(f"{file}.yaml")["model"]["init_args"] for file in (name, f"{name}-tokenizer"))
        return cls(name, prior, tokenizer["tokenizer"])

    def tiny(self) -> Config:
        """The same with so few and narrow layers on 2x2 tokens that a processor runs it in no time."""
        small = deepcopy(self)
        small.model["network"]["init_args"].update(dim=16, depth=[1, 1, 1], heads=2, dim_head=8)
        arguments = small.tokenizer["init_args"]
        arguments.update(width=8, num_res_blocks=1, image_size=2 * arguments["image_size"] // small.side)
        arguments["quantizer"]["init_args"].update(vocab_size=32, dim=8)
        return small

    @property
    def side(self) -> int:
        """Rows and columns of tokens: `grid` of the tokenizer, without building one."""
        arguments = self.tokenizer["init_args"]
        return int(arguments["image_size"] // (arguments["patch"] * 2 ** (len(arguments["multipliers"]) - 1)))

    @property
    def vocab_size(self) -> int:
        """V."""
        return int(self.tokenizer["init_args"]["quantizer"]["init_args"]["vocab_size"])

    def prior(self) -> tuple[Process, Network]:
        """Process and network, sized as `PriorModule` sizes them."""
        process = built("process", self.model["process"], self.vocab_size)
        entry = self.model["conditioner"]
        conditioner = None if entry is None else built("conditioner", entry)
        layout = Layout((self.side, self.side), self.vocab_size)
        return process, built("network", self.model["network"], process.interface(layout, conditioner))


class Case(ABC):
    """A task on a device: random weights, made once, and a call for each size of batch.

    Args:
        config: what to build.
        device: where.
        bf16: whether to run under bfloat16 autocast.
    """

    per_call: ClassVar[int] = 1
    """How many of what is reported (steps, network evaluations, decodings) a call makes."""
    per_picture: int = 1
    """How many a picture takes."""
    module: nn.Module
    """What `torch.compile` is given."""

    def __init__(self, config: Config, device: torch.device, bf16: bool) -> None:
        self.config, self.device, self.bf16 = config, device, bf16
        torch.manual_seed(0)
        with device:
            self.build()

    @abstractmethod
    def build(self) -> None:
        """Make the modules, on the device."""

    @abstractmethod
    def call(self, batch: int) -> Call:
        """The call for a batch of pictures: the same work on the same tensors each time."""

    def graph(self, batch: int) -> Call:
        """The same call from a CUDA graph."""
        if self.device.type != "cuda":
            raise RuntimeError(NO_GRAPH)
        return captured(self.call(batch))

    def autocast(self) -> AbstractContextManager[None]:
        """Entered inside of calls, so that a captured one holds the casts of the weights too."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def noise(self, batch: int) -> Noise:
        """Random numbers of a batch."""
        return Noise.of(0, batch, device=self.device)

    def ids(self, batch: int) -> Tensor:
        """(B, N) random ids."""
        return self.noise(batch).integers(0, Stream.CHOICE, self.config.side**2, self.config.vocab_size)


class Training(Case):
    """A training step on ids: the process's loss, backward, optimizer."""

    def build(self) -> None:
        self.process, self.module = self.config.prior()
        # Its state on the device, without which no step can be captured.
        capturable = {"capturable": True} if self.device.type == "cuda" else {}
        self.optimizer = built("optimizer", self.config.model["optimizer"], self.module.parameters(), **capturable)

    def call(self, batch: int) -> Call:
        ids, noise = self.ids(batch), self.noise(batch)
        # A call before may have ended half-way, for lack of memory.
        self.optimizer.zero_grad()

        def step() -> None:
            with self.autocast():
                loss = self.process.loss({DENOISER: self.module}, ids, noise).loss
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()

        return step


class Sampling(Case):
    """Some steps of the config's sampler at its temperature, without the decoding; bf16 is that of the weights."""

    per_call = EVALUATIONS

    def build(self) -> None:
        recipe = self.config.model["recipe"]
        self.process, self.network = self.config.prior()
        self.module = self.network.eval()
        narrow(self.module if self.bf16 else None)
        self.sampler = built("sampler", recipe["sampler"], steps=ENDLESS, patience=None)
        self.per_picture = recipe["sampler"]["init_args"]["steps"]
        self.warps = Warps(**recipe["warps"])

    def call(self, batch: int) -> Call:
        return self.stepping(batch, None)

    def graph(self, batch: int) -> Call:
        if self.device.type != "cuda":
            raise RuntimeError(NO_GRAPH)
        return self.stepping(batch, Player(cuda_graph))

    def stepping(self, batch: int, player: Player | None) -> Call:
        """The steps that come next in a loop that goes on from call to call."""
        network, noise = self.network, self.noise(batch)
        start = self.process.initial(network.layout.num_tokens, noise)
        process: Any = self.process if self.process.diffuses else None
        denoiser = Denoiser(network, network.layout, warps=self.warps, process=process)
        loop = self.sampler.iterate(denoiser, start, None, noise, player=player)

        def steps() -> None:
            for _ in range(EVALUATIONS):
                next(loop)

        return steps


class Decoding(Case):
    """Ids to pictures; bf16 is that of the weights."""

    def build(self) -> None:
        self.tokenizer = built("tokenizer", self.config.tokenizer).eval()
        self.module = self.tokenizer.decoder
        narrow(self.module if self.bf16 else None)

    def call(self, batch: int) -> Call:
        ids = self.ids(batch).unflatten(1, self.tokenizer.layout.grid)

        @torch.no_grad()
        def decode() -> None:
            self.tokenizer.decode(ids)

        return decode


TASKS: dict[str, Callable[[Config, torch.device, bool], Case]] = {
    "training": Training, "sampling": Sampling, "decoding": Decoding,
}  # fmt: skip


def built(key: str, entry: dict[str, Any], *sizes: Any, **changed: Any) -> Any:
    """The object that a `class_path` and its `init_args` describe, under a key of a config."""
    package, _, name = entry["class_path"].rpartition(".")
    arguments = {k: built(k, v) if isinstance(v, dict) else v for k, v in entry["init_args"].items()}
    cls = getattr(importlib.import_module(package or PACKAGES[key]), name)
    return cls(*sizes, **{**arguments, **changed})


def _yaml(name: str) -> Any:
    return yaml.safe_load(Path(locate(name)).read_text(encoding="utf-8"))
