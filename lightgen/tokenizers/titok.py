"""TiTok: a picture as a short sequence of tokens, none of which has a place in it.

Yu et al., 2024, "An image is worth 32 tokens for reconstruction and generation", arXiv 2406.07550.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.layout import Layout
from lightgen.networks.styled import StyledBlock, style_of
from lightgen.quantizers.codebook import Codebook
from lightgen.tokenizers.base import Tokenizer
from lightgen.tokenizers.layers import channels_last
from lightgen.tokenizers.maskgit_vqgan import decoder_of


class TiTok(Tokenizer):
    """Two vision transformers: one reads patches into N latents, one writes N codes onto patches.

    For each patch the second one gives the odds of the codes of a VQ-GAN, whose decoder paints their mean. It is here
    to be imported; `lightgen fit` does not train it.

    Args:
        quantizer: of the latents.
        num_tokens: N.
        image_size: of square pictures of three channels, which `patch_size` divides.
        patch_size: pixels per side.
        encoder, decoder: (D, depth, heads) of the two transformers.
        pixel_codes: number and width of the VQ-GAN's codes.
        width: of its decoder, in channels at full resolution.
        multipliers: of the width at each level; the size halves between levels.
        num_res_blocks: at each level.

    Raises:
        ValueError: if a size does not fit.
    """

    source: ClassVar[str] = "Yu et al., 2024, arXiv 2406.07550"
    channels = 3

    def __init__(
        self,
        quantizer: Codebook,
        num_tokens: int = 32,
        image_size: int = 256,
        patch_size: int = 16,
        encoder: Sequence[int] = (1024, 24, 16),
        decoder: Sequence[int] = (1024, 24, 16),
        pixel_codes: Sequence[int] = (1024, 256),
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        num_res_blocks: int = 2,
    ) -> None:
        super().__init__()
        factor = 2 ** (len(multipliers) - 1)
        if patch_size != factor or image_size % factor:
            raise ValueError(f"patch_size must be {factor}, what the decoder makes of a cell, and divide image_size, "
                             f"{image_size}; it is {patch_size}")  # fmt: skip
        self.image_size, self.side = (image_size, image_size), image_size // patch_size
        self.layout = Layout((num_tokens,), quantizer.vocab_size)
        self.quantizer = quantizer
        places = 1 + self.side**2
        dim, depth, heads = encoder
        self.patches = nn.Conv2d(self.channels, dim, patch_size, patch_size)
        self.encoder_cells, self.latents = _places(places, dim), _places(num_tokens, dim)
        self.encoder_first, self.encoder_last = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.encoder_blocks = nn.ModuleList(StyledBlock(style_of(dim, heads)) for _ in range(depth))
        self.to_latent = nn.Linear(dim, quantizer.dim)
        dim, depth, heads = decoder
        self.from_latent = nn.Linear(quantizer.dim, dim)
        self.decoder_cells, self.decoder_tokens = _places(places, dim), _places(num_tokens, dim)
        self.decoder_first, self.decoder_last = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.decoder_blocks = nn.ModuleList(StyledBlock(style_of(dim, heads)) for _ in range(depth))
        num_codes, dim_code = pixel_codes
        self.to_pixel_logits = nn.Sequential(nn.Linear(dim, 2 * dim), nn.Tanh(), nn.Linear(2 * dim, num_codes))
        self.pixel_codes = nn.Parameter(torch.randn(num_codes, dim_code))
        widths = [width * multiplier for multiplier in multipliers]
        self.painter = channels_last(decoder_of(self.channels, widths, num_res_blocks, dim_code))

    def encode(self, images: Tensor) -> Tensor:
        cells = self.patches((images + 1) / 2).flatten(2).transpose(1, 2)
        x = torch.cat([cells.new_zeros(len(cells), 1, cells.shape[2]), cells], 1) + self.encoder_cells
        x = torch.cat([x, self.latents.expand(len(x), -1, -1)], 1)
        x = self.encoder_first(x)
        for block in self.encoder_blocks:
            x = block(x)
        x = self.encoder_last(x[:, -len(self.latents) :])
        # The released code takes the N D numbers of a picture for D rows of N, and was trained so.
        x = self.to_latent(x.flatten(1).unflatten(1, (x.shape[2], -1)).transpose(1, 2))
        ids: Tensor = self.quantizer(x.transpose(1, 2).unsqueeze(2)).ids
        return ids.squeeze(1)

    def decode(self, ids: Tensor) -> Tensor:
        codes = self.quantizer.lookup(ids.unsqueeze(1)).squeeze(2).transpose(1, 2)
        x = self.from_latent(codes) + self.decoder_tokens
        x = torch.cat([self.decoder_cells.expand(len(x), -1, -1), x], 1)
        x = self.decoder_first(x)
        for block in self.decoder_blocks:
            x = block(x)
        x = self.decoder_last(x[:, 1 : len(self.decoder_cells)])
        mean = self.to_pixel_logits(x).softmax(-1) @ self.pixel_codes
        latent = mean.transpose(1, 2).unflatten(2, (self.side, self.side))
        pixels: Tensor = self.painter(latent.contiguous(memory_format=torch.channels_last))
        return (2 * pixels - 1).clamp(-1, 1)


def _places(num: int, dim: int) -> nn.Parameter:
    return nn.Parameter(dim**-0.5 * torch.randn(num, dim))
