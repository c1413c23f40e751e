"""What the studies share that look at trained priors: reading them, emoji as ids, ids as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lightgen.checkpoint import load
from lightgen.condition import Condition
from lightgen.data.base import Split
from lightgen.data.emoji import Emoji
from lightgen.data.pictures import Pictures
from lightgen.functional.random import Noise
from lightgen.prior import Prior
from lightgen.recipe import Recipe

BATCH = 64


def read(paths: Sequence[str]) -> dict[str, Prior]:
    """Priors by the name of their process; they must have one tokenizer."""
    priors = {type(prior.process).__name__: prior for prior in (load(path, "prior") for path in paths)}
    first = next(iter(priors.values())).tokenizer.state_dict()
    for name, prior in priors.items():
        same = all(torch.equal(tensor, first[key]) for key, tensor in prior.tokenizer.state_dict().items())
        if not same:
            raise SystemExit(f"{name} was trained with another tokenizer than the first prior")
    return priors


def ids_and_labels(prior: Prior, split: Split) -> tuple[Tensor, Tensor]:
    """Ids (n, N) and classes (n,) of a split of the emoji."""
    pictures = Emoji().dataset(split)
    return encoded(prior, pictures.images()), pictures.condition()["label"]


def encoded(prior: Prior, images: Tensor) -> Tensor:
    """Ids (n, N) of any number of pictures."""
    return torch.cat([prior.encode(batch) for batch in images.split(BATCH)])


def decoded(prior: Prior, ids: Tensor) -> Tensor:
    """Pictures (n, C, H, W) uint8 of any number of ids."""
    return torch.cat([prior.decode(batch) for batch in ids.split(BATCH)])


def sampled(prior: Prior, asked: Condition, num: int, recipe: Recipe | None = None) -> Tensor:
    """So many pictures (num, C, H, W) uint8 of seed 0, by the prior's own recipe if by no other."""
    made = []
    for (index,) in batches(torch.arange(num)):
        made.append(prior.decode(prior.sample_ids(Noise(0, index), recipe, asked.select(index)).ids))
    return torch.cat(made)


def some(pictures: Pictures, num: int) -> tuple[Tensor, Tensor]:
    """So many pictures (num, C, H, W) of a split of the emoji, from all over it, and their classes."""
    batch = pictures.__getitems__([i * len(pictures) // num for i in range(num)])
    return batch["image"], batch["condition"]["label"]


def batches(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Several tensors in step, a batch at a time."""
    yield from zip(*(tensor.split(BATCH) for tensor in tensors), strict=True)
