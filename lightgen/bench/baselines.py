"""Pictures that no sampler made: what scores are held against."""

from __future__ import annotations

import torch
from torch import Tensor

from lightgen.bench.measurement import Source
from lightgen.data.pictures import Pictures
from lightgen.functional.random import Noise, Stream
from lightgen.prior import Prior

BASELINES: tuple[Source, ...] = ("training pictures", "reconstructions", "independent tokens")
"""From good to bad: what a perfect generator makes, the tokenizer alone, no order among the tokens."""
BATCH = 64


@torch.no_grad()
def baseline(source: Source, prior: Prior, train: Pictures, seed: int, num_images: int) -> Tensor:
    """uint8 pictures (at most num_images, C, H, W).

    Args:
        source: one of `BASELINES`.
        prior: of whose tokenizer.
        train: the training pictures, of which evenly many are taken.
        seed: of independent tokens.
        num_images: how many.
    """
    some = torch.linspace(0, len(train) - 1, min(num_images, len(train))).round().long().tolist()
    if source == "training pictures":
        return train.__getitems__(some)["image"]
    numbers = some if source == "reconstructions" else list(range(len(train)))
    parts = [numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)]
    ids = torch.cat([prior.encode(train.__getitems__(part)["image"]) for part in parts])
    if source == "independent tokens":
        ids = independent_tokens(ids, Noise.of(seed, num_images))
    return torch.cat([prior.decode(part) for part in ids.split(BATCH)])


def independent_tokens(ids_MN: Tensor, noise: Noise) -> Tensor:
    """Ids (B, N), each drawn from how often it stands at its position in M training grids: the bad end of any scale.

    Taking the token of a random grid is such a draw, and needs no table of frequencies.

    Args:
        ids_MN: (M, N) ids of the training pictures.
        noise: of B pictures.
    """
    return ids_MN.gather(0, noise.integers(0, Stream.REPLACE, ids_MN.shape[1], len(ids_MN)))
