"""Whole pictures that are changed without a mask: tokens are destroyed, and a sampler goes on from there.

Chang et al., 2023, "Muse", arXiv 2301.00704, edit without a mask on tokens; Meng et al., 2021, "SDEdit", arXiv
2108.01073, start diffusion in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from PIL import Image
from torch import Tensor

from lightgen.assembly import Assembly, Beginning
from lightgen.functional.random import Noise
from lightgen.inpainting import known_pixels


@dataclass(frozen=True)
class Edit:
    """What is given of pictures that are changed; picture i of a run is made of picture i modulo P.

    Args:
        ids: (P, N) clean token ids.
        strength: the share of the tokens in [0, 1] that is destroyed: see `Assembly.noised`.
    """

    ids: Tensor
    strength: float
    canvas: ClassVar[None] = None

    def begin(self, prior: Assembly, noise: Noise) -> Beginning:
        """Where the pictures of `noise` begin."""
        ids = self.ids.to(prior.device)[noise.index % len(self.ids)]
        ids, start = prior.noised(ids, self.strength, noise)
        return Beginning(ids, None, start)


def whole_pictures(
    images: Tensor | Image.Image | Sequence[Image.Image], size: tuple[int, int], channels: int
) -> Tensor:
    """uint8 (P, C, H, W) of tensors, or of pictures of Pillow's, which are resized and cropped as in training.

    Raises:
        ValueError: if they are anything else, or tensors of another size.
    """
    if isinstance(images, Tensor):
        whole = images if images.ndim == 4 else images[None]
        if whole.dtype != torch.uint8 or tuple(whole.shape[1:]) != (channels, *size) or not len(whole):
            needed = (channels, *size)
            raise ValueError(f"images must be uint8, of shape (P, {', '.join(map(str, needed))}) or {needed}, not "
                             f"{images.dtype} {tuple(images.shape)}")  # fmt: skip
        return whole
    several = [images] if isinstance(images, Image.Image) else images
    if not isinstance(several, (list, tuple)) or not several:
        raise ValueError(f"images must be a tensor, or one or several pictures of Pillow, not {images!r}")
    return torch.stack([known_pixels(image, None, size, channels)[0] for image in several])
