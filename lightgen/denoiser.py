"""What a sampler calls: network, condition, guidance, warps and evaluation counter as one object."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import torch
from torch import Tensor

from lightgen.guidance import Guidance
from lightgen.types import Diffusing, Grid, Incremental, Ordered, Reader
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
        guidance: towards the class; needs `label_B` and `null`.
        null: the id of "no class".
        reads_time: whether the network makes use of the time.
        critic: a second network, `(ids_BN, None, label_B) -> (B, N, 1)`: how likely each token is wrong, as a logit.
    """

    evaluations: Tensor
    """(B,) network evaluations of each row so far, once `bind` was called."""
    rows: Tensor
    """(A,) where the rows that are still sampled stand in the batch."""
    positions: list[int]
    """Of a causal network on its way: all of them, in its order."""
    reader: Reader
    """Of such a network."""
    branches: list[Tensor | None]
    """The classes (A,) that such a network is evaluated for: one, or two where guidance needs both."""

    def __init__(
        self,
        network: NetworkLike,
        label_B: Tensor | None = None,
        warps: Warps | None = None,
        grid: Grid | None = None,
        process: Diffusing | None = None,
        guidance: Guidance | None = None,
        null: int | None = None,
        reads_time: bool = False,
        critic: NetworkLike | None = None,
    ) -> None:
        self.network = network
        self.label_B = label_B
        self.warps = warps or Warps()
        self.grid = grid
        self.process = process
        self.guidance = guidance if label_B is not None else None
        self.null = null
        self.reads_time = reads_time
        self.critic = critic

    def bind(self, rows: Tensor) -> Denoiser:
        """The denoiser for a whole batch, with its counter at zero; rows: (B,) 0 to B - 1."""
        bound = copy(self)
        bound.rows, bound.evaluations = rows, torch.zeros_like(rows)
        return bound

    def select(self, rows: Tensor) -> Denoiser:
        """The denoiser of some of its rows (a boolean mask (A,)); it goes on counting in the same place."""
        selected = copy(self)
        selected.rows = self.rows[rows]
        selected.label_B = None if self.label_B is None else self.label_B[rows]
        return selected

    @property
    def steady(self) -> bool:
        """Whether equal ids give equal logits at every step, so that an evaluation can be used again."""
        constant = self.warps.constant and (self.guidance is None or self.guidance.constant)
        return constant and not self.reads_time

    def __call__(self, ids_AN: Tensor, time: float | None = None, progress: float = 0.0) -> Tensor:
        """Warped float32 logits (A, N, V) of the clean ids.

        Args:
            ids_AN: (A, N) current ids.
            time: noise level in [0, 1], for networks that read it.
            progress: share of the sampling done, in [0, 1]; moves the ramps of temperature and guidance.
        """
        time_A = None if time is None else torch.full((len(ids_AN),), time, device=ids_AN.device)
        return self.warps(self._guided(ids_AN, time_A, progress).float(), progress)

    def critique(self, ids_AN: Tensor) -> Tensor:
        """How likely each token is wrong, as float32 logits (A, N); costs one network evaluation.

        Raises:
            ValueError: if there is no critic.
        """
        if self.critic is None:
            raise ValueError("there is no critic to ask")
        self._count()
        return self.critic(ids_AN, None, self.label_B).squeeze(-1).float()

    def at(self, step: int, ids_AN: Tensor, progress: float = 0.0) -> tuple[int, Tensor]:
        """The position that comes at a step in the order of a causal network, and its warped float32 logits (A, V).

        Steps go from 0 on, one by one. Where guidance needs both branches at any of them, both are evaluated at all,
        because a network that remembers what it has read must have read everything.

        Args:
            step: place in the order.
            ids_AN: (A, N), of which the ids at the positions before count.
            progress: as above.
        """
        if step == 0:
            self._begin(ids_AN)
        self._count(len(self.branches))
        if len(self.branches) == 1:
            logits = self.reader(ids_AN, step).float()
        else:
            assert self.guidance is not None
            logits = _mixed(self.reader(ids_AN.repeat(2, 1), step), self.guidance(progress))
        return self.positions[step], self.warps(logits, progress)

    def _begin(self, ids_AN: Tensor) -> None:
        """Set out through the positions of a causal network."""
        network, guidance = self.network, self.guidance
        ordered = network.causal_order if isinstance(network, Ordered) else torch.arange(ids_AN.shape[1])
        self.positions = positions = ordered.tolist()
        scale = None if guidance is None else guidance(0.0) if guidance.constant else torch.nan
        if scale in (None, 1.0):
            self.branches = [self.label_B]
        else:
            self.branches = [self._negative()] if scale == 0.0 else [self.label_B, self._negative()]
        labels = [label for label in self.branches if label is not None]
        label = torch.cat(labels) if labels else None
        if isinstance(network, Incremental):
            self.reader = network.reader(len(self.branches) * len(ids_AN), label)
        else:
            self.reader = lambda ids, step: network(ids, None, label)[:, positions[step]]

    def _guided(self, ids_AN: Tensor, time_A: Tensor | None, progress: float) -> Tensor:
        scale = 1.0 if self.guidance is None else self.guidance(progress)
        if scale == 1.0:
            return self._evaluate(ids_AN, time_A, self.label_B)
        negative_A = self._negative()
        if scale == 0.0:
            return self._evaluate(ids_AN, time_A, negative_A)
        # Both branches in one batch.
        assert self.label_B is not None
        twice = None if time_A is None else time_A.repeat(2)
        both = self._evaluate(ids_AN.repeat(2, 1), twice, torch.cat([self.label_B, negative_A]), 2)
        return _mixed(both, scale)

    def _evaluate(self, ids: Tensor, time: Tensor | None, label: Tensor | None, branches: int = 1) -> Tensor:
        self._count(branches)
        return self.network(ids, time, label)

    def _count(self, branches: int = 1) -> None:
        if len(self.rows) == len(self.evaluations):
            self.evaluations += branches
        else:
            self.evaluations[self.rows] += branches

    def _negative(self) -> Tensor:
        """(A,) the class that guidance leads away from."""
        assert self.guidance is not None and self.label_B is not None
        negative = self.null if self.guidance.negative is None else self.guidance.negative
        if negative is None:
            raise ValueError("guidance needs a class to lead away from, but this prior has none")
        return torch.full_like(self.label_B, negative)


def _mixed(both: Tensor, scale: float) -> Tensor:
    """Logits at a guidance scale, of those with the class (first half of the rows) and those away from it (second)."""
    towards, away = both.float().chunk(2)
    return torch.lerp(away, towards, scale)
