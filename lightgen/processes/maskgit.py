"""MaskGIT's masked token modelling.

Chang et al., 2022, "MaskGIT: Masked generative image transformer", arXiv 2202.04200, section 3.1.
"""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from lightgen.functional.errors import accuracy, token_errors
from lightgen.functional.random import Noise, Stream
from lightgen.processes.masked import Masked, exactly
from lightgen.types import Denoise, LossOutput


class MaskGIT(Masked):
    """Mask a share cos(pi u / 2) of the tokens, u uniform; the loss is the mean cross-entropy of masked tokens.

    L = -E over u, M of sum over n in M of log p(x_n | x outside of M), over E of |M|: every masked token of a batch
    counts alike, whatever share of its picture is masked.

    Args:
        vocab_size: V; MASK is id V.
        label_smoothing: in [0, 1).

    Raises:
        ValueError: if `label_smoothing` is out of range.
    """

    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"

    def __init__(self, vocab_size: int, label_smoothing: float = 0.1) -> None:
        super().__init__(vocab_size)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), not {label_smoothing}")
        self.label_smoothing = label_smoothing

    def denoising_loss(self, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """Mean cross-entropy of the masked tokens of the batch, label-smoothed, in nats (arXiv 2202.04200, eq. 1)."""
        share_B = (noise.spread(0, Stream.TIME) * (math.pi / 2)).cos()
        masked = exactly((share_B * ids_BN.shape[1]).round().clamp_min(1), ids_BN.shape[1], noise)
        logits = denoise(ids_BN.masked_fill(masked, self.vocab_size), share_B)
        errors = token_errors(logits, ids_BN, self.label_smoothing) * masked
        return LossOutput(errors.sum() / masked.sum(), {"accuracy": accuracy(logits, ids_BN, masked)})
