"""What a score is compared with."""

from __future__ import annotations

from torch import Tensor

from lightgen.functional.random import Noise, Stream


def independent_tokens(ids_MN: Tensor, noise: Noise) -> Tensor:
    """Ids (B, N), each drawn from how often it stands at its position in M training grids: the bad end of any scale.

    Taking the token of a random grid is such a draw, and needs no table of frequencies.

    Args:
        ids_MN: (M, N) ids of the training pictures.
        noise: of B pictures.
    """
    return ids_MN.gather(0, noise.integers(0, Stream.REPLACE, ids_MN.shape[1], len(ids_MN)))
