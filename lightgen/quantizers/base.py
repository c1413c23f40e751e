"""The contract of a quantizer: a continuous latent to its nearest code."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.registry import Component


@dataclass(frozen=True)
class Quantized:
    """What a quantizer made of latents (B, dim, h, w).

    Args:
        latent: the quantized latent (B, dim, h, w) float32, with straight-through gradient while training.
        ids: (B, h, w) int64 in [0, vocab_size); (B, M, h, w) where M codes stand at one position.
        loss: a scalar to add to the loss; zero in evaluation.
    """

    latent: Tensor
    ids: Tensor
    loss: Tensor


class Quantizer(nn.Module, Component):
    """Continuous latents (B, dim, h, w) to codes of a codebook of `vocab_size`, in float32 under any autocast.

    In bfloat16, ids above 256 cannot be told apart and neighbouring codes change places, so the precision is set here,
    once, and a subclass only says how to quantize float32 latents.
    """

    kind: ClassVar[str] = "quantizer"
    dim: int
    vocab_size: int
    num_codes: int = 1
    """M, the number of codes at one position, each from a codebook of its own; all codebooks have V codes."""

    def forward(self, latent: Tensor) -> Quantized:
        """Quantize latents (B, dim, h, w) of any floating type."""
        with torch.autocast(latent.device.type, enabled=False):
            return self.quantize(latent.float())

    def lookup(self, ids: Tensor) -> Tensor:
        """Latents (B, dim, h, w) float32 of ids (B, h, w), or (B, M, h, w) where M is above 1."""
        with torch.autocast(ids.device.type, enabled=False):
            return self.embed(ids)

    @abstractmethod
    def quantize(self, latent: Tensor) -> Quantized:
        """Quantize float32 latents (B, dim, h, w)."""

    @abstractmethod
    def embed(self, ids: Tensor) -> Tensor:
        """Latents (B, dim, h, w) of ids, as `lookup`."""
