"""Texts as rows of bytes, so that they travel with pictures as any other numbers do."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CAPTION = "caption"
"""What a text of a picture is called among its conditions."""
LONGEST = 512
"""Bytes of a text; text encoders read fewer."""


def to_bytes(texts: Sequence[str]) -> NDArray[np.uint8]:
    """(n, L) uint8: UTF-8 with zeros behind it, L that of the longest text and at most `LONGEST`.

    White space counts as one blank. What is too long ends with a whole character.

    >>> to_bytes(["fox", "a  red fox"])[0].tolist()
    [102, 111, 120, 0, 0, 0, 0, 0, 0]
    """
    encoded = [" ".join(text.replace("\0", " ").split()).encode(errors="replace") for text in texts]
    whole = [code[:LONGEST].decode(errors="ignore").encode() for code in encoded]
    rows = np.zeros((len(whole), max(map(len, whole), default=0)), np.uint8)
    for row, code in zip(rows, whole, strict=True):
        row[: len(code)] = np.frombuffer(code, np.uint8)
    return rows


def to_texts(rows: Sequence[Sequence[int]] | NDArray[np.uint8]) -> list[str]:
    """The texts of bytes (n, L); one that is not there is empty.

    >>> to_texts(to_bytes(["fox", "", "füchse"]))
    ['fox', '', 'füchse']
    """
    return [bytes(row).rstrip(b"\0").decode(errors="replace") for row in rows]


def keys(texts: Tensor) -> Tensor:
    """(n,) int64 on the CPU: equal texts (n, L) uint8 have equal numbers, however many zeros stand behind them."""
    rows = (bytes(row).rstrip(b"\0") for row in texts.cpu().numpy())
    digests = [hashlib.blake2b(row, digest_size=8).digest() for row in rows]
    return torch.tensor([int.from_bytes(digest, "big", signed=True) for digest in digests], dtype=torch.int64)
