"""Whole pictures that are changed without a mask: tokens are destroyed, and a sampler goes on from there.

Chang et al., 2023, "Muse", arXiv 2301.00704, edit without a mask on tokens; Meng et al., 2021, "SDEdit", arXiv
2108.01073, start diffusion in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from lightgen.assembly import Assembly, Beginning
from lightgen.functional.random import Noise
from lightgen.inpainting import known_pixels
from lightgen.processes.diffusion import Diffusion
from lightgen.samplers.base import require_restart
from lightgen.samplers.diffusing import time_of


@dataclass(frozen=True)
class Edit:
    """What is given of pictures that are changed; picture i of a run is made of picture i modulo P.

    Args:
        ids: (P, N) clean token ids.
        strength: the share of the tokens in [0, 1] that is destroyed: see `noised`.
    """

    ids: Tensor
    strength: float
    canvas: ClassVar[None] = None

    def begin(self, prior: Assembly, noise: Noise) -> Beginning:
        """Where the pictures of `noise` begin."""
        ids = self.ids.to(prior.device)[noise.index % len(self.ids)]
        ids, start = noised(prior, ids, self.strength, noise)
        return Beginning(ids, None, start)


def noised(prior: Assembly, ids_BN: Tensor, strength: float, noise: Noise) -> tuple[Tensor, float]:
    """Ids of pictures with a share of the tokens destroyed as in training, and the time at which they stand.

    Those are `ids_BN` and `start` of `Prior.iterate` and `Prior.sample_ids`, which go on from there.

    Args:
        prior: in whose training tokens are destroyed.
        ids_BN: (B, N) clean ids.
        strength: the share, in [0, 1]: each token is destroyed with this probability.
        noise: of the B pictures.

    Raises:
        ValueError: if the share is out of range, or the prior is autoregressive.
    """
    start, process = start_of(prior, strength), prior.process
    assert isinstance(process, Diffusion)
    return process.corrupt(ids_BN, torch.full_like(noise.index, start, dtype=torch.float64), noise), start


def start_of(prior: Assembly, strength: float) -> float:
    """The time at which a prior's process has destroyed a share of the tokens.

    Raises:
        ValueError: if the share is out of range, or the prior is autoregressive.
    """
    if not (isinstance(strength, Real) and 0 <= strength <= 1):
        raise ValueError(f"strength must be in [0, 1], not {strength!r}")
    require_restart(prior.process.family)
    # The ends are exact: nothing is destroyed, or everything is, and sampling begins.
    if strength in (0, 1):
        return float(strength)
    process: Any = prior.process
    return float(time_of(process, torch.tensor([strength], dtype=torch.float64)))


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
