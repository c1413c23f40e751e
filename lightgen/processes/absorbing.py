"""Absorbing diffusion: tokens turn into MASK, and the network learns to fill them in.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006; Bond-Taylor et
al., 2022, "Unleashing transformers", arXiv 2111.12701; Sahoo et al., 2024, "Simple and effective masked diffusion
language models", arXiv 2406.07524.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from torch import Tensor

from lightgen.functional.errors import accuracy, token_errors
from lightgen.functional.random import Noise, Stream
from lightgen.processes.masked import Masked
from lightgen.types import Denoise, LossOutput

WEIGHTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "elbo": lambda time, share: time.reciprocal(),
    "reweighted": lambda time, share: 1 - time,
    "mlm": lambda time, share: share.reciprocal(),
}
"""Of the time, and of the share of the tokens that is masked."""


class Absorbing(Masked):
    """At time t each token is masked with probability t; the loss is the cross-entropy of the masked tokens.

    q(z_t = MASK | z_0) = t; L = E over t of w sum over masked n of -log p(x_n | z_t) / N.

    Args:
        vocab_size: V; MASK is id V.
        weight: w: `elbo`, 1 / t, makes the loss a bound on the negative log-likelihood in nats per token, in
            continuous time (arXiv 2406.07524, eq. 10); `reweighted`, 1 - t, trains better (arXiv 2111.12701, eq. 8);
            `mlm`, N over the number of masked tokens, makes it their mean in each picture (released code of the same).

    Raises:
        ValueError: if there is no such weight.
    """

    source: ClassVar[str] = "Austin et al., 2021, arXiv 2107.03006; Bond-Taylor et al., 2022, arXiv 2111.12701"

    def __init__(self, vocab_size: int, weight: Literal["elbo", "reweighted", "mlm"] = "reweighted") -> None:
        super().__init__(vocab_size)
        if weight not in WEIGHTS:
            raise ValueError(f"weight must be one of {', '.join(WEIGHTS)}, not {weight}")
        self.weight = WEIGHTS[weight]

    def denoising_loss(self, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """E over t of w sum over masked n of -log p(x_n | z_t), over all N tokens, at low-discrepancy times t."""
        time_B = 1 - noise.spread(0, Stream.TIME)
        noisy = self.corrupt(ids_BN, time_B, noise)
        masked, logits = noisy == self.vocab_size, denoise(noisy, time_B)
        error_B = (token_errors(logits, ids_BN) * masked).sum(1) / ids_BN.shape[1]
        weight_B = self.weight(time_B, masked.sum(1).clamp_min(1) / ids_BN.shape[1])
        return LossOutput((error_B * weight_B).mean(), {"accuracy": accuracy(logits, ids_BN, masked)})
