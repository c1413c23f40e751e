"""Reference pictures to train on: another picture of the same identity, or a part of the same one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from lightgen.data.index import ids_of
from lightgen.data.token_dataset import TokenDataset
from lightgen.functional.random import Noise, Stream


class References:
    """Looks up the ids of a reference, (B, N), by the numbers of pictures, (B,): always the same of a picture.

    Of a picture whose identity no other has, it is the picture itself, a share of whose cells is hidden (with V in
    their place), uniform in [1/2, 1): whoever saw all of it would learn to copy.

    Args:
        dataset: of one split.
        names: the identities of its pictures.
        seed: of the choices.
    """

    def __init__(self, dataset: TokenDataset, names: Sequence[str], seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self.partners = partners(names, seed)

    def __call__(self, numbers: Tensor) -> Tensor:
        chosen, layout = self.partners[numbers], self.dataset.layout
        ids = ids_of(self.dataset, torch.where(chosen < 0, numbers, chosen))
        chance = Noise(self.seed, numbers).uniform(0, Stream.REFERENCE, 1 + layout.num_cells)
        hidden = (chance[:, 1:] < (1 + chance[:, :1]) / 2) & (chosen < 0)[:, None]
        return ids.masked_fill(hidden.repeat_interleave(layout.num_codes, 1), layout.vocab_size)


def partners(names: Sequence[str], seed: int) -> Tensor:
    """(n,) int64: of each picture another one of the same name, drawn by seed; -1 where there is none."""
    groups: dict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        groups[name].append(number)
    chance = Noise.of(seed, len(names)).uniform(1, Stream.REFERENCE, 1).squeeze(1).tolist()
    found = torch.full((len(names),), -1)
    for group in groups.values():
        for place, number in enumerate(group if len(group) > 1 else ()):
            found[number] = group[(place + 1 + int(chance[number] * (len(group) - 1))) % len(group)]
    return found
