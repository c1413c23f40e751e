"""What pictures of a prior that knows text or coarser ids are asked for where they are compared with held-out ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from lightgen.condition import Condition
from lightgen.conditioners.low_resolution import COARSE
from lightgen.data.collection import draw_caption
from lightgen.data.pictures import Pictures
from lightgen.data.token_dataset import TokenDataset, plain
from lightgen.functional.random import Noise, Stream
from lightgen.functional.text import CAPTION
from lightgen.prior import Prior


def held_out(
    prior: Prior,
    source: Pictures | TokenDataset,
    told: Mapping[str, Sequence[str]],
    seed: int,
    numbers: Sequence[int] | None = None,
) -> Condition:
    """What is said of pictures, a caption with the class and the style that it stands with, in an order drawn by seed.

    To a prior that reads the ids of coarser pictures, those are told too, of the same pictures. Nothing is said where
    the prior knows neither, or the data have neither: then each picture draws a class for itself.

    Args:
        prior: what it knows is kept, values of categories by its own numbers; those that it has not are hidden.
        source: of the pictures, which are not looked at.
        told: see `ImageData.conditions`.
        seed: of their order, and of which of several captions is taken.
        numbers: of the pictures; None takes all.
    """
    conditioner, there = prior.network.conditioner, list(range(len(source)) if numbers is None else numbers)
    names = () if conditioner is None else conditioner.names
    coarse = source.coarse if COARSE in names and isinstance(source, TokenDataset) else None
    if not there or (coarse is None and (CAPTION not in names or CAPTION not in told)):
        return Condition()
    order = Noise(seed, torch.zeros(1, dtype=torch.long)).uniform(0, Stream.ORDER, len(there)).argsort().squeeze(0)
    chosen = torch.tensor(there)[order]
    batch = source.described(chosen.tolist())
    batch["index"] = chosen
    draw_caption(batch, seed, 0)
    if coarse is not None:
        batch["condition"][COARSE] = coarse.layout.flatten(coarse.ids(plain(chosen)))
    found = Condition(batch["condition"], batch.get("hidden", {})).keep(names)
    for name, theirs in prior.categories.items():
        ours = told.get(name, ())
        if name in found.tensors and ours and list(ours) != list(theirs):
            number = torch.tensor([theirs.index(one) if one in theirs else -1 for one in ours])[found.tensors[name]]
            hidden = found.hidden.get(name, torch.tensor(False)) | (number < 0)
            found = found.replace(**{name: number.clamp_min(0)}).hide(name, rows=hidden)
    return found
