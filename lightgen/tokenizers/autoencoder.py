"""Images to latents, and latents to images: the two halves of the VQ-GAN."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from lightgen.tokenizers.layers import Downsample, ResidualBlock, SpatialAttention, Upsample, conv3, middle, norm


def encoder(
    channels: int, width: int, multipliers: Sequence[int], num_res_blocks: int, attention: Sequence[bool],
    middle_attention: bool, patch: int, latent_channels: int, dim: int, group_size: int,
) -> nn.Sequential:  # fmt: skip
    """(B, channels, H, W) to (B, dim, h, w).

    Args:
        channels: of the image.
        width: channels at full resolution.
        multipliers: of the width at each level; the size halves between levels.
        num_res_blocks: at each level.
        attention: whether each level has attention after its residual blocks.
        middle_attention: whether there is attention between the residual blocks next to the latent.
        patch: pixels per side that the stem folds into one position.
        latent_channels: between the 3x3 and the 1x1 convolution next to the latent.
        dim: of the latent.
        group_size: the least number of channels that are normalised together.
    """
    parts: list[nn.Module] = [nn.PixelUnshuffle(patch)] if patch > 1 else []
    parts.append(conv3(channels * patch**2, width))
    current = width
    for level, multiplier in enumerate(multipliers):
        for _ in range(num_res_blocks):
            parts.append(ResidualBlock(current, width * multiplier, group_size))
            current = width * multiplier
            if attention[level]:
                parts.append(SpatialAttention(current, group_size))
        if level + 1 < len(multipliers):
            parts.append(Downsample(current))
    parts += [middle(current, middle_attention, group_size), norm(current, group_size), nn.SiLU(inplace=True)]
    parts += [conv3(current, latent_channels), nn.Conv2d(latent_channels, dim, 1)]
    return nn.Sequential(*parts)


def decoder(
    channels: int, width: int, multipliers: Sequence[int], num_res_blocks: int, attention: Sequence[bool],
    middle_attention: bool, patch: int, latent_channels: int, dim: int, group_size: int,
) -> nn.Sequential:  # fmt: skip
    """(B, dim, h, w) to (B, channels, H, W); the arguments are those of `encoder`, with residual blocks of its own."""
    current = width * multipliers[-1]
    parts: list[nn.Module] = [nn.Conv2d(dim, latent_channels, 1), conv3(latent_channels, current)]
    parts.append(middle(current, middle_attention, group_size))
    for level in reversed(range(len(multipliers))):
        for _ in range(num_res_blocks):
            parts.append(ResidualBlock(current, width * multipliers[level], group_size))
            current = width * multipliers[level]
            if attention[level]:
                parts.append(SpatialAttention(current, group_size))
        if level > 0:
            parts.append(Upsample(current))
    parts += [norm(current, group_size), nn.SiLU(inplace=True), conv3(current, channels * patch**2)]
    if patch > 1:
        parts.append(nn.PixelShuffle(patch))
    return nn.Sequential(*parts)
