"""What teaches a critic to tell a network's tokens from real ones.

Lezama et al., 2022, "Improved masked image generation with Token-Critic", arXiv 2209.04439.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from lightgen.functional.categorical import draw
from lightgen.functional.errors import roc_area
from lightgen.functional.random import Noise, Stream
from lightgen.processes.masked import Masked
from lightgen.types import Denoise, LossOutput


def critic_loss(critic: Denoise, denoise: Denoise, process: Masked, ids_BN: Tensor, noise: Noise) -> LossOutput:
    """Mask tokens, let the network fill them in, and ask the critic of every token whether it changed.

    Only the critic is trained by it.

    Args:
        critic: ids (B, N) to logits (B, N, 1) of being wrong.
        denoise: the network, as it is at the moment.
        process: one that masks.
        ids_BN: clean ids.
        noise: of the masking and the filling.
    """
    with torch.no_grad():
        time_B = 1 - noise.spread(0, Stream.TIME)
        noisy = process.corrupt(ids_BN, time_B, noise)
        drawn = draw(denoise(noisy, time_B), noise.uniform(0, Stream.TOKEN, ids_BN.shape[1]))
        filled = torch.where(noisy == process.vocab_size, drawn, noisy)
    wrong, doubt = filled != ids_BN, critic(filled).squeeze(-1).float()
    loss = binary_cross_entropy_with_logits(doubt, wrong.float())
    doubt = doubt.detach()
    right = ((doubt > 0) == wrong).float().mean()
    metrics = {"critic_loss": loss.detach(), "critic_accuracy": right, "critic_auc": roc_area(doubt, wrong)}
    return LossOutput(loss, metrics)
