"""What a sampler calls: network, condition, warps and evaluation counter as one object."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

from torch import Tensor

from lightgen.types import Grid, Reverse
from lightgen.warps import Warps

NetworkLike = Callable[[Tensor, Tensor | None, Tensor | None], Tensor]
"""`(ids_BN, time_B, label_B) -> logits_BNV`: a `Network`, or any function in its place."""


class Denoiser:
    """A network with the condition of a batch bound to it.

    Args:
        network: `(ids_BN, time_B, label_B) -> logits_BNV`.
        label_B: (B,) class ids, or None.
        warps: applied to the logits of every call.
        grid: (h, w) of the tokens, for samplers that go by position.
        process: what the network was trained with, for samplers that step back in time.
    """

    def __init__(
        self,
        network: NetworkLike,
        label_B: Tensor | None = None,
        warps: Warps | None = None,
        grid: Grid | None = None,
        process: Reverse | None = None,
    ) -> None:
        self.network = network
        self.label_B = label_B
        self.warps = warps or Warps()
        self.grid = grid
        self.process = process
        self.evaluations = 0
        """Network evaluations of each row so far."""

    def __call__(self, ids_BN: Tensor, time: Tensor | None = None, progress: float = 0.0) -> Tensor:
        """Warped float32 logits (B, N, V) of the clean ids.

        Args:
            ids_BN: (B, N) current ids.
            time: (B,) noise level in [0, 1], for networks that read it.
            progress: share of the sampling done, in [0, 1]; moves temperature ramps.
        """
        self.evaluations += 1
        return self.warps(self.network(ids_BN, time, self.label_B).float(), progress)

    def select(self, rows: Tensor) -> Denoiser:
        """The denoiser of some rows of the batch (a boolean mask (B,)), as finished pictures leave."""
        selected = copy(self)
        selected.label_B = None if self.label_B is None else self.label_B[rows]
        return selected
