"""Pictures against captions: what a scorer is trained by, and how often it finds the right one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightgen.functional.random import Noise, Stream


def contrastive_loss(logits_BB: Tensor, same_BB: Tensor) -> Tensor:
    """Mean of the cross entropies of captions given pictures (rows) and of pictures given captions (columns).

    Several pictures of a batch may have one caption. None of these pairs is wrong, so the target is spread over all of
    them (UniCL, Yang et al., 2022, arXiv 2204.03610); where all captions differ, it is CLIP's (Radford et al., 2021,
    arXiv 2103.00020).

    Args:
        logits_BB: scaled cosines of each picture with each caption.
        same_BB: whether the captions of two pictures are the same.
    """
    target = same_BB.to(logits_BB.dtype)
    target = target / target.sum(1, keepdim=True)
    return (cross_entropy(logits_BB, target) + cross_entropy(logits_BB.T, target)) / 2


def recall_at_one(images: Tensor, texts: Tensor, keys: Tensor, num_texts: int, seed: int = 0) -> Tensor:
    """Share of pictures that are nearest to their own of some captions, the others of which are drawn: R@1.

    Which captions stand against one another depends on these alone, not on the order of the pictures. Where several are
    equally near, it is the chance to pick the right one.

    Args:
        images: (n, E) unit vectors of pictures.
        texts: (n, E) of the caption of each.
        keys: (n,) int64, one for each different caption.
        num_texts: captions that each picture is shown, its own included.
        seed: of the draw.

    Raises:
        ValueError: if there are fewer different captions.
    """
    different, number = keys.unique(return_inverse=True)
    if not 2 <= num_texts <= len(different):
        raise ValueError(f"the captions to choose from must be at least 2 and at most the {len(different)} different "
                         f"ones that there are, not {num_texts}")  # fmt: skip
    own = number[:, None] == torch.arange(len(different), device=number.device)
    first = own.int().argmax(0)
    chance = Noise(seed, keys).uniform(0, Stream.CAPTION, len(different)).masked_fill(own, 2.0)
    shown = chance.topk(num_texts, 1).indices
    cosine = (images @ texts[first].T).gather(1, shown)
    best = cosine == cosine.amax(1, keepdim=True)
    return (best[:, 0] / best.sum(1)).mean()
