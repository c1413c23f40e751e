"""Boxes on the picture, attended to one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import Condition, Context
from lightgen.conditioners.base import Conditioner
from lightgen.functional.boxes import BOX_TEXTS, BOXES
from lightgen.functional.random import Noise
from lightgen.text_encoders.base import TextEncoder
from lightgen.text_encoders.word_pieces import WordPieces

CORNERS = 4
COLUMN = f"--data.columns [{BOXES}] reads that column"


class Boxes(Conditioner):
    """`boxes` (B, L, 5) float: class, left, top, right, bottom; a token for each, the sum of five embeddings.

    Corners are shares of the picture, and are read in bins. Without classes, what is in a box is a text, `box_texts`
    (B, L, bytes) uint8, and its embedding the mean of the features of its tokens; the class in `boxes` is then 0.

    A box without extent, as a row of zeros is, a hidden one and none at all are the same to the last bit. Tokens say
    nothing of cells, so that the network must know where those are: give it `positions: learned`.

    Args:
        num_classes: of what is in boxes; in a config, 0 takes as many as the data have. None reads texts.
        encoder: of the texts; None is `WordPieces`.
        max_boxes: of a picture, at most.
        bins: of each coordinate.
        dropout: see `Conditioner`.

    Raises:
        ValueError: if a number is out of range, or there is an encoder beside classes.
    """

    attended = True
    source: ClassVar[str] = "Fan et al., 2022, arXiv 2208.13753"

    def __init__(
        self,
        num_classes: int | None = None,
        encoder: TextEncoder | None = None,
        max_boxes: int = 8,
        bins: int = 32,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(dropout)
        for name, number in (("num_classes", num_classes), ("max_boxes", max_boxes), ("bins", bins)):
            if number is not None and number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}")
        if num_classes is not None and encoder is not None:
            raise ValueError("boxes have classes or texts; give num_classes or an encoder, not both")
        self.num_classes, self.max_boxes, self.bins = num_classes, max_boxes, bins
        self.encoder = (encoder or WordPieces()) if num_classes is None else None

    @property
    def names(self) -> tuple[str, ...]:
        return (BOXES,) if self.encoder is None else (BOXES, BOX_TEXTS)

    def attach(self, dim: int) -> None:
        self.corner = nn.Embedding(CORNERS * self.bins, dim)
        nn.init.normal_(self.corner.weight, std=dim**-0.5)
        if self.encoder is None:
            self.what: nn.Module = nn.Embedding(self.num_classes or 0, dim)
            nn.init.normal_(self.what.weight, std=dim**-0.5)
        else:
            self.what = nn.Linear(self.encoder.dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, condition: Condition, num_rows: int) -> Context:
        like = self.corner.weight
        boxes = condition.tensors.get(BOXES)
        boxes = like.new_zeros(num_rows, 0, 1 + CORNERS) if boxes is None else boxes
        # Always so many: the sum over tokens, and so its last bit, would change with their number.
        boxes = _filled(boxes, self.max_boxes)
        if BOXES in condition.hidden:
            boxes = boxes.masked_fill(condition.hidden[BOXES][:, None, None], 0)
        corners = boxes[:, :, 1:]
        there = (corners[:, :, 2:] > corners[:, :, :2]).all(-1)
        places = (corners * self.bins).long().clamp(0, self.bins - 1)
        x = self.corner(places + torch.arange(CORNERS, device=like.device) * self.bins).sum(2)
        x = self.norm(x + self._what(condition, boxes))
        return Context(tokens=x, bias=torch.zeros_like(x[:, :, 0]).masked_fill(~there, -torch.inf))

    def hide(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        if BOXES not in condition.tensors:
            raise ValueError(f"the data have no boxes, which the conditioner Boxes is trained with; {COLUMN}")
        return super().hide(condition, noise, position)

    def learn(self, texts: Sequence[str]) -> None:
        if self.encoder is not None:
            self.encoder.learn(texts)

    def require(self, condition: Condition) -> None:
        boxes, texts = (condition.tensors.get(name) for name in (BOXES, BOX_TEXTS))
        if boxes is None:
            return
        if boxes.ndim != 3 or boxes.shape[2] != 1 + CORNERS or not boxes.is_floating_point():
            raise ValueError(f"{BOXES} must be (B, L, 5) float, not {tuple(boxes.shape)} {boxes.dtype}")
        if boxes.shape[1] > self.max_boxes:
            raise ValueError(_too_many(boxes.shape[1], self.max_boxes))
        if not bool(((boxes[:, :, 1:] >= 0) & (boxes[:, :, 1:] <= 1)).all()):
            raise ValueError("boxes must lie within the picture, whose sides go from 0 to 1")
        classes = boxes[:, :, 0]
        if self.num_classes is not None and not bool(((classes >= 0) & (classes < self.num_classes)).all()):
            raise ValueError(f"classes of boxes must be in [0, {self.num_classes - 1}]")
        if self.encoder is not None and (texts is None or texts.shape[:2] != boxes.shape[:2]):
            raise ValueError(f"{BOX_TEXTS} must be (B, L, bytes) uint8, a text for each of {BOXES}")

    def require_data(self, conditions: Mapping[str, Sequence[str]] | None) -> None:
        if conditions is None:
            return
        if BOXES not in conditions:
            raise ValueError(f"the data have no boxes, but the conditioner is Boxes; {COLUMN}")
        found = len(conditions[BOXES])
        if self.encoder is not None and BOX_TEXTS not in conditions:
            raise ValueError(f"boxes of the data have {found} classes and no texts; "
                             "num_classes of Boxes says how many")  # fmt: skip
        if self.num_classes is not None and BOX_TEXTS in conditions:
            raise ValueError("boxes of the data have texts, but Boxes has num_classes; null reads texts")
        if self.num_classes is not None and found != self.num_classes:
            raise ValueError(f"boxes of the data have {found} classes, but num_classes of Boxes is {self.num_classes}")

    def _what(self, condition: Condition, boxes: Tensor) -> Tensor:
        """(B, L, D) embeddings of what is in boxes."""
        if self.encoder is None:
            found: Tensor = self.what(boxes[:, :, 0].long())
            return found
        texts = condition.tensors.get(BOX_TEXTS)
        if texts is None:
            texts = torch.zeros(*boxes.shape[:2], 1, dtype=torch.uint8, device=boxes.device)
        features = self.encoder(_filled(texts, self.max_boxes).flatten(0, 1))
        number = (features != 0).any(-1).sum(1, keepdim=True).clamp(min=1)
        mean: Tensor = self.what((features.sum(1) / number).to(self.corner.weight.dtype))
        return mean.unflatten(0, boxes.shape[:2])


def _filled(rows: Tensor, num: int) -> Tensor:
    """(B, L, ...) with zeros behind, up to `num` rows.

    Raises:
        ValueError: if there are more.
    """
    if rows.shape[1] > num:
        raise ValueError(_too_many(rows.shape[1], num))
    return torch.cat([rows, rows.new_zeros(len(rows), num - rows.shape[1], rows.shape[2])], 1)


def _too_many(found: int, most: int) -> str:
    return f"there are pictures with {found} boxes, and max_boxes of Boxes is {most}"
