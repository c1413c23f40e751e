"""Reference pictures, which others shall be like, as a condition.

Weinbach et al., 2022, "M-VADER", arXiv 2212.02936: a context of pictures, texts and classes, each with a weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from lightgen.asking import LIKE, unweighed
from lightgen.assembly import Assembly
from lightgen.condition import Condition
from lightgen.for_each import each
from lightgen.functional.likeness import PICTURE
from lightgen.inpainting import known_pixels

One = Tensor | Image.Image
Like = One | tuple[One, float] | Sequence[One | tuple[One, float]] | None
"""One for all pictures, or one for each; None leaves it open. A tuple with a float behind is one with its weight."""


def references(prior: Assembly, like: Like, num_images: int) -> Condition:
    """The ids of reference pictures, as a network is told.

    Args:
        prior: whose tokenizer makes them.
        like: what B pictures shall be like.
        num_images: B.

    Raises:
        ValueError: if one is no picture, or a tensor of another size, or a weight is below 0.
    """
    if like is None:
        return Condition()
    given, weight = unweighed(like, num_images)
    pictures = each(given, num_images, LIKE, "picture")
    distinct = pictures if isinstance(given, (list, tuple)) else pictures[:1]
    images = torch.stack([picture(prior, one) for one in distinct])
    ids = prior.encode(images.to(prior.device)).cpu().expand(num_images, -1)
    return Condition({PICTURE: ids}, weights={} if weight is None else {PICTURE: weight})


def picture(prior: Assembly, given: One) -> Tensor:
    """uint8 (C, H, W) of the prior's size.

    Raises:
        ValueError: if it is no picture, or a tensor of another size.
    """
    if isinstance(given, int):
        raise ValueError(f"a reference picture must be a tensor or Pillow's, not {given}; a weight is a float, "
                         "as in (picture, 2.0)")  # fmt: skip
    size, channels = prior.tokenizer.image_size, prior.tokenizer.channels
    image, _ = known_pixels(given, None, size, channels)
    if tuple(image.shape) != (channels, *size):
        raise ValueError(f"a reference picture must be {(channels, *size)}, not {tuple(image.shape)}; Pillow's are "
                         "resized")  # fmt: skip
    return image
