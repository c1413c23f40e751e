"""Networks that read the condition as one more token, before all others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.prefixed import require_plain
from lightgen.networks.styled import Style


class InContext(TokenNetwork):
    """What stands first is the vector of condition and time, or zeros; it and every token have a learned position.

    Args:
        interface: see `Network`; one code stands at a cell.
        style: of the blocks.
        norm: of what the first block reads.
        tied: end in BERT's head, one more layer, then products with the vectors of the tokens (Devlin et al., 2018,
            arXiv 1810.04805), and not in a linear layer.

    Raises:
        ValueError: if several codes stand at a cell, or the condition is something to attend to.
    """

    def __init__(self, interface: Interface, style: Style, norm: nn.Module, tied: bool) -> None:
        require_plain(self, interface)
        self.style, self.tied = style, tied
        super().__init__(interface, style.dim, adaptive=True)
        self.position = nn.Parameter(0.02 * torch.randn(1 + self.layout.num_tokens, style.dim))
        self.norm = norm
        self.bias = nn.Parameter(torch.zeros(self.num_outputs)) if tied else None

    def ending(self) -> nn.Sequential:
        if not self.tied:
            return nn.Sequential(nn.Linear(self.dim, self.num_outputs))
        return nn.Sequential(nn.Linear(self.dim, self.dim), self.style.new_gelu(), self.style.new_norm())

    def enter(self, x_BND: Tensor, context: Context) -> Tensor:
        """(B, N, D) to (B, 1 + N, D): what the first block reads."""
        assert context.vector is not None
        x = torch.cat([context.vector.expand(len(x_BND), -1, -1), x_BND], 1)
        entered: Tensor = self.norm(x + self.position)
        return entered

    def logits(self, x_BnD: Tensor) -> Tensor:
        x: Tensor = self.to_logits(x_BnD)
        return linear(x, self.token.weight[: self.num_outputs], self.bias) if self.tied else x
