"""What the benchmarks share that look at trained priors: reading them, and the held-out emoji as ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lightgen.checkpoint import load
from lightgen.data.base import Split
from lightgen.data.emoji import Emoji
from lightgen.data.pictures import Pictures
from lightgen.prior import Prior

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
    return torch.cat([prior.encode(batch) for batch in pictures.images().split(BATCH)]), pictures.condition()["label"]


def some(pictures: Pictures, num: int) -> tuple[Tensor, Tensor]:
    """So many pictures (num, C, H, W) of a split of the emoji, from all over it, and their classes."""
    batch = pictures.__getitems__([i * len(pictures) // num for i in range(num)])
    return batch["image"], batch["condition"]["label"]


def batches(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Several tensors in step, a batch at a time."""
    yield from zip(*(tensor.split(BATCH) for tensor in tensors), strict=True)
