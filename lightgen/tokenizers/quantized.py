"""What tokenizers of an encoder, a quantizer and a decoder have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import torch
from torch import Tensor, nn

from lightgen.layout import Layout
from lightgen.quantizers.base import Quantized, Quantizer
from lightgen.registry import changed
from lightgen.tokenizers.base import Tokenizer
from lightgen.tokenizers.layers import channels_last


class QuantizedAutoencoder(Tokenizer):
    """Encoder, quantizer, decoder.

    Args:
        quantizer: its `dim` is that of the latent.
        encoder: (B, C, H, W) to (B, dim, h, w).
        decoder: (B, dim, h, w) to (B, C, H, W).
        image_size: (H, W), or one number for squares.
        channels: C.
        factor: pixels per side of a token.
        pixel_range: the values that encoder and decoder have for black and for white.

    Raises:
        ValueError: if the image size is not divisible by the size of a token, or the range is empty.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        encoder: nn.Sequential,
        decoder: nn.Sequential,
        image_size: int | tuple[int, int],
        channels: int,
        factor: int,
        pixel_range: tuple[float, float],
    ) -> None:
        super().__init__()
        self.image_size = size_of(image_size)
        height, breadth = self.image_size
        if height % factor or breadth % factor:
            raise ValueError(f"image_size must be divisible by {factor}, the size of a token, not {height}x{breadth}")
        black, white = pixel_range
        if black >= white:
            raise ValueError(f"pixel_range must be two numbers, the lower first, not {black} and {white}")
        self.layout = Layout((height // factor, breadth // factor), quantizer.vocab_size, quantizer.num_codes)
        self.channels = channels
        self.scale, self.shift = (white - black) / 2, (white + black) / 2
        self.encoder = channels_last(encoder)
        self.decoder = channels_last(decoder)
        self.quantizer = quantizer

    def with_quantizer(self, quantizer: Quantizer) -> Self:
        """Encoder and decoder, with the weights that they have, around another quantizer.

        Raises:
            ValueError: if its latents have another dimension.
        """
        if quantizer.dim != self.quantizer.dim:
            raise ValueError(f"the quantizer's dim must be that of the tokenizer's, {self.quantizer.dim}, "
                             f"not {quantizer.dim}")  # fmt: skip
        made = changed(self, quantizer=quantizer)
        made.encoder.load_state_dict(self.encoder.state_dict())
        made.decoder.load_state_dict(self.decoder.state_dict())
        return made

    @property
    @abstractmethod
    def last_layer(self) -> nn.Conv2d:
        """The decoder's last convolution, where the adversarial weight is measured (arXiv 2012.09841, eq. 7)."""

    def forward(self, images: Tensor) -> tuple[Tensor, Quantized]:
        """Reconstructions (B, C, H, W), not clamped, and what the quantizer did, for training."""
        quantized = self.quantizer(self.latent(images))
        return self._images(quantized.latent), quantized

    @property
    def decoding(self) -> nn.Module:
        return self.decoder

    def encode(self, images: Tensor) -> Tensor:
        ids: Tensor = self.quantizer(self.latent(images)).ids
        return ids

    def decode(self, ids: Tensor) -> Tensor:
        return self._images(self.quantizer.lookup(ids)).clamp(-1, 1)

    def latent(self, images: Tensor) -> Tensor:
        """What the encoder makes of images (B, C, H, W), before it is quantized: (B, dim, h, w)."""
        pixels = images.contiguous(memory_format=torch.channels_last) * self.scale + self.shift
        latent: Tensor = self.encoder(pixels)
        return latent

    def _images(self, latent: Tensor) -> Tensor:
        dtype = next(self.decoder.parameters()).dtype
        pixels: Tensor = self.decoder(latent.to(dtype, memory_format=torch.channels_last))
        return (pixels - self.shift) / self.scale


def size_of(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image size, which may be one number for squares."""
    return (image_size, image_size) if isinstance(image_size, int) else (image_size[0], image_size[1])
