"""What the references have in common: tensors that come into being when the forward pass first asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F


class Peer:
    """A published prior. Subclasses say how it computes; it may be asked with any ids and classes.

    Its tensors are random, large enough for every part to matter, and the same each time.
    """

    kind: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    """Of `lightgen import`, beside the tokenizer: what no shape tells, of a model that was never published."""
    vocab_size: ClassVar[int] = 48
    grid: ClassVar[tuple[int, int]] = (4, 4)
    num_codes: ClassVar[int] = 1
    """At a cell."""
    num_classes: ClassVar[int] = 0
    has_null: ClassVar[bool] = True
    """Whether label `num_classes` is no class."""
    captions: ClassVar[tuple[str, ...]] = ()
    """What it is asked for in place of classes: label i is the i-th."""
    causal: ClassVar[bool] = False
    num_steps: int = 0
    """How many times it tells apart, if it reads the time: then `logits` takes the number (B,) of the step too."""
    brings_tokenizer: ClassVar[bool] = False
    """Whether the file has the tokenizer too."""
    exports: ClassVar[bool] = False
    """Whether lightgen can write it in its own layout again."""
    published: ClassVar[dict[str, tuple[dict[str, Any], float]]] = {}
    """By name: the sizes of a published model, which are attributes; and its parameters in millions."""
    file: ClassVar[str] = "weights.pt"
    idle: int = 0
    """How many numbers of the file nothing reads: rows of tables."""

    dim = 32
    depth = 2
    heads = 4

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.generator: torch.Generator | None = torch.Generator().manual_seed(5)
        self.ask()

    @classmethod
    def of_sizes(cls, **sizes: Any) -> Peer:
        """A model of other sizes, on the meta device."""
        made = cls.__new__(cls)
        made.__dict__ |= {**sizes, "tensors": {}, "generator": None}
        with torch.device("meta"):
            made.ask()
        return made

    def ask(self) -> None:
        """Ask for anything, so that all tensors are there."""
        self.logits(torch.zeros(1, self.num_tokens, dtype=torch.long), torch.zeros(1, dtype=torch.long))

    @property
    def num_tokens(self) -> int:
        return self.num_codes * self.grid[0] * self.grid[1]

    def logits(self, ids: Tensor, label: Tensor) -> Tensor:
        """(B, N, V) of ids (B, N), where id V is MASK, and classes (B,), where `num_classes` is none."""
        raise NotImplementedError

    def guided(self, ids: Tensor, label: Tensor, scale: float) -> Tensor:
        """Logits l_u + s (l_c - l_u); at scale 1 those of the class alone."""
        towards = self.logits(ids, label)
        if scale == 1:
            return towards
        away = self.logits(ids, torch.full_like(label, self.num_classes))
        return away + scale * (towards - away)

    def decoded(self, label: Tensor, scale: float) -> Tensor | None:
        """Ids (B, N) of the peer's own sampler, where it takes the likeliest code; None where there is none."""
        if not self.causal:
            return None
        ids = torch.zeros(len(label), self.num_tokens, dtype=torch.long)
        for place in range(self.num_tokens):
            ids[:, place] = self.guided(ids, label, scale)[:, place].argmax(-1)
        return ids

    def contents(self) -> Any:
        """What `torch.save` gets."""
        return self.tensors

    def save(self, folder: Path) -> Path:
        """Write the file as it is published; returns its path."""
        path = folder / self.file
        torch.save(self.contents(), path)
        return path

    def beside(self, folder: Path) -> list[str]:
        """Options of `lightgen import` that name files which belong to it, and are written."""
        return []

    def tensor(self, name: str, *shape: int, mean: float = 0.0, spread: float = 1.0) -> Tensor:
        if name not in self.tensors:
            self.tensors[name] = mean + spread * torch.randn(shape, generator=self.generator)
        assert self.tensors[name].shape == shape, (name, self.tensors[name].shape, shape)
        return self.tensors[name]

    def linear(self, name: str, x: Tensor, out: int, bias: bool = True) -> Tensor:
        weight = self.tensor(f"{name}.weight", out, x.shape[-1], spread=1.5 * x.shape[-1] ** -0.5)
        return x @ weight.T + (self.tensor(f"{name}.bias", out, spread=0.3) if bias else 0)

    def layer_norm(self, name: str, x: Tensor, eps: float) -> Tensor:
        mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        weight = self.tensor(f"{name}.weight", x.shape[-1], mean=1.0, spread=0.3)
        return (x - mean) / (variance + eps).sqrt() * weight + self.tensor(f"{name}.bias", x.shape[-1], spread=0.3)

    def rms_norm(self, name: str | None, x: Tensor, eps: float) -> Tensor:
        x = x / (x.square().mean(-1, keepdim=True) + eps).sqrt()
        return x if name is None else x * self.tensor(f"{name}.weight", x.shape[-1], mean=1.0, spread=0.3)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, causal: bool = False, seen: Tensor | None = None) -> Tensor:
    """(B, N, inner) each to (B, N, inner), head by head; `seen` is (B, N, N) True where a query sees a key."""
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, v))
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores[0, 0]).triu(1).bool(), -torch.inf)
    if seen is not None:
        scores = scores.masked_fill(~seen[:, None], -torch.inf)
    return (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)


def silu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def embed(table: Tensor, ids: Tensor) -> Tensor:
    return F.embedding(ids, table)
