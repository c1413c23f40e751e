"""The tokenizers of TiTok."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lightgen.importers.convert import names_of, weighted_parts
from lightgen.importers.keys import Architecture
from lightgen.importers.maskgit import MaskGIT
from lightgen.importers.prior_importer import depth_of, size
from lightgen.importers.renaming import Names, Source, fill
from lightgen.quantizers.codebook import Codebook
from lightgen.tokenizers.titok import TiTok

MARK = "encoder.latent_token_positional_embedding"
CODES, PIXEL_CODES = "quantize.embedding.weight", "pixel_quantize.embedding.weight"
PAINTER = "pixel_decoder"


def new_tokenizer(tensors: Mapping[str, Tensor], heads: int | None = None) -> TiTok:
    """The tokenizer that tensors are of.

    Args:
        tensors: by the keys of the file.
        heads: of every attention; None takes one for 64 channels, as all published ones have it.

    Raises:
        ValueError: in one line.
    """
    vocab_size, dim = (size(tensors, CODES, axis) for axis in (0, 1))
    patch_size = size(tensors, "encoder.patch_embed.weight", 2)
    side = math.isqrt(size(tensors, "encoder.positional_embedding", 0) - 1)
    sizes = painter_sizes(tensors)
    encoder, decoder = (_transformer(tensors, half, heads) for half in ("encoder", "decoder"))
    pixel_codes = [size(tensors, PIXEL_CODES, axis) for axis in (0, 1)]
    with torch.device("meta"):
        tokenizer = TiTok(
            Codebook(vocab_size, dim, unit=True), size(tensors, MARK, 0), side * patch_size, patch_size, encoder,
            decoder, pixel_codes, sizes.width, sizes.multipliers, sizes.num_res_blocks,
        )  # fmt: skip
    fill(tokenizer, tensors, {**NAMES, **painter_names(tokenizer.painter, sizes)})
    return tokenizer.eval()


def _transformer(tensors: Mapping[str, Tensor], half: str, heads: int | None) -> tuple[int, int, int]:
    """(D, depth, heads)."""
    dim = size(tensors, f"{half}.positional_embedding", 1)
    if (heads := heads or dim // 64) < 1 or dim % heads:
        raise ValueError(f"{heads} heads do not divide the width of the attention, {dim}: give --heads")
    return dim, depth_of(tensors, f"{half}.transformer.{{i}}."), heads


def painter_sizes(tensors: Mapping[str, Tensor]) -> Architecture:
    """What the shapes of the convolutional decoder tell."""
    width = size(tensors, f"{PAINTER}.norm_out.weight", 0)
    levels = depth_of(tensors, f"{PAINTER}.up.{{i}}.")
    wide = [size(tensors, f"{PAINTER}.up.{level}.block.0.conv1.weight", 0) for level in range(levels)]
    return Architecture(
        channels=size(tensors, f"{PAINTER}.conv_out.weight", 0),
        width=width,
        multipliers=tuple(channels // width for channels in wide),
        num_res_blocks=depth_of(tensors, f"{PAINTER}.up.0.block.{{i}}."),
        latent_channels=0,
        vocab_size=0,
        dim=0,
    )


def painter_names(painter: nn.Sequential, sizes: Architecture) -> Names:
    """The keys of the convolutional decoder, which is that of MaskGIT's tokenizer."""
    parts = (part for part in MaskGIT().parts(sizes) if part.startswith("decoder."))
    names = names_of(weighted_parts(painter, "painter."), parts, MaskGIT.keys.inner)
    return {own: tuple(f"pixel_{key}" for key in keys) for own, keys in names.items()}


def _flat(kernel: Tensor) -> Tensor:
    """(out, in) of a 1x1 convolution."""
    return kernel.flatten(1)


def _blocks(half: str) -> Names:
    own, key = f"{half}_blocks.{{i}}", f"{half}.transformer.{{i}}"
    return {
        f"{own}.norm_1": f"{key}.ln_1",
        f"{own}.attention.to_qkv.weight": f"{key}.attn.in_proj_weight",
        f"{own}.attention.to_qkv.bias": f"{key}.attn.in_proj_bias",
        f"{own}.attention.to_out": f"{key}.attn.out_proj",
        f"{own}.norm_2": f"{key}.ln_2",
        f"{own}.feed_forward.0": f"{key}.mlp.c_fc",
        f"{own}.feed_forward.2": f"{key}.mlp.c_proj",
        f"{half}_first": f"{half}.ln_pre",
        f"{half}_last": f"{half}.ln_post",
    }


def _cells(start: Tensor, places: Tensor, mask: Tensor | None = None) -> Tensor:
    """(1 + h w, D): what stands at the place before the cells, and at them beside what is read of the picture."""
    rest = places[1:] if mask is None else places[1:] + mask.flatten(0, 1)
    return torch.cat([start + places[:1], rest])


NAMES: Names = {
    "quantizer.codes": CODES,
    "pixel_codes": PIXEL_CODES,
    "patches": "encoder.patch_embed",
    "encoder_cells": Source(("encoder.class_embedding", "encoder.positional_embedding"), _cells),
    "latents": Source(("latent_tokens", MARK), torch.add),
    **_blocks("encoder"),
    "to_latent.weight": Source(("encoder.conv_out.weight",), _flat),
    "to_latent.bias": "encoder.conv_out.bias",
    "from_latent": "decoder.decoder_embed",
    "decoder_cells": Source(("decoder.class_embedding", "decoder.positional_embedding", "decoder.mask_token"), _cells),
    "decoder_tokens": "decoder.latent_token_positional_embedding",
    **_blocks("decoder"),
    "to_pixel_logits.0.weight": Source(("decoder.ffn.0.weight",), _flat),
    "to_pixel_logits.0.bias": "decoder.ffn.0.bias",
    "to_pixel_logits.2.weight": Source(("decoder.ffn.2.weight",), _flat),
    "to_pixel_logits.2.bias": "decoder.ffn.2.bias",
}
