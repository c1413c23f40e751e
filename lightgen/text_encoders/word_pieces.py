"""A small text encoder that is trained with the prior."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightgen.functional.byte_pairs import LONGEST_PIECE, NUM_BYTES, BytePairs, learned
from lightgen.functional.text import to_texts
from lightgen.text_encoders.base import TextEncoder

NOTHING = -1


class WordPieces(TextEncoder):
    """Pieces of words, which are learned from the captions to train on, through a small transformer; needs no extra.

    Case makes no difference. What stood in no caption is read in smaller pieces, down to single bytes. The pieces are
    kept with the weights.

    Args:
        num_pieces: at most, 256 bytes among them.
        max_length: L, the pieces of a text that are read.
        dim: C.
        depth: layers of the transformer; with 0, each piece stands for itself.
        heads: of its attention, which divide C.

    Raises:
        ValueError: if a number is out of range.
    """

    source: ClassVar[str] = "Sennrich et al., 2016, arXiv 1508.07909; Vaswani et al., 2017, arXiv 1706.03762"

    def __init__(
        self, num_pieces: int = 2048, max_length: int = 16, dim: int = 128, depth: int = 1, heads: int = 4
    ) -> None:
        super().__init__(max_length)
        if num_pieces < NUM_BYTES:
            raise ValueError(f"num_pieces must be at least {NUM_BYTES}, the number of bytes, not {num_pieces}")
        if depth < 0:
            raise ValueError(f"depth must be at least 0, not {depth}")
        if dim < 1 or heads < 1 or dim % heads:
            raise ValueError(f"heads must divide dim, not {heads} and {dim}")
        self.num_pieces = num_pieces
        self.vocabulary = BytePairs()
        self.embedding = nn.Embedding(num_pieces, dim)
        self.position = nn.Parameter(torch.randn(max_length, dim) * dim**-0.5)
        nn.init.normal_(self.embedding.weight, std=dim**-0.5)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dim, heads, 2 * dim, 0.0, "gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        )

    @property
    def dim(self) -> int:
        return self.embedding.embedding_dim

    def forward(self, texts_BL: Tensor) -> Tensor:
        numbers_BL = self.numbers(texts_BL)
        none = numbers_BL == NOTHING
        x = self.embedding(numbers_BL.clamp(min=0)) + self.position
        # Attention to nothing at all has no value; an empty text attends to what is dropped below.
        unseen = none.index_fill(1, none.new_zeros(1, dtype=torch.long), False)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=unseen)
        return x.masked_fill(none.unsqueeze(-1), 0.0)

    def pieces(self, text: str, whole: bool = True) -> list[int]:
        return self.vocabulary.numbers(text)

    def numbers(self, texts_BL: Tensor) -> Tensor:
        """(B, L) int64 pieces of texts, and -1 behind them."""
        read = [self.vocabulary.numbers(text) for text in to_texts(texts_BL.cpu().numpy())]
        self.report_cut(sum(len(row) > self.max_length for row in read))
        length = self.max_length
        rows = [row[:length] + [NOTHING] * (length - len(row)) for row in read]
        return torch.tensor(rows, dtype=torch.long, device=texts_BL.device).view(-1, length)

    def learn(self, texts: Iterable[str]) -> None:
        if self.vocabulary.pieces:
            return
        if not (texts := list(texts)):
            raise ValueError("there are no captions to learn word pieces from; --data.captions NAME takes that column, "
                             "or NAME.txt beside each picture")  # fmt: skip
        self.vocabulary = BytePairs(learned(texts, self.num_pieces - NUM_BYTES))

    # No buffer, because averaging of weights would round it.
    def get_extra_state(self) -> Tensor:
        """The pieces behind the bytes, as (num_pieces - 256, 16) uint8 with zeros behind."""
        table = torch.zeros(self.num_pieces - NUM_BYTES, LONGEST_PIECE, dtype=torch.uint8)
        for row, piece in zip(table, self.vocabulary.pieces, strict=False):
            row[: len(piece)] = torch.frombuffer(bytearray(piece), dtype=torch.uint8)
        return table

    def set_extra_state(self, state: Any) -> None:
        """Take the pieces of a checkpoint.

        Raises:
            ValueError: if that is no table of as many pieces.
        """
        shape = (self.num_pieces - NUM_BYTES, LONGEST_PIECE)
        if not isinstance(state, Tensor) or state.dtype != torch.uint8 or state.shape != shape:
            raise ValueError(f"the word pieces do not fit: they must be {shape} uint8")
        self.vocabulary = BytePairs([piece for row in state.cpu().numpy() if (piece := bytes(row).rstrip(b"\0"))])
