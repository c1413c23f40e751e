"""Absorbing diffusion: tokens turn into MASK, and the network learns to fill them in.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006; Bond-Taylor et
al., 2022, "Unleashing transformers", arXiv 2111.12701; Sahoo et al., 2024, arXiv 2406.07524.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightgen.functional.categorical import draw
from lightgen.functional.diffusion import Level
from lightgen.functional.random import Noise, Stream
from lightgen.processes.diffusion import Diffusion
from lightgen.types import Denoise, LossOutput, NoiseFamily

WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {"elbo": torch.reciprocal, "reweighted": lambda time: 1 - time}


class Absorbing(Diffusion):
    """At time t each token is masked with probability t; the loss is the cross-entropy of the masked tokens.

    Args:
        vocab_size: V; MASK is id V.
        weight: of time t: `elbo`, 1 / t, makes the loss a bound on the negative log-likelihood in nats per token
            (arXiv 2406.07524, eq. 10); `reweighted`, 1 - t, trains better (arXiv 2111.12701, eq. 8).

    Raises:
        ValueError: if there is no such weight.
    """

    family: ClassVar[NoiseFamily] = NoiseFamily.ABSORBING
    source: ClassVar[str] = "Austin et al., 2021, arXiv 2107.03006; Bond-Taylor et al., 2022, arXiv 2111.12701"

    def __init__(self, vocab_size: int, weight: Literal["elbo", "reweighted"] = "reweighted") -> None:
        super().__init__(vocab_size)
        if weight not in WEIGHTS:
            raise ValueError(f"weight must be one of {', '.join(WEIGHTS)}, not {weight}")
        self.weight = WEIGHTS[weight]

    @property
    def num_ids(self) -> int:
        return self.vocab_size + 1

    def level(self, time_B: Tensor) -> Level:
        return Level(1 - time_B, time_B)

    def reverse(
        self, logits_BNV: Tensor, ids_BN: Tensor, time: float, earlier: float, noise: Noise, step: int
    ) -> Tensor:
        """As for any diffusion, in the short form of this one: a masked token stays masked with probability s / t."""
        num = ids_BN.shape[1]
        stays = noise.uniform(step, Stream.CHOICE, num) < earlier / time
        proposal = draw(logits_BNV, noise.uniform(step, Stream.TOKEN, num))
        return torch.where((ids_BN == self.vocab_size) & ~stays, proposal, ids_BN)

    def loss(self, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """Weighted cross-entropy of masked tokens, over all tokens; `bound` is the ELBO's in nats per token."""
        time_B = 1 - noise.spread(0, Stream.TIME)
        noisy = self.corrupt(ids_BN, time_B, noise)
        masked, logits = noisy == self.vocab_size, denoise(noisy, time_B)
        error_B = (token_errors(logits, ids_BN) * masked).sum(1) / ids_BN.shape[1]
        bound = (error_B.detach() / time_B).mean()
        return LossOutput(
            (error_B * self.weight(time_B)).mean(), {"bound": bound, "accuracy": accuracy(logits, ids_BN, masked)}
        )


def token_errors(logits_BNV: Tensor, ids_BN: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """(B, N) cross-entropy of each token in nats."""
    flat = cross_entropy(
        logits_BNV.float().flatten(0, 1), ids_BN.flatten(), reduction="none", label_smoothing=label_smoothing
    )
    return flat.view_as(ids_BN)


def accuracy(logits_BNV: Tensor, ids_BN: Tensor, counted_BN: Tensor) -> Tensor:
    """Share of the counted tokens whose most likely id is right."""
    right = (logits_BNV.detach().argmax(-1) == ids_BN) & counted_BN
    return right.sum() / counted_BN.sum().clamp_min(1)
