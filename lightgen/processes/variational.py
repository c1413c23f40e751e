"""Training by the variational bound of a chain of steps.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightgen.functional.random import Noise, Stream
from lightgen.processes.base import DENOISER, Networks
from lightgen.processes.diffusion import Diffusion
from lightgen.processes.likelihood import Bound
from lightgen.types import Denoise, LossOutput

VISITS = 10
"""How often each step must have been drawn before their losses say which to draw."""
EVEN_SHARE = 0.1
"""Of the draws, that stay even over all steps, so that no weight exceeds 1 / EVEN_SHARE."""


class Variational(Bound, Diffusion):
    """The loss is the bound on the negative log-likelihood, plus a little plain cross-entropy.

    Args:
        vocab_size: V.
        num_steps: T >= 1, the steps of the chain that is trained; it can be sampled in any other number.
        auxiliary: weight of the plain cross-entropy, its mean over the steps, at least 0 (arXiv 2107.03006, eq. 5).
        importance: draw steps in proportion to the root of their mean squared loss so far, which makes the estimate
            of the bound less noisy and keeps it unbiased (Nichol and Dhariwal, 2021, arXiv 2102.09672, eq. 18).
        informed: see `Diffusion`.

    Raises:
        ValueError: if an argument is out of range.
    """

    reads_time = True
    squares: Tensor
    """(T,) float64 running means of the squared loss of each step."""
    visits: Tensor
    """(T,) float64 how often each was drawn."""

    def __init__(
        self,
        vocab_size: int,
        num_steps: int = 100,
        auxiliary: float = 0.01,
        importance: bool = False,
        informed: bool = False,
    ) -> None:
        super().__init__(vocab_size, informed)
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, not {num_steps}")
        if auxiliary < 0:
            raise ValueError(f"auxiliary must be at least 0, not {auxiliary}")
        self.num_steps, self.auxiliary, self.importance = num_steps, auxiliary, importance
        self.register_buffer("squares", torch.zeros(num_steps, dtype=torch.float64))
        self.register_buffer("visits", torch.zeros(num_steps, dtype=torch.float64))

    def num_terms(self, num_tokens: int) -> int:
        return self.num_steps

    def bound_term(self, denoise: Denoise, ids_BN: Tensor, number_B: Tensor, noise: Noise) -> Tensor:
        """The divergence of step t of the chain (arXiv 2107.03006, eq. 1); at time 1 nothing is left to add."""
        return self._step(denoise, ids_BN, number_B, noise)[0].sum(1)

    def loss(self, networks: Networks, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """The bound on the negative log-likelihood in nats per token, by one random step, plus the auxiliary term."""
        number_B, weight_B = self._draw(noise)
        divergence_BN, logits = self._step(networks[DENOISER], ids_BN, number_B, noise)
        term_B = divergence_BN.mean(1)
        if self.training and self.importance:
            self._record(number_B, term_B.detach())
        bound = (weight_B * term_B).mean()
        # Over evenly drawn steps its weights would be 1.
        plain_B = weight_B / self.num_steps * cross_entropy(logits.transpose(1, 2), ids_BN, reduction="none").mean(1)
        auxiliary = self.auxiliary * (self.emphasis(number_B) * plain_B).mean()
        metrics = {"bound": bound.detach(), "cross_entropy": plain_B.detach().mean()}
        return LossOutput(bound + auxiliary, metrics)

    def emphasis(self, number_B: Tensor) -> Tensor:
        """(B,) float32: the weight of the plain cross-entropy at steps from 1 to T, in units of `auxiliary`."""
        return torch.ones_like(number_B, dtype=torch.float32)

    def _step(self, denoise: Denoise, ids_BN: Tensor, number_B: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """(B, N) divergence of step `number`, from 1 to T, and the logits behind it."""
        time, earlier = number_B.double() / self.num_steps, (number_B.double() - 1) / self.num_steps
        noisy = self.corrupt(ids_BN, time, noise)
        logits = denoise(noisy, time.float()).float()
        return self.divergence(logits, ids_BN, noisy, earlier, time), logits

    def _draw(self, noise: Noise) -> tuple[Tensor, Tensor]:
        """(B,) steps from 1 to T and the weights, one over their probability, that make their mean the bound."""
        share = torch.full_like(self.squares, 1 / self.num_steps)
        if self.importance and self.visits.min() >= VISITS:
            share = EVEN_SHARE * share + (1 - EVEN_SHARE) * self.squares.sqrt() / self.squares.sqrt().sum()
        where = torch.searchsorted(share.cumsum(0), noise.spread(0, Stream.TIME).double())
        where = where.clamp_max(self.num_steps - 1)
        return where + 1, (1 / share[where]).float()

    def _record(self, number_B: Tensor, term_B: Tensor) -> None:
        where = number_B - 1
        seen = torch.zeros_like(self.visits).index_add_(0, where, torch.ones_like(term_B).double())
        total = torch.zeros_like(self.squares).index_add_(0, where, term_B.double().square())
        # The first visits count in full, later ones move the mean slowly.
        rate = torch.where(seen > 0, (seen / (self.visits + seen).clamp_min(1)).clamp_min(0.1), 0.0)
        self.squares.lerp_(total / seen.clamp_min(1), rate)
        self.visits.add_(seen)
