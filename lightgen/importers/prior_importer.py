"""What importers of priors have in common."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.checkpoint import load
from lightgen.importers.base import Imported, Importer, another_kind, importers, kind_of
from lightgen.importers.imagenet import class_names
from lightgen.importers.reading import read_tensors
from lightgen.importers.renaming import Names, fill
from lightgen.importers.vqgan_importer import VQGANImporter
from lightgen.layout import Layout
from lightgen.networks.base import Network
from lightgen.pretrained import located
from lightgen.prior import Prior
from lightgen.processes.base import Process
from lightgen.recipe import Recipe
from lightgen.text_encoders.base import TextEncoder
from lightgen.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class Plan:
    """What the tensors of a file tell of the prior that they are of."""

    make: Callable[[Layout], Network]
    """The network without its weights, for a layout of tokens."""
    names: Names
    """The keys of the file by those of the network."""
    process: Process
    """What it was trained with."""
    recipe: Recipe
    """How it was sampled for its published figure."""
    vocab_size: int
    """V."""
    num_tokens: int | None
    """N; None where no shape tells."""
    num_codes: int = 1
    """M."""
    unused: tuple[str, ...] = ()
    """Keys of tensors that the network does without, `*` in them for anything."""
    notes: tuple[str, ...] = ()
    """What to say about it, a line each."""


class PriorImporter(Importer):
    """Reads a family of priors; the shapes of the tensors tell the sizes, and published models the rest."""

    licence: ClassVar[str] = "not stated; the code's is MIT"
    """Of the published weights, as their repository states it."""
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {}
    """Of every attention, by width and depth of the published models: no shape tells them."""

    def __init__(self, tokenizer: str | None = None, heads: int | None = None) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            tokenizer: what it was trained on: published weights of any kind, or a checkpoint of lightgen
            heads: of every attention; default: those of the published model of this size
        """
        self.tokenizer = tokenizer
        self.heads = heads

    @abstractmethod
    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        """What the tensors are of.

        Raises:
            ValueError: in one line.
        """

    def __call__(self, weights: Path) -> Imported:
        tensors = read_tensors(self.file(weights))
        try:
            if not any(mark in tensors for mark in self.marks):
                raise ValueError(f"missing: {' or '.join(self.marks)}")
            plan = self.plan(tensors, weights)
            tokenizer = self.stage_one(weights, plan)
            layout = require_agreement(tokenizer, plan)
            with torch.device("meta"):
                network = plan.make(layout)
            fill(network, tensors, plan.names, plan.unused)
            prior = Prior(tokenizer, network, plan.process, plan.recipe)
        except ValueError as error:
            other = another_kind(type(self), tensors)
            raise ValueError(f"{weights} cannot be imported as {self.name}: {error}{other}") from None
        if getattr(network.conditioner, "num_classes", 0) == 1000:
            prior.categories = {"label": class_names()}
        return Imported(prior.eval(), (f"licence of published weights: {self.licence}", *plan.notes))

    def file(self, weights: Path) -> Path:
        """The file of the tensors, where the user may have named a folder."""
        return weights

    def stage_one(self, weights: Path, plan: Plan) -> Tokenizer:
        """The tokenizer that the user names, for pictures of the size that the prior was trained on.

        Raises:
            ValueError: in one line, if none was named, or it cannot be read.
        """
        if self.tokenizer is None:
            raise ValueError("the tokenizer is in a file of its own: give it with --tokenizer")
        path = located(self.tokenizer)
        keys = read_tensors(path) if path.is_file() else {}
        found = kind_of(keys, VQGANImporter)  # type: ignore[type-abstract]
        if found is None:
            tokenizer: Tokenizer = load(self.tokenizer, "tokenizer")
            return tokenizer
        if plan.num_tokens is None:
            raise ValueError("no shape tells how large the pictures are: give --image_size")
        importer = importers()[found[0]]()
        assert isinstance(importer, VQGANImporter)
        return importer.tokenizer(path, plan.num_tokens // plan.num_codes)

    def heads_of(self, dim: int, depth: int, inner: int | None = None, told: int | None = None) -> int:
        """The heads that the user says there are, or that the published model of these sizes has.

        Args:
            dim: D.
            depth: number of blocks.
            inner: width of all heads together; None is D.
            told: by a config, where there is one.

        Raises:
            ValueError: in one line, if nobody knows, or they do not divide the inner width.
        """
        known, inner = told or self.published_heads.get((dim, depth)), inner or dim
        heads = known if self.heads is None else self.heads
        if heads is None:
            raise ValueError(f"no shape tells the number of heads, and no published model has {depth} blocks of {dim}: "
                             "give --heads")  # fmt: skip
        if heads < 1 or inner % heads:
            raise ValueError(f"--heads must divide the width of the attention, {inner}, and {heads} does not")
        return heads


def require_agreement(tokenizer: Tokenizer, plan: Plan) -> Layout:
    """The layout of a tokenizer whose ids a prior was trained on.

    Raises:
        ValueError: in one line, if the sizes are others.
    """
    layout = tokenizer.layout
    if layout.vocab_size != plan.vocab_size:
        raise ValueError(f"the prior is of {plan.vocab_size} codes, and the tokenizer of {layout.vocab_size}")
    if plan.num_codes != layout.num_codes:
        raise ValueError(f"the prior is of {plan.num_codes} codes at a cell, and the tokenizer of {layout.num_codes}")
    if plan.num_tokens not in (None, layout.num_tokens):
        raise ValueError(f"the prior is of {plan.num_tokens} tokens a picture, and the tokenizer of "
                         f"{layout.num_tokens} ({'x'.join(map(str, layout.cells))})")  # fmt: skip
    return layout


def lasting(name: str) -> str:
    """A folder by its whole path, so that a checkpoint finds it from anywhere; any other name as it is."""
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def require_width(encoder: TextEncoder, width: int) -> None:
    """Refuse a text encoder whose features are of another width than a prior reads.

    Raises:
        ValueError: in one line.
    """
    if encoder.dim != width:
        raise ValueError(f"the prior reads texts as features of {width} numbers, and the text encoder gives "
                         f"{encoder.dim}: give another with --text_encoder")  # fmt: skip


def size(tensors: Mapping[str, Tensor], key: str, axis: int) -> int:
    """The length of one axis of a tensor.

    Raises:
        ValueError: in one line, if there is no such tensor, or it has no such axis.
    """
    if key not in tensors:
        raise ValueError(f"missing: {key}")
    if tensors[key].ndim <= axis:
        raise ValueError(f"of another shape: {key} {tuple(tensors[key].shape)}")
    return tensors[key].shape[axis]


def depth_of(tensors: Mapping[str, Tensor], template: str) -> int:
    """How many blocks there are whose keys begin like `layers.{i}.`, up to the last."""
    pattern = re.compile(re.escape(template).replace(r"\{i\}", r"(\d+)"))
    numbers = [int(match[1]) for match in map(pattern.match, tensors) if match]
    return 1 + max(numbers, default=-1)
