"""Convolutional parts of the VQ-GAN (Esser et al., 2021, arXiv 2012.09841), in channels-last memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention, silu


def norm(channels: int, group_size: int = 1) -> nn.GroupNorm:
    """GroupNorm with 32 groups, or as many of them as divide a small number of channels into groups of a least size."""
    return nn.GroupNorm(math.gcd(32, max(1, channels // group_size)), channels, eps=1e-6)


def conv3(channels_in: int, channels_out: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


class ResidualBlock(nn.Module):
    """(B, C_in, H, W) to (B, C_out, H, W): norm, SiLU, conv, twice, added to the input."""

    def __init__(self, channels_in: int, channels_out: int, group_size: int = 1) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(channels_in, group_size), conv3(channels_in, channels_out)
        self.norm2, self.conv2 = norm(channels_out, group_size), conv3(channels_out, channels_out)
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(silu(self.norm1(x), inplace=True))
        h = self.conv2(silu(self.norm2(h), inplace=True))
        out: Tensor = h + self.skip(x)
        return out


class SpatialAttention(nn.Module):
    """Single-head self-attention over all positions of (B, C, H, W), added to the input."""

    def __init__(self, channels: int, group_size: int = 1) -> None:
        super().__init__()
        self.norm = norm(channels, group_size)
        self.to_qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.to_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_qkv(self.norm(x)).flatten(2).transpose(1, 2).unsqueeze(1).chunk(3, dim=-1)
        h = scaled_dot_product_attention(q, k, v).squeeze(1).transpose(1, 2).unflatten(2, x.shape[2:])
        out: Tensor = x + self.to_out(h)
        return out


class Downsample(nn.Conv2d):
    """Halves height and width; pads on the right and at the bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad(x, (0, 1, 0, 1)))


class Upsample(nn.Sequential):
    """Doubles height and width: nearest neighbour, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Upsample(scale_factor=2, mode="nearest"), conv3(channels, channels))


def middle(channels: int, attention: bool, group_size: int = 1) -> nn.Sequential:
    """Residual, attention if wanted, residual."""
    between = [SpatialAttention(channels, group_size)] if attention else []
    first, last = (ResidualBlock(channels, channels, group_size) for _ in range(2))
    return nn.Sequential(first, *between, last)


def channels_last(module: nn.Sequential) -> nn.Sequential:
    """Lay out convolution weights as channels-last, which is the faster order on CPUs and tensor cores."""
    return module.to(memory_format=torch.channels_last)
