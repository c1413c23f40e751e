"""The VQ-GAN: a convolutional autoencoder around a codebook.

Esser, Rombach and Ommer, 2021, "Taming transformers for high-resolution image synthesis", arXiv 2012.09841.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.quantizers.base import Quantized, Quantizer
from lightgen.tokenizers.autoencoder import decoder, encoder
from lightgen.tokenizers.base import Tokenizer
from lightgen.tokenizers.layers import channels_last


class VQGAN(Tokenizer):
    """Encoder, quantizer, decoder. One token stands for a square of patch * 2^(levels - 1) pixels.

    Args:
        quantizer: its `dim` is that of the latent.
        image_size: (H, W), or one number for squares.
        channels: C.
        width: channels at full resolution.
        multipliers: of the width at each level; the size halves between levels.
        num_res_blocks: at each level, and one more in the decoder.
        attention_resolutions: levels of these heights (in positions) get self-attention.
        patch: pixels per side that a cheap stem folds into one position before the first level.

    Raises:
        ValueError: if the image size is not divisible by the size of a token.
    """

    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"

    def __init__(
        self,
        quantizer: Quantizer,
        image_size: int | tuple[int, int] = 256,
        channels: int = 3,
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        num_res_blocks: int = 2,
        attention_resolutions: Sequence[int] = (16,),
        patch: int = 1,
    ) -> None:
        super().__init__()
        height, breadth = (image_size, image_size) if isinstance(image_size, int) else image_size
        factor = patch * 2 ** (len(multipliers) - 1)
        if height % factor or breadth % factor:
            raise ValueError(f"image_size must be divisible by {factor}, the size of a token, not {height}x{breadth}")
        self.image_size = (height, breadth)
        self.grid = (height // factor, breadth // factor)
        self.channels = channels
        self.vocab_size, self.num_codes = quantizer.vocab_size, quantizer.num_codes
        attention = [height // patch // 2**level in attention_resolutions for level in range(len(multipliers))]
        shape = (channels, width, multipliers, num_res_blocks, attention, patch, quantizer.dim)
        self.encoder = channels_last(encoder(*shape))
        self.decoder = channels_last(decoder(*shape))
        self.quantizer = quantizer

    @property
    def last_layer(self) -> nn.Conv2d:
        """The decoder's last convolution, where the adversarial weight is measured (arXiv 2012.09841, eq. 7)."""
        return [part for part in self.decoder if isinstance(part, nn.Conv2d)][-1]

    def forward(self, images: Tensor) -> tuple[Tensor, Quantized]:
        """Reconstructions (B, C, H, W), not clamped, and what the quantizer did, for training."""
        quantized = self.quantizer(self._latent(images))
        return self.decoder(quantized.latent.contiguous(memory_format=torch.channels_last)), quantized

    def encode(self, images: Tensor) -> Tensor:
        ids: Tensor = self.quantizer(self._latent(images)).ids
        return ids

    def decode(self, ids: Tensor) -> Tensor:
        latent = self.quantizer.lookup(ids).contiguous(memory_format=torch.channels_last)
        images: Tensor = self.decoder(latent)
        return images.clamp(-1, 1)

    def _latent(self, images: Tensor) -> Tensor:
        latent: Tensor = self.encoder(images.contiguous(memory_format=torch.channels_last))
        return latent
