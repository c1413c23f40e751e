"""What networks that look at pictures have in common: what they take, how it is resized, where they run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from lightgen.functional.weights import normalisation, timm_model


@torch.no_grad()
def look(network: nn.Module, function: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """float32 result of a function that takes uint8 pictures (B, 3, H, W) through a network.

    Args:
        network: is brought to the pictures' device.
        function: what to call.
        images: uint8 (B, C, H, W); grey ones are repeated to three channels.

    Raises:
        ValueError: if pictures are not uint8 with 1 or 3 channels.
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"pictures must be uint8 (B, 1 or 3, H, W), not {images.dtype} {tuple(images.shape)}")
    network.to(images.device)
    # A score must not depend on the precision that a model happens to train in.
    with torch.autocast(images.device.type, enabled=False):
        return function(images.expand(-1, 3, -1, -1)).float()


def bicubic(images: Tensor, size: int) -> Tensor:
    """Pictures in [0, 255] to (B, C, size, size) float32 in [0, 255]: bicubic and antialiased, not rounded.

    This is Pillow's filter on float pixels, as Parmar et al., 2022, arXiv 2104.11222 recommend.
    """
    pixels = images.float()
    if pixels.shape[-2:] != (size, size):
        pixels = interpolate(pixels, (size, size), mode="bicubic", antialias=True).clamp_(0, 255)
    return pixels


def bilinear_tensorflow(images: Tensor, size: int) -> Tensor:
    """The same by the bilinear filter of TensorFlow 1, which aliases, and which the first FID was computed with."""
    resized: Tensor = interpolate_bilinear_2d_like_tensorflow1x(images.float(), (size, size), align_corners=False)
    return resized


class TimmPictures:
    """A timm model with the resizing and normalisation before it.

    Args:
        model: a timm model's name.
        size: pictures are resized to this; None takes the model's own size.
        checkpoint_path: weights of the model; None takes timm's cache.
        num_classes: of its classifier; 0 leaves the classifier out.

    Raises:
        ValueError: if the weights cannot be had, or `size` is below 1.
    """

    def __init__(self, model: str, size: int | None, checkpoint_path: str | None, num_classes: int = 0) -> None:
        if size is not None and size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self.network = timm_model(model, checkpoint_path, num_classes=num_classes)
        self.mean, self.std, own_size = normalisation(self.network)
        self.size = size or own_size
        self.resize = f"bicubic, antialiased, to {self.size}x{self.size}"
        weights = f":{Path(checkpoint_path).stem}" if checkpoint_path else ""
        self.name = f"{model.removeprefix('tf_').replace('_', '-')}@{self.size}{weights}"

    def __call__(self, images: Tensor) -> Tensor:
        """The network's output for uint8 pictures (B, 3, H, W)."""
        pixels = bicubic(images, self.size) / 255
        output: Tensor = self.network((pixels - self.mean.to(pixels)) / self.std.to(pixels))
        return output
