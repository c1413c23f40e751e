"""Masks of pixels and of token cells; True is known, or whatever the argument's name says."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import max_pool2d

from lightgen.types import Grid


def token_mask(known_HW: Tensor, factor: Grid) -> Tensor:
    """(h, w) True where all pixels of a cell are known.

    McKinney and Willcocks, 2022, arXiv 2206.12351.

    Args:
        known_HW: (H, W) bool.
        factor: pixels of a cell, downwards and across; they divide H and W.
    """
    return known_HW.unflatten(0, (-1, factor[0])).unflatten(2, (-1, factor[1])).all(3).all(1)


def dilate(mask_HW: Tensor, margin: int) -> Tensor:
    """(H, W) True within `margin` steps, also diagonal ones, of any True."""
    grown = mask_HW[None].float()
    for size, padding in (((2 * margin + 1, 1), (margin, 0)), ((1, 2 * margin + 1), (0, margin))):
        grown = max_pool2d(grown, size, stride=1, padding=padding)
    return grown[0].bool()


def erode(mask_HW: Tensor, margin: int) -> Tensor:
    """(H, W) True only where no False is within `margin` steps; what is outside the mask does not count."""
    return ~dilate(~mask_HW, margin)
