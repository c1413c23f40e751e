"""Training by the variational bound of a chain of steps.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from lightgen.functional.random import Noise, Stream
from lightgen.processes.diffusion import Diffusion
from lightgen.types import Denoise, LossOutput


class Variational(Diffusion):
    """The loss is the bound on the negative log-likelihood, plus a little plain cross-entropy.

    Args:
        vocab_size: V.
        num_steps: T >= 1, the steps of the chain that is trained; it can be sampled in any other number.
        auxiliary: weight of the plain cross-entropy, at least 0 (arXiv 2107.03006, eq. 5).

    Raises:
        ValueError: if an argument is out of range.
    """

    def __init__(self, vocab_size: int, num_steps: int = 100, auxiliary: float = 0.01) -> None:
        super().__init__(vocab_size)
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, not {num_steps}")
        if auxiliary < 0:
            raise ValueError(f"auxiliary must be at least 0, not {auxiliary}")
        self.num_steps, self.auxiliary = num_steps, auxiliary

    def loss(self, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """The bound on the negative log-likelihood in nats per token, by one random step, plus the auxiliary term."""
        number = (noise.spread(0, Stream.TIME).double() * self.num_steps).floor() + 1
        time, earlier = number / self.num_steps, (number - 1) / self.num_steps
        noisy = self.corrupt(ids_BN, time, noise)
        logits = denoise(noisy, time.float()).float()
        bound = self.num_steps * self.divergence(logits, ids_BN, noisy, earlier, time).mean()
        plain = cross_entropy(logits.flatten(0, 1), ids_BN.flatten())
        return LossOutput(bound + self.auxiliary * plain, {"bound": bound.detach(), "cross_entropy": plain.detach()})
