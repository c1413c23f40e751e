"""BERT: a transformer with norms behind attention and feed-forward, and one before the first block.

Devlin et al., 2018, "BERT: pre-training of deep bidirectional transformers for language understanding", arXiv
1810.04805. On images: Chang et al., 2022, "MaskGIT: Masked generative image transformer", arXiv 2202.04200; Yu et al.,
2024, "An image is worth 32 tokens for reconstruction and generation", arXiv 2406.07550.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.in_context import InContext
from lightgen.networks.styled import StyledBlock, draw_weights, style_of


class BERT(InContext):
    """Every position sees every other.

    Args:
        interface: what it reads and answers; one code stands at a cell.
        dim: D, which `heads` divides.
        depth: number of blocks.
        heads: of every attention.
        hidden: width of the feed-forward layers; None is 4 D.
        tied: end in BERT's head, tied to the tokens, and not in a linear layer.
        gelu: of the feed-forward layers and of that head, exact or by tanh, as JAX has it.

    Raises:
        ValueError: if a size does not fit, or the condition is something to attend to.
    """

    source: ClassVar[str] = "Devlin et al., 2018, arXiv 1810.04805"

    def __init__(
        self,
        interface: Interface,
        dim: int = 384,
        depth: int = 8,
        heads: int = 6,
        hidden: int | None = None,
        tied: bool = True,
        gelu: Literal["gelu", "gelu_tanh"] = "gelu",
    ) -> None:
        style = style_of(dim, heads, hidden, eps=1e-12, post=True, feed_forward=gelu)
        super().__init__(interface, style, style.new_norm(), tied)
        self.blocks = nn.ModuleList(StyledBlock(style) for _ in range(depth))
        draw_weights(self)

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        x = self.enter(x_BND, context)
        for block in self.blocks:
            x = block(x)
        return x[:, 1:]
