"""Differentiable augmentation of what a discriminator sees."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.functional.random import Noise, Stream
from lightgen.registry import Component

NUM_DRAWS = 7


class DiffAugment(Component):
    """Shifts colours, moves the picture and cuts a square out, with gradients, on real and fake pictures alike.

    Args:
        colour: strength of the changes of brightness, saturation and contrast, in [0, 1]; 0 makes none.
        translation: the longest shift, as a share of the side, in [0, 1).
        cutout: side of the square, as a share of the picture's, in [0, 1).

    Raises:
        ValueError: if an argument is out of range.
    """

    kind: ClassVar[str] = "augmentation"
    source: ClassVar[str] = "Zhao et al., 2020, arXiv 2006.10738"

    def __init__(self, colour: float = 1.0, translation: float = 0.125, cutout: float = 0.5) -> None:
        if not 0 <= colour <= 1:
            raise ValueError(f"colour must be in [0, 1], not {colour}")
        if not (0 <= translation < 1 and 0 <= cutout < 1):
            raise ValueError(f"translation and cutout must be in [0, 1), not {translation} and {cutout}")
        self.colour = colour
        self.translation = translation
        self.cutout = cutout

    def __call__(self, images: Tensor, noise: Noise, step: int) -> Tensor:
        """Augment images (B, C, H, W) in [-1, 1]; each `step` of one noise is another augmentation."""
        u = noise.uniform(step, Stream.AUGMENT, NUM_DRAWS).to(images.dtype)
        x = shift_colours(images, self.colour * (u[:, :3] - 0.5))
        x = translate(x, (2 * u[:, 3:5] - 1) * self.translation)
        return cut_out(x, u[:, 5:7], self.cutout)


def shift_colours(images: Tensor, amounts: Tensor) -> Tensor:
    """Add to the brightness, then scale the saturation by 1 + 2a and the contrast by 1 + a.

    Args:
        images: (B, C, H, W).
        amounts: (B, 3), of brightness, saturation and contrast, in [-1/2, 1/2]; 0 changes nothing.
    """
    brightness, saturation, contrast = amounts[:, :, None, None, None].unbind(1)
    x = images + brightness
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (1 + 2 * saturation)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (1 + contrast)


def translate(images: Tensor, shift: Tensor) -> Tensor:
    """Move images (B, C, H, W) down and right by shares (B, 2) of their sides, to whole pixels; zeros move in."""
    batch, _, height, width = images.shape
    size = torch.tensor([height, width], device=images.device)
    moved = (shift * size).round().long()
    rows = torch.arange(height, device=images.device) - moved[:, :1]
    columns = torch.arange(width, device=images.device) - moved[:, 1:]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None]
    picture = torch.arange(batch, device=images.device)[:, None, None]
    taken = images.movedim(1, -1)[picture, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None]]
    return taken.movedim(-1, 1) * inside


def cut_out(images: Tensor, centre: Tensor, share: float) -> Tensor:
    """Set a rectangle of a share of both sides to zero in images (B, C, H, W); its centre (B, 2) is in [0, 1)^2."""
    masks = []
    for axis, length in enumerate(images.shape[2:]):
        side = round(length * share)
        start = (centre[:, axis : axis + 1] * length).floor() - side // 2
        position = torch.arange(length, device=images.device)
        masks.append((position >= start) & (position < start + side))
    return images * ~(masks[0][:, None, :, None] & masks[1][:, None, None])
