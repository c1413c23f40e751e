"""The transformer of Halton-MaskGIT: modulated by the class, RMS norms, SwiGLU, a register, a head tied to the tokens.

Besnier et al., 2025, "Halton scheduler for masked generative image transformer", arXiv 2503.17076.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.layers import Modulation
from lightgen.networks.prefixed import require_plain
from lightgen.networks.styled import Style, StyledBlock, draw_weights, modulated, multiple_of_256


class HaltonMaskGIT(TokenNetwork):
    """Every position sees every other, and a register that stands nowhere (Darcet et al., 2023, arXiv 2309.16588).

    Args:
        interface: what it reads and answers; one code stands at a cell.
        dim: D.
        depth: number of blocks.
        heads: of every attention.
        dim_head: width of a head; None is D / heads, rounded down.
        hidden: width of the feed-forward layers; None is 8/3 of D, rounded up to a multiple of 256.

    Raises:
        ValueError: if a size does not fit, or the condition is something to attend to.
    """

    source: ClassVar[str] = "Besnier et al., 2025, arXiv 2503.17076"

    def __init__(
        self,
        interface: Interface,
        dim: int = 384,
        depth: int = 6,
        heads: int = 6,
        dim_head: int | None = None,
        hidden: int | None = None,
    ) -> None:
        require_plain(self, interface)
        hidden = multiple_of_256(8 * dim / 3) if hidden is None else hidden
        style = Style(dim, heads, dim // heads if dim_head is None else dim_head, hidden, norm="rms", bias=False,
                      qkv_bias=False, query_norm="full", feed_forward="swiglu", modulated=True)  # fmt: skip
        super().__init__(interface, dim, adaptive=True, learned=True)
        self.register = nn.Parameter(torch.zeros(1, dim))
        self.blocks = nn.ModuleList(StyledBlock(style) for _ in range(depth))
        self.last_norm = style.new_norm()
        self.last_bias = nn.Parameter(torch.zeros(dim))
        self.last_modulation = Modulation(dim, 2)
        self.bias = nn.Parameter(torch.zeros(self.num_ids))
        nn.init.normal_(self.register, std=0.02)
        draw_weights(self)

    def ending(self) -> nn.Sequential:
        return nn.Sequential()

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        assert context.vector is not None
        x = torch.cat([x_BND, self.register.expand(len(x_BND), 1, -1)], 1)
        for block in self.blocks:
            x = block(x, context.vector)
        shift, scale = self.last_modulation(context.vector).chunk(2, -1)
        return modulated(self.last_norm(x[:, :-1]) + self.last_bias, shift, scale)

    def logits(self, x_BnD: Tensor) -> Tensor:
        return linear(x_BnD, self.token.weight[: self.num_outputs], self.bias[: self.num_outputs])
