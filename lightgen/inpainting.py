"""Pictures of which a part is known: holes are filled, and a picture is continued on a larger canvas.

McKinney and Willcocks, 2022, arXiv 2206.12351: a token is known only if every pixel of its cell is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lightgen.assembly import Assembly, Beginning
from lightgen.functional.masks import erode, token_mask
from lightgen.functional.pictures import Filter, to_pil, to_tensor
from lightgen.functional.random import Noise
from lightgen.functional.tiling import canvas_offset
from lightgen.layout import Layout
from lightgen.types import NEUTRAL, Canvas, Grid

SUPPORT: dict[Filter, float] = {"lanczos": 3.0, "bicubic": 2.0, "bilinear": 1.0, "box": 0.5}
"""How far Pillow's filters reach, in pixels of the smaller of the two sizes."""
WHITE = 128
"""Pixels of a mask from this grey upwards are to be painted."""


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

    def begin(self, prior: Assembly, noise: Noise) -> Beginning:
        """Where the pictures of `noise` begin."""
        return Beginning(*self.rows(len(noise.index), prior.device))

    def composite(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, H, W) with the known pixels put back."""
        return torch.where(self.pixels.to(images.device), self.image.to(images.device), images)

    def shown(self, layout: Layout) -> Tensor:
        """(C, H, W) uint8: what the sampler is given, in a layout of tokens; neutral where a cell is not known."""
        known = layout.pixels(self.tokens.cpu(), (self.image.shape[1], self.image.shape[2]))
        return torch.where(known, self.image, NEUTRAL)[0]


def known_pixels(
    image: Tensor | Image.Image, mask: Tensor | Image.Image | None, size: tuple[int, int], channels: int
) -> tuple[Tensor, Tensor]:
    """A picture, uint8 (C, H, W), and its known pixels, (H, W) bool, of tensors or of Pillow's.

    Args:
        image: uint8 (C, H, W), or Pillow's, which is resized and cropped as in training.
        mask: bool (H, W), True where to paint, or Pillow's: see `masked`; None knows all.
        size: (H, W) of the picture that Pillow's becomes.
        channels: of that.

    Raises:
        ValueError: if they are anything else, or Pillow's do not fit each other.
    """
    for name, given in (("image", image), ("mask", mask)):
        if not isinstance(given, (Tensor, Image.Image)) and (given is not None or name == "image"):
            raise ValueError(f"{name} must be a tensor or a picture of Pillow, not {type(given).__name__}")
    if isinstance(image, Tensor) and (image.dtype != torch.uint8 or image.ndim != 3):
        raise ValueError(f"image must be uint8 (C, H, W), not {image.dtype} {tuple(image.shape)}")
    if isinstance(mask, Tensor) and (mask.dtype != torch.bool or mask.ndim != 2):
        raise ValueError(f"mask must be bool (H, W), True where to paint, not {mask.dtype} {tuple(mask.shape)}")
    if isinstance(image, Tensor) and not isinstance(mask, Image.Image):
        return image.cpu(), torch.ones(image.shape[1:], dtype=torch.bool) if mask is None else ~mask.cpu()
    if isinstance(image, Tensor):
        (image,) = to_pil(image[None])
    if isinstance(mask, Tensor):
        (mask,) = to_pil(mask[None, None].to(torch.uint8) * 255)
    return masked(image, mask, size, channels)


def masked(
    picture: Image.Image, mask: Image.Image | None, size: tuple[int, int], channels: int, resize: Filter = "lanczos"
) -> tuple[Tensor, Tensor]:
    """A picture, uint8 (C, H, W), as in training, and its known pixels, (H, W) True where the mask is black.

    Where the picture is resized, a pixel is known only if no pixel that it is made of is to be painted.

    Args:
        picture: of any mode and size.
        mask: as large; white or transparent where the picture is to be painted. None knows all.
        size: (H, W) to resize to and crop at the centre.
        channels: 1 or 3.
        resize: Pillow's filter.

    Raises:
        ValueError: if the sizes differ, or there is no such number of channels in pictures.
    """
    if channels not in (1, 3):
        raise ValueError(f"a picture gives 1 or 3 channels, but this prior makes {channels}")
    picture, mask = ImageOps.exif_transpose(picture), None if mask is None else ImageOps.exif_transpose(mask)
    shown = to_tensor(picture, size, channels, resize)
    if mask is None:
        return shown, torch.ones(size, dtype=torch.bool)
    if mask.size != picture.size:
        given, needed = ("x".join(map(str, one.size)) for one in (mask, picture))
        raise ValueError(f"the mask must be as large as the picture, {needed}, not {given}")
    return shown, _resized(to_tensor(mask, mask.size[::-1], 1, resize)[0] < WHITE, size, resize)


def _resized(known: Tensor, size: tuple[int, int], resize: Filter) -> Tensor:
    """Known pixels (H, W) of the picture that `to_tensor` makes of one whose known pixels these are."""
    if tuple(known.shape) == size:
        return known
    scale = min(known.shape[0] / size[0], known.shape[1] / size[1])
    reach = math.ceil(SUPPORT[resize] * max(scale, 1)) + 1
    # The pixel in the middle, of a mask shrunk by the filter's reach, stands for all that the filter sees.
    shrunk = Image.fromarray(erode(known, reach).numpy().astype(np.uint8))
    return torch.from_numpy(np.array(ImageOps.fit(shrunk, size[::-1], Image.Resampling.NEAREST))).bool()


def known_cells(prior: Assembly, pixels: Tensor, margin: int) -> Tensor:
    """(h, w) True where a cell is known, and so are all within a margin of it; pixels are (H, W) True where known."""
    (height, width), (h, w) = pixels.shape, prior.layout().grid
    return erode(token_mask(pixels, (height // h, width // w)), margin)


def known_region(
    prior: Assembly,
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
    cells = known_cells(prior, pixels, margin)
    if grid == window and bool(pixels.all()):
        raise ValueError("there is nothing to paint: everything is known")
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
