"""How likely ReMDM masks a written token again: the strategies of Wang et al., 2025, arXiv 2503.00307.

A strategy gives sigma_t, between 0 and the bound min(1, (1 - alpha_s) / alpha_t) up to which the share of masked tokens
can be kept on its schedule; alpha is the share of tokens that are written.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from lightgen.prediction import Confidence as ReadFrom
from lightgen.prediction import check_confidence
from lightgen.registry import Component


class Written(NamedTuple):
    """What a strategy may look at, before a step from time t to an earlier time s."""

    time: Tensor
    """(A, 1) t."""
    earlier: Tensor
    """(A, 1) s."""
    share: Tensor
    """(A, 1) alpha_t."""
    bound: Tensor
    """(A, 1) the largest sigma_t."""
    confidence: Tensor
    """(A, N) probability of each token when it was written, infinite where it is MASK or known."""
    num_free: Tensor
    """(A, 1) tokens that are not known."""


class Remasking(Component):
    """Gives the probability sigma_t of masking a token again."""

    kind: ClassVar[str] = "remasking"
    confidence: ReadFrom | None = None
    """Whose probability of a token it looks at; None where it looks at none."""

    def time(self, progress: Tensor) -> Tensor:
        """The time at a share of the steps, from 1 down to 0."""
        return 1 - progress

    @abstractmethod
    def __call__(self, written: Written) -> Tensor:
        """sigma_t, (A, 1) or (A, N); at a masked token, what it would be on average if the token were written."""


class _Scaled(Remasking):
    """A strategy of one size.

    Args:
        eta: the size, in [0, 1].

    Raises:
        ValueError: if `eta` is out of range.
    """

    source: ClassVar[str] = "Wang et al., 2025, arXiv 2503.00307"

    def __init__(self, eta: float) -> None:
        if not 0 <= eta <= 1:
            raise ValueError(f"eta must be in [0, 1], not {eta}")
        self.eta = eta


class Cap(_Scaled):
    """min(eta, bound).

    Args:
        eta: in [0, 1]; 0 never masks again.
    """

    def __init__(self, eta: float = 0.008) -> None:
        super().__init__(eta)

    def __call__(self, written: Written) -> Tensor:
        return written.bound.clamp_max(self.eta)


class Rescale(_Scaled):
    """eta times the bound.

    Args:
        eta: in [0, 1]; 0 never masks again.
    """

    def __init__(self, eta: float = 0.015) -> None:
        super().__init__(eta)

    def __call__(self, written: Written) -> Tensor:
        return self.eta * written.bound


class Confidence(Remasking):
    """The bound, divided among the written tokens by a softmax over how unsure they were: about one token a step.

    Args:
        sharpness: what probabilities are multiplied by before the softmax, at least 0; 1 in the paper, which hardly
            tells sure tokens from unsure ones; large values mask the least sure one.
        confidence: whose probability of a token it is, the network's own or the warped one.

    Raises:
        ValueError: if `sharpness` is below 0.
    """

    source: ClassVar[str] = "Wang et al., 2025, arXiv 2503.00307"

    def __init__(self, sharpness: float = 1.0, confidence: ReadFrom = "warped") -> None:
        if sharpness < 0:
            raise ValueError(f"sharpness must be at least 0, not {sharpness}")
        self.sharpness = sharpness
        self.confidence = check_confidence(confidence)

    def __call__(self, written: Written) -> Tensor:
        absent = written.confidence.isinf()
        share = torch.where(absent, -torch.inf, -self.sharpness * written.confidence)
        share = share.softmax(1).nan_to_num(0.0)
        # What a written token gets on average, if each is written with probability alpha: so many are written less.
        mean = (1 - (1 - written.share) ** written.num_free) / (written.num_free * written.share).clamp_min(1e-12)
        return written.bound * torch.where(absent, mean, share)


class Loop(_Scaled):
    """Write most tokens, mask and write again at that level for a while, then write the rest.

    Args:
        eta: probability to mask again during the loop, in [0, 1], as far as the bound allows.
        written: the share of tokens written during the loop, in (0, 1).
        start: the progress at which the loop begins.
        end: the progress at which it ends.

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, eta: float = 0.02, written: float = 0.9, start: float = 0.45, end: float = 0.95) -> None:
        super().__init__(eta)
        if not 0 < written < 1:
            raise ValueError(f"written must be in (0, 1), not {written}")
        if not 0 < start <= end < 1:
            raise ValueError(f"start and end must be 0 < start <= end < 1, not {start} and {end}")
        self.level, self.start, self.end = 1 - written, start, end

    def time(self, progress: Tensor) -> Tensor:
        falling = 1 - (1 - self.level) * progress / self.start
        return torch.where(
            progress < self.start, falling, self.level * ((1 - progress) / (1 - self.end)).clamp_max(1.0)
        )

    def __call__(self, written: Written) -> Tensor:
        return torch.where(written.time == written.earlier, written.bound.clamp_max(self.eta), 0.0)
