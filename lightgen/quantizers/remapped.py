"""A codebook of which only some codes are told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.quantizers.base import Quantized, Quantizer


class Remapped(Quantizer):
    """The codes that a tokenizer really uses, numbered anew; each of the others counts as one of them.

    Args:
        quantizer: of the whole codebook.
        vocab_size: V, how many codes are told apart.

    Raises:
        ValueError: if that is below 2, or more than there are codes.
    """

    source: ClassVar[str] = "Gu et al., 2022, arXiv 2111.14822"

    numbers: Tensor
    """(codes of the whole book,) the new id of each."""
    codes: Tensor
    """(V,) the code that stands for each new id."""

    def __init__(self, quantizer: Quantizer, vocab_size: int) -> None:
        super().__init__()
        if not 2 <= vocab_size <= quantizer.vocab_size:
            raise ValueError(f"vocab_size must be in [2, {quantizer.vocab_size}], not {vocab_size}")
        self.quantizer, self.dim, self.vocab_size = quantizer, quantizer.dim, vocab_size
        self.register_buffer("numbers", torch.arange(quantizer.vocab_size).clamp_max(vocab_size - 1))
        self.register_buffer("codes", torch.arange(vocab_size))

    def number(self, numbers: Tensor) -> None:
        """Take the new ids of all codes; the first code of an id stands for it.

        Args:
            numbers: (codes of the whole book,) int64 in [0, V).

        Raises:
            ValueError: if it has another shape, an id is out of range, or has no code.
        """
        if numbers.shape != self.numbers.shape or numbers.is_floating_point():
            raise ValueError(f"the mapping must have {len(self.numbers)} whole numbers, not {tuple(numbers.shape)} of "
                             f"{numbers.dtype}")  # fmt: skip
        if not torch.equal(numbers.unique(), torch.arange(self.vocab_size)):
            raise ValueError(f"the mapping must have every number from 0 to {self.vocab_size - 1}, and no other")
        self.numbers.copy_(numbers)
        last_first = torch.arange(len(numbers)).flip(0)
        self.codes[numbers[last_first]] = last_first

    def quantize(self, latent: Tensor) -> Quantized:
        found = self.quantizer.quantize(latent)
        ids = self.numbers[found.ids]
        return replace(found, latent=found.latent + (self.embed(ids) - found.latent).detach(), ids=ids)

    def embed(self, ids: Tensor) -> Tensor:
        return self.quantizer.embed(self.codes[ids])
