"""How wrong logits are about each token."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy


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
