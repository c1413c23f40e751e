"""Pictures of which a part is known: holes are filled, and a picture is continued on a larger canvas.

McKinney and Willcocks, 2022, arXiv 2206.12351: a token is known only if every pixel of its cell is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lightgen.functional.masks import erode, token_mask
from lightgen.functional.tiling import canvas_offset
from lightgen.layout import Layout
from lightgen.prior import Prior
from lightgen.types import Canvas, Grid

NEUTRAL = 128
"""The grey that stands where nothing is known."""


@dataclass(frozen=True)
class KnownRegion:
    """What is known of a picture, or of a canvas that it lies on: where `Prior.sample_ids` starts."""

    ids: Tensor
    """(1, N) token ids; what stands where a token is not known means nothing."""
    tokens: Tensor
    """(1, N) True where a token is known."""
    image: Tensor
    """(C, H, W) uint8, the picture on its canvas; where a pixel is not known, only people look at it."""
    pixels: Tensor
    """(H, W) True where a pixel is known."""
    canvas: Canvas | None
    """Of the picture; None is one window."""

    def rows(self, num: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """The ids (num, N) and where they are known, for several draws."""
        return self.ids.expand(num, -1).to(device), self.tokens.expand(num, -1).to(device)

    def composite(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, H, W) with the known pixels put back."""
        return torch.where(self.pixels.to(images.device), self.image.to(images.device), images)

    def shown(self, layout: Layout) -> Tensor:
        """(C, H, W) uint8: what the sampler is given, in a layout of tokens; neutral where a cell is not known."""
        cells = self.tokens.cpu().view(*layout.grid, -1)[..., 0]
        for axis in (0, 1):
            cells = cells.repeat_interleave(self.image.shape[1 + axis] // layout.grid[axis], axis)
        return torch.where(cells, self.image, NEUTRAL)


def known_region(
    prior: Prior,
    image: Tensor,
    pixels: Tensor,
    margin: int = 1,
    canvas: Canvas | None = None,
    at: Canvas | None = None,
) -> KnownRegion:
    """The tokens that are known where some pixels of a picture are.

    What lies under the unknown pixels makes no difference at all: it is replaced by grey before the picture is encoded.
    That grey lies within the encoder's view of the cells nearby, hence the margin.

    Args:
        prior: its tokenizer encodes the picture.
        image: (C, H, W) uint8, of the prior's size.
        pixels: (H, W) True where a pixel is known.
        margin: cells around an unknown one that are redrawn too.
        canvas: rows and columns in windows; all is unknown around the picture.
        at: where on the canvas the picture's first row and column lie, in windows; None is the middle.

    Raises:
        ValueError: if sizes do not fit, nothing or everything is known, or the picture leaves the canvas.
    """
    tokenizer = prior.tokenizer
    if image.shape != (tokenizer.channels, *tokenizer.image_size) or pixels.shape != image.shape[1:]:
        raise ValueError(
            f"the picture and its mask must be {(tokenizer.channels, *tokenizer.image_size)} and "
            f"{tokenizer.image_size}, not {tuple(image.shape)} and {tuple(pixels.shape)}"
        )
    if margin < 0:
        raise ValueError(f"margin must be at least 0, not {margin}")
    if not prior.layout().is_grid:
        raise ValueError("a part of a picture can be kept only where tokens stand on a grid; this prior's do not")
    window, grid = prior.layout().grid, prior.layout(canvas).grid
    factor = (pixels.shape[0] // window[0], pixels.shape[1] // window[1])
    if grid == window and bool(pixels.all()):
        raise ValueError("there is nothing to paint: everything is known")
    cells = erode(token_mask(pixels, factor), margin)
    if not bool(cells.any()):
        raise ValueError(f"with margin {margin} the mask leaves no token known; see `lightgen sample`")
    ids = prior.encode(torch.where(pixels, image, NEUTRAL)[None].to(prior.device)).view(*window, -1)
    row, column = canvas_offset(window, grid, at)

    def laid(part: Tensor, cell: Grid, blank: int) -> Tensor:
        """A part (h, w, ...) of so many rows and columns for each token cell, on a blank canvas."""
        canvas = part.new_full((grid[0] * cell[0], grid[1] * cell[1], *part.shape[2:]), blank)
        canvas[row * cell[0] :, column * cell[1] :][: part.shape[0], : part.shape[1]] = part
        return canvas

    return KnownRegion(
        laid(ids, (1, 1), 0).view(1, -1),
        laid(cells.to(ids.device)[..., None].expand(ids.shape), (1, 1), 0).reshape(1, -1),
        laid(image.permute(1, 2, 0), factor, NEUTRAL).permute(2, 0, 1),
        laid(pixels, factor, 0),
        canvas,
    )
