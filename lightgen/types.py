"""Words that every layer shares: the shape legend, noise families, small result objects, protocols.

Shape legend (suffix variables where it helps: `ids_BN`, `logits_BNV`):

    B batch            C image channels        H W pixels           h w token grid
    N = h * w tokens   V codebook size         K ids the network reads (V, or V + 1 where MASK = id V)
    M codes at a cell, then N = h * w * M, and the codes of a cell follow one another
    D width            S sampling steps        U unrolls

Images are float in [-1, 1] inside the library and uint8 at its edges. Logits are always over V.
`time` is in [0, 1] and 1 means all noise. `progress` is in [0, 1] and 1 means sampling is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, NamedTuple, Protocol, TypedDict, runtime_checkable

import torch
from torch import Tensor

Grid = tuple[int, int]
"""Rows and columns of a token grid, (h, w)."""

Canvas = tuple[float, float]
"""Rows and columns of a larger canvas, in windows of the size in training; fractions where whole cells come out."""


class NoiseFamily(Enum):
    """What a process destroys tokens with; a sampler runs only on networks of a family it accepts."""

    UNIFORM = "uniform"
    ABSORBING = "absorbing"
    MASK_REPLACE = "mask-and-replace"
    CAUSAL = "causal"


class Batch(TypedDict, total=False):
    """What data loaders yield. Either `image` or `ids` is there."""

    image: Tensor
    """(B, C, H, W) uint8."""
    ids: Tensor
    """(B, h, w) int64 token ids from a cache, or (B, M, h, w) where M codes stand at a cell."""
    condition: dict[str, Tensor]
    """What each picture is to be asked for by: named tensors with B rows, such as "label", (B,) int64 class ids, and
    "caption", (B, L) uint8: see `lightgen.functional.text`."""
    captions: Tensor
    """(B, K, L) uint8, where there are some: all captions of each picture, of which the condition "caption" is one."""
    hidden: dict[str, Tensor]
    """(B,) True where a condition is not known of a picture: see `Condition.hidden`."""
    index: Tensor
    """(B,) int64, the position of each picture in its split, or of a stream a number that its bytes give: stable across
    runs and batch sizes."""


class Denoise(Protocol):
    """What a process trains: a network with its condition bound. See also `lightgen.denoiser`."""

    def __call__(self, ids_BN: Tensor, time: Tensor | None = None) -> Tensor:
        """Logits (B, N, V) of the clean ids, given noisy ids (B, N) and time (B,)."""
        ...

    def parameters(self) -> Iterable[Tensor]:
        """The tensors that the loss is differentiated by."""
        ...


@runtime_checkable
class Ordered(Protocol):
    """A causal network: its logits at a position depend only on the ids at positions before it in its order."""

    causal_order: Tensor
    """(N,) int64, all positions, in the order in which they are drawn."""


class Reader(Protocol):
    """A causal network on its way through a batch of sequences."""

    @property
    def held(self) -> tuple[Tensor, ...] | None:
        """What it knows of the sequences: another reader of as many goes on in its place once these are copied into it.

        None where steps can only be numbers, so that none can be recorded.
        """
        ...

    def __call__(self, ids_BN: Tensor, step: int | Tensor) -> Tensor:
        """Logits (B, V) of the position that comes at a step. Steps go from 0 on, one by one.

        Args:
            ids_BN: of which those at the positions before count.
            step: a number; from the second on it may be a tensor () int64, if `held` is not None.
        """
        ...

    def select(self, rows: Tensor) -> Reader:
        """A reader that goes on with some of the sequences, in memory of its own."""
        ...


@runtime_checkable
class Incremental(Ordered, Protocol):
    """A causal network that has a cheaper way to the logits of one position than to evaluate all of them."""

    def reader(self, num_rows: int, context: Any) -> Reader:
        """A reader of so many sequences, at their beginning; the `Context` is that of the condition, or None."""
        ...


class NoiseLevel(NamedTuple):
    """How far tokens are destroyed: shares (B,) float64 that add up to 1.

    All three are given, for the rest of the others would not be exactly zero where nothing is replaced.
    """

    kept: Tensor
    masked: Tensor
    replaced: Tensor
    """By random codes."""


class Diffusing(Protocol):
    """What samplers need of a diffusion process; they do not import one."""

    family: ClassVar[NoiseFamily]
    frequencies: Tensor
    """(V,) float64: how often each code is drawn where a token is replaced."""

    def noise_level(self, time_B: Tensor) -> NoiseLevel:
        """The level at times (B,) float64."""
        ...

    def reverse(
        self, clean_BN: Tensor, ids_BN: Tensor, time_B: Tensor, earlier_B: Tensor, noise: Any, step: int | Tensor
    ) -> Tensor:
        """Draw ids (B, N) at an earlier time, given those at `time` and the clean ids; times (B,) float64."""
        ...

    def forward_from(self, ids_BN: Tensor, time_B: Tensor, later_B: Tensor, noise: Any, step: int | Tensor) -> Tensor:
        """Draw ids (B, N) at a later time, given those at `time`; times (B,) float64."""
        ...


@dataclass(frozen=True)
class LossOutput:
    """A scalar `loss` to call `backward` on, and detached scalars worth logging."""

    loss: Tensor
    metrics: dict[str, Tensor]


@dataclass(frozen=True)
class Trace:
    """What happened while sampling a batch of B pictures."""

    evaluations: Tensor
    """(B,) network evaluations spent on each picture."""
    changed: Tensor
    """(S, B) tokens that each step changed."""
    rows: list[int]
    """Pictures still being sampled at each step; falls as they finish."""
    finished: Tensor
    """(B,) True where the picture stopped by itself before the last step."""
    seconds: float
    """Wall time of the loop."""


@dataclass(frozen=True)
class Sample:
    """A sampler's result: ids (B, N) in [0, V), and its trace."""

    ids: Tensor
    trace: Trace


OnStep = Callable[[int, Tensor], None]
"""Called as `on_step(step, ids_BN)` after each step with the whole batch, finished pictures included."""


NEUTRAL = 128
"""The grey that stands where nothing is known, or not yet."""


def to_unit(images: Tensor) -> Tensor:
    """uint8 images in [0, 255] to float images in [-1, 1]."""
    return images.to(torch.get_default_dtype()).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Float images in [-1, 1] to uint8, rounding to nearest. The only place where lightgen quantises."""
    return images.float().clamp(-1, 1).add(1).mul_(127.5).round_().to(torch.uint8)
