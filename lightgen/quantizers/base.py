"""The contract of a quantizer: a continuous latent to its nearest code."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from lightgen.registry import Component


@dataclass(frozen=True)
class Quantized:
    """Quantized latent (B, dim, h, w) with straight-through gradient, ids (B, h, w) int64, scalar auxiliary loss."""

    latent: Tensor
    ids: Tensor
    loss: Tensor


class Quantizer(nn.Module, Component):
    """Continuous latents (B, dim, h, w) to codes of a book of `vocab_size`. Works in float32 under any autocast."""

    kind: ClassVar[str] = "quantizer"
    dim: int
    vocab_size: int

    @abstractmethod
    def forward(self, latent: Tensor) -> Quantized:
        """Quantize latents (B, dim, h, w)."""

    @abstractmethod
    def lookup(self, ids: Tensor) -> Tensor:
        """Latents (B, dim, h, w) of ids (B, h, w)."""
