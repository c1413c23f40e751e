"""The VQ-GAN: a convolutional autoencoder around a codebook.

Esser, Rombach and Ommer, 2021, "Taming transformers for high-resolution image synthesis", arXiv 2012.09841.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from lightgen.quantizers.base import Quantizer
from lightgen.tokenizers.autoencoder import decoder, encoder
from lightgen.tokenizers.quantized import QuantizedAutoencoder, size_of


class VQGAN(QuantizedAutoencoder):
    """Encoder, quantizer, decoder. One token stands for a square of patch * 2^(levels - 1) pixels.

    Args:
        quantizer: its `dim` is that of the latent.
        image_size: (H, W), or one number for squares.
        channels: C.
        width: channels at full resolution.
        multipliers: of the width at each level; the size halves between levels.
        num_res_blocks: at each level.
        attention_resolutions: levels of these heights (in positions) get self-attention.
        patch: pixels per side that a cheap stem folds into one position before the first level.
        latent_channels: that the 1x1 convolutions around the quantizer map to its `dim` and back; None means `dim`.
        middle_attention: attention between the two residual blocks next to the latent.
        pixel_range: the values that encoder and decoder have for black and for white; the tokenizer's own images
            are in [-1, 1] whatever it is.
        group_size: the least number of channels that are normalised together, in 32 groups or fewer. The published 32
            groups are small below a width of 128 and hide how bright a picture is; 4 is better there.
        decoder_res_blocks: at each level of the decoder; None is one more than in the encoder.

    Raises:
        ValueError: if the image size is not divisible by the size of a token, the pixel range is empty, or
            `group_size` is below 1.
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
        latent_channels: int | None = None,
        middle_attention: bool = True,
        pixel_range: tuple[float, float] = (-1.0, 1.0),
        group_size: int = 1,
        decoder_res_blocks: int | None = None,
    ) -> None:
        if group_size < 1:
            raise ValueError(f"group_size must be at least 1, not {group_size}")
        height = size_of(image_size)[0] // patch
        attention = [height // 2**level in attention_resolutions for level in range(len(multipliers))]
        more = num_res_blocks + 1 if decoder_res_blocks is None else decoder_res_blocks
        shape = (attention, middle_attention, patch, latent_channels or quantizer.dim, quantizer.dim, group_size)
        there = encoder(channels, width, multipliers, num_res_blocks, *shape)
        back = decoder(channels, width, multipliers, more, *shape)
        factor = patch * 2 ** (len(multipliers) - 1)
        super().__init__(quantizer, there, back, image_size, channels, factor, pixel_range)

    @property
    def last_layer(self) -> nn.Conv2d:
        return [part for part in self.decoder if isinstance(part, nn.Conv2d)][-1]
