"""SUNDAE: step-unrolled denoising on uniform noise.

Savinov et al., 2022, "Step-unrolled denoising autoencoders for text generation", arXiv 2112.06749; for images
McKinney and Willcocks, 2022, "Megapixel image generation with step-unrolled denoising autoencoders",
arXiv 2206.12351.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightgen.functional.categorical import draw
from lightgen.functional.random import Noise, Stream
from lightgen.functional.sequential import sequential_mean
from lightgen.processes.base import DENOISER, Networks
from lightgen.processes.diffusion import Diffusion
from lightgen.types import LossOutput, NoiseFamily, NoiseLevel


class SUNDAE(Diffusion):
    """Corrupt a random share of the tokens with random codes, then learn to undo it, and to undo one's own attempts.

    z_1 ~ q(. | x) at t ~ U(0, 1), z_{u+1} ~ p(. | z_u); L = -1/U sum over u = 1 to U of 1/N sum over n of
    log p(x_n | z_u).

    Args:
        vocab_size: V, the number of codes.
        num_unrolls: U >= 1, how often the network denoises, each time starting from a draw of its last prediction.

    Raises:
        ValueError: if `num_unrolls` is below 1.
    """

    family: ClassVar[NoiseFamily] = NoiseFamily.UNIFORM
    source: ClassVar[str] = "Savinov et al., 2022, arXiv 2112.06749; McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(self, vocab_size: int, num_unrolls: int = 2) -> None:
        super().__init__(vocab_size)
        if num_unrolls < 1:
            raise ValueError(f"num_unrolls must be at least 1, not {num_unrolls}")
        self.num_unrolls = num_unrolls

    def noise_level(self, time_B: Tensor) -> NoiseLevel:
        """Each token becomes a uniformly random code with probability `time` (which may be the same code)."""
        return NoiseLevel(1 - time_B, torch.zeros_like(time_B), time_B)

    def loss(self, networks: Networks, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """Mean over U unrolls of the cross-entropy of all tokens, in nats per token (arXiv 2112.06749).

        Draws are detached: no gradient crosses from one unroll to the one before.
        """
        denoise = networks[DENOISER]
        correct: list[Tensor] = []

        def terms() -> Iterator[Tensor]:
            time_B = noise.uniform(0, Stream.TIME, 1).squeeze(1)
            noisy = self.corrupt(ids_BN, time_B, noise)
            for unroll in range(self.num_unrolls):
                logits = denoise(noisy)
                yield cross_entropy(logits.float().flatten(0, 1), ids_BN.flatten())
                logits = logits.detach()
                correct.append((logits.argmax(-1) == ids_BN).float().mean())
                if unroll + 1 < self.num_unrolls:
                    noisy = draw(logits, noise.uniform(unroll, Stream.TOKEN, ids_BN.shape[1]))

        loss = sequential_mean(terms, denoise.parameters(), self.num_unrolls)
        return LossOutput(loss, {"accuracy": torch.stack(correct).mean()})
