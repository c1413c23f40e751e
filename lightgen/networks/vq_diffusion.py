"""VQ-Diffusion's transformer: told time and class by norms with tables of their own, convolutions between attentions.

Gu et al., 2022, "Vector quantized diffusion model for text-to-image synthesis", arXiv 2111.14822.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import sigmoid

from lightgen.condition import Condition, Context
from lightgen.networks.base import Interface, Network
from lightgen.networks.layers import Modulation
from lightgen.networks.prefixed import require_plain
from lightgen.networks.styled import Style, StyledAttention, draw_weights, modulated, style_of
from lightgen.types import Grid


class VQDiffusion(Network):
    """Every position sees every other in the attentions, and its neighbours in the feed-forward layers.

    The condition gives every block a vector of its own, and so does the time, by the number of the step.

    Args:
        interface: what it reads and answers; one code stands at a cell.
        dim: D, which `heads` divides.
        depth: number of blocks.
        heads: of every attention.
        hidden: channels between the two convolutions of a block; None is 4 D.
        num_steps: T, how many times are told apart: step 1 to T is the nearest to T times the time.
        positions: rows and columns of the tables of positions; None is the grid. In the released code they are
            (32, 32) for every grid, and token i has row i // 32 and column i % 32, wherever it stands.

    Raises:
        ValueError: if a size does not fit, or the condition is something to attend to.
    """

    source: ClassVar[str] = "Gu et al., 2022, arXiv 2111.14822"

    def __init__(
        self,
        interface: Interface,
        dim: int = 256,
        depth: int = 8,
        heads: int = 4,
        hidden: int | None = None,
        num_steps: int = 100,
        positions: Grid | None = None,
    ) -> None:
        require_plain(self, interface)
        style = style_of(dim, heads, hidden)
        if num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, not {num_steps}")
        rows, columns = self.positions = positions or interface.layout.grid
        if rows * columns < interface.layout.num_tokens:
            raise ValueError(f"positions must be of {interface.layout.num_tokens} tokens, not {rows}x{columns}")
        super().__init__(interface)
        self.num_steps, self.depth = num_steps, depth
        self.conditioner = interface.conditioner
        if self.conditioner is not None:
            self.conditioner.attach(depth * dim)
        self.token = nn.Embedding(interface.num_ids, dim)
        self.row, self.column = nn.Embedding(rows, dim), nn.Embedding(columns, dim)
        self.blocks = nn.ModuleList(
            Block(style, self.layout.grid, num_steps if self.reads_time else 0, self.conditioner is not None)
            for _ in range(depth)
        )
        self.to_logits = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, self.num_outputs))
        draw_weights(self)

    def forward(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        context = self.context(Condition(), len(ids_BN)) if context is None else context
        parts = [part for part in (context.vector, context.cells) if part is not None]
        told = sum(parts[1:], parts[0]).chunk(self.depth, -1) if parts else [None] * self.depth
        step = self.step(time)
        x = ids_BN if ids_BN.is_floating_point() else self.token(ids_BN)
        x = x + (self.row.weight[:, None] + self.column.weight).flatten(0, 1)[: x.shape[1]]
        for block, part in zip(self.blocks, told, strict=True):
            x = block(x, step, part)
        logits: Tensor = self.to_logits(x)
        return logits

    def step(self, time: Tensor | None) -> Tensor | None:
        """(B,) the number of the step, from 0 on, of times (B,).

        Raises:
            ValueError: if the network reads the time, and is not told it.
        """
        if not self.reads_time:
            return None
        if time is None:
            raise ValueError("this network was trained to read the time, and must be told it")
        return (time * self.num_steps).round().long().sub(1).clamp(0, self.num_steps - 1)


class Block(nn.Module):
    """Self-attention behind a norm that is told the step, convolutions behind one that is told the condition.

    Args:
        style: the sizes.
        grid: (h, w).
        num_steps: 0 where the network does not read the time.
        conditioned: whether there is a condition.
    """

    def __init__(self, style: Style, grid: Grid, num_steps: int, conditioned: bool) -> None:
        super().__init__()
        self.step = nn.Embedding(num_steps, style.dim) if num_steps else None
        self.norm_1, self.norm_2 = AdaptiveNorm(style.dim, num_steps > 0), AdaptiveNorm(style.dim, conditioned)
        self.attention = StyledAttention(style)
        self.feed_forward = Convolutions(style, grid)

    def forward(self, x: Tensor, step: Tensor | None, told: Tensor | None) -> Tensor:
        """(B, N, D) to (B, N, D).

        Args:
            x: (B, N, D).
            step: (B,) from 0 on.
            told: (B, 1 or N, D) of the condition.
        """
        at = None if self.step is None else self.step(step).unsqueeze(1)
        x = x + self.attention(self.norm_1(x, at))
        out: Tensor = x + self.feed_forward(self.norm_2(x, told))
        return out


class AdaptiveNorm(nn.Module):
    """A layer norm, scaled and shifted by what it is told, or by weights where it is told nothing."""

    def __init__(self, dim: int, told: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, elementwise_affine=not told)
        self.modulation = Modulation(dim, 2) if told else None

    def forward(self, x: Tensor, vector: Tensor | None) -> Tensor:
        y: Tensor = self.norm(x)
        if self.modulation is None:
            return y
        scale, shift = self.modulation(vector).chunk(2, -1)
        return modulated(y, shift, scale)


class Convolutions(nn.Module):
    """3x3 to the hidden width, x sigmoid(1.702 x), 3x3 back (Hendrycks and Gimpel, 2016, arXiv 1606.08415)."""

    def __init__(self, style: Style, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        self.up = nn.Conv2d(style.dim, style.hidden, 3, padding=1)
        self.down = nn.Conv2d(style.hidden, style.dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.up(x.transpose(1, 2).unflatten(2, self.grid))
        h = self.down(h * sigmoid(1.702 * h))
        return h.flatten(2).transpose(1, 2)
