"""What quantizers with learned codebooks share: all ranks agree on a codebook, and a resumed run repeats it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lightgen.functional.random import Noise, Stream
from lightgen.quantizers.backend import Codebook
from lightgen.quantizers.base import Quantized, Quantizer


class LearnedCodebook(Quantizer):
    """Base of the quantizers whose codebooks are `vector_quantize_pytorch` codebooks.

    They start from k-means on the first training batch, and codes that follow by moving averages are replaced by random
    latents when they die. Counts, sums and random latents are those of the batches of all ranks, so several processes
    train the codebook that one would train on all their pictures. What is random is a function of the number of
    training steps so far, so that a resumed run repeats an unbroken one.

    Args:
        vocab_size: V, the number of codes in each codebook.
        dim: of the latent.
        implementation: the module that holds the codebooks.

    Raises:
        ValueError: if `vocab_size` is below 2.
    """

    steps: Tensor
    implementation: Any

    def __init__(self, vocab_size: int, dim: int, implementation: nn.Module) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.dim = dim
        self.implementation = implementation
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        # The library decides at construction whether it is distributed, before Lightning has started the processes.
        for codebook in self.codebooks:
            codebook.sample_fn = codebook.replace_sample_fn = self.draw
            codebook.all_reduce_fn = codebook.kmeans_all_reduce_fn = sum_over_ranks

    @property
    def codebooks(self) -> list[Codebook]:
        """The codebooks, in the order of the codes at a position."""
        return [module for module in self.implementation.modules() if isinstance(module, Codebook)]

    def quantize(self, latent: Tensor) -> Quantized:
        if not self.training:
            return self.assign(latent)
        if self.steps == 0:
            # Only now, since the library would run k-means on pictures to evaluate as well.
            for codebook in self.codebooks:
                codebook.initted.fill_(False)
        quantized = self.assign(latent)
        self.steps += 1
        return quantized

    @abstractmethod
    def assign(self, latent: Tensor) -> Quantized:
        """Quantize float32 latents (B, dim, h, w); while training, also move the codebooks."""

    def draw(self, latents: Tensor, num: int) -> Tensor:
        """`num` random rows of the latents of all ranks, for each codebook; repeated only if there are too few.

        Args:
            latents: (codebooks, n, d), those of this rank.
            num: how many.

        Returns:
            (codebooks, num, d), the same on every rank.
        """
        num_codebooks, own = latents.shape[:2]
        counts = torch.zeros(world_size(), dtype=torch.long, device=latents.device)
        counts[rank()] = own
        sum_over_ranks(counts)
        before, total = int(counts[: rank()].sum()), int(counts.sum())
        noise = Noise.of(0, num_codebooks, device=latents.device).uniform(int(self.steps), Stream.CHOICE, total)
        rows = noise.argsort(dim=1, stable=True)[:, torch.arange(num, device=latents.device) % total] - before
        drawn = latents.detach().take_along_dim(rows.clamp(0, own - 1).unsqueeze(-1), 1)
        drawn = drawn.masked_fill(((rows < 0) | (rows >= own)).unsqueeze(-1), 0)
        sum_over_ranks(drawn)
        return drawn


def check_vocab_size(vocab_size: int) -> int:
    """The size of a codebook.

    Raises:
        ValueError: if it is below 2.
    """
    if vocab_size < 2:
        raise ValueError(f"vocab_size must be at least 2, not {vocab_size}")
    return vocab_size


def sum_over_ranks(x: Tensor) -> None:
    """Replace x by its sum over all processes."""
    if world_size() > 1:
        dist.all_reduce(x.detach())


def rank() -> int:
    """The number of this process."""
    return dist.get_rank() if world_size() > 1 else 0


def world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
