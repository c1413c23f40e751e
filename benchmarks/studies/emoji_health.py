"""What the benchmarks share that look at trained tokenizers: their health on held-out pictures."""

from __future__ import annotations

import torch

from lightgen.data.emoji import Emoji
from lightgen.data.pictures import Pictures
from lightgen.losses.perceptual import Perceptual
from lightgen.metrics.features import EfficientNetLite0
from lightgen.metrics.health import Health
from lightgen.tokenizers.base import Tokenizer

BATCH = 32


def health_on_emoji(tokenizer: Tokenizer, perceptual: Perceptual | None = None) -> dict[str, float]:
    """Scores of all held-out emoji sent through a tokenizer in eval mode; with a perceptual distance if given."""
    return health_on(Emoji().dataset("val"), tokenizer, perceptual)


@torch.no_grad()
def health_on(pictures: Pictures, tokenizer: Tokenizer, perceptual: Perceptual | None = None) -> dict[str, float]:
    """The same of any pictures."""
    health = Health(tokenizer.layout, EfficientNetLite0(), perceptual)
    for index in torch.arange(len(pictures)).split(BATCH):
        health.update(tokenizer, pictures.__getitems__(index.tolist())["image"], index)
    return {name: float(value) for name, value in health.compute().items()}
