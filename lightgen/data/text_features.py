"""Features of captions, worked out once and kept in a token cache, each distinct caption once.

text-captions.0c5e7a11.npy    (D, L) uint8, the captions in order
text-00000.88a1d3b2.npy       of the first of them: how many tokens each has, (rows,) int64, and behind that, in a
                              second array, the features of all their tokens, (tokens, C) float16; then 00001, ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightgen.checkpoint import fingerprint
from lightgen.data.base import ImageData
from lightgen.data.collection import Array
from lightgen.registry import arguments
from lightgen.text_encoders.base import TextEncoder


def distinct(captions: Array) -> Array:
    """(D, L) uint8: all captions that are there, of (n, K, L), in order, each once."""
    found = np.unique(_words(captions.reshape(-1, captions.shape[-1])))
    return _rows(found[found != b""], captions.shape[-1])


def name_of(encoder: TextEncoder) -> str:
    """Sixteen hex digits that name what an encoder makes of texts: its weights, its class and its numbers."""
    numbers = {name: value for name, value in arguments(encoder).items() if isinstance(value, int | float)}
    what = f"{type(encoder).__name__} {sorted(numbers.items())} {fingerprint(encoder)}"
    return hashlib.sha256(what.encode()).hexdigest()[:16]


def describe_texts(encoder: TextEncoder, data: ImageData) -> dict[str, Any]:
    """What a token cache says of features of captions.

    Raises:
        ValueError: if there are no captions, or the encoder is no frozen one.
    """
    title = type(encoder).__name__
    if not encoder.frozen:
        raise ValueError(f"{title} is trained with the prior, so that its features cannot be kept; leave it out")
    columns = data.collection.conditions
    captions = distinct(columns["captions"]) if "captions" in columns else ()
    if not len(captions):
        raise ValueError(f"{data.title} has no captions for {title} to encode; --data.captions says where they are")
    return {"encoder": name_of(encoder), "title": title, "captions": len(captions)}


def frozen_encoder(network: nn.Module) -> TextEncoder | None:
    """The text encoder of a network, if it has one whose features can be kept."""
    found = (part for part in network.modules() if isinstance(part, TextEncoder))
    return next((encoder for encoder in found if encoder.frozen), None)


@torch.no_grad()
def encode_texts(
    encoder: TextEncoder,
    captions: Array,
    batch_size: int,
    device: torch.device | str,
    advance: Callable[[int], None],
) -> tuple[Array, Array]:
    """How many tokens each of some captions has, (rows,) int64, and the features of all, (tokens, C) float16.

    Args:
        encoder: a frozen one.
        captions: (rows, L) uint8.
        batch_size: captions at a time.
        device: where the encoder is, and the work is done.
        advance: is told of captions that are done.

    Raises:
        ValueError: if features are too large for float16.
    """
    training = encoder.training
    encoder = encoder.to(device).eval()
    counts, parts = [np.zeros(0, np.int64)], [np.zeros((0, encoder.dim), np.float16)]
    for start in range(0, len(captions), batch_size):
        texts = torch.from_numpy(captions[start : start + batch_size])
        features = encoder(texts.to(device)).half().cpu()
        if not features.isfinite().all():
            raise ValueError(f"the features of {type(encoder).__name__} are too large to be kept as float16")
        there = (features != 0).any(-1)
        counts.append(there.sum(1).numpy())
        parts.append(features[there].numpy())
        advance(len(texts))
    encoder.train(training)
    return np.concatenate(counts), np.concatenate(parts)


def packed(counts: Array, features: Array) -> bytes:
    """The contents of a file of features."""
    file = BytesIO()
    np.save(file, counts)
    np.save(file, features)
    return file.getvalue()


class TextFeatures:
    """Looks up the features of captions, which are memory-mapped.

    Args:
        captions: the file of the captions.
        files: of their features.
    """

    def __init__(self, captions: Path, files: Sequence[Path]) -> None:
        self.captions = _words(np.load(captions))
        self.files = [_opened(path) for path in files]
        self.rows, self.dim = len(self.files[0][0]), self.files[0][1].shape[1]
        self.length = max(int(counts.max()) for counts, _ in self.files)
        self.stops = [counts.cumsum() for counts, _ in self.files]

    def __call__(self, texts_BL: Tensor) -> Tensor:
        """Features (B, L, C) float32 of texts, (B, bytes) uint8, with zeros behind; L is the same in all batches."""
        found = np.zeros((len(texts_BL), self.length, self.dim), np.float32)
        words = _words(texts_BL.numpy())
        places = np.searchsorted(self.captions, words).tolist()
        for row, word, place in zip(found, words, places, strict=True):
            if word:
                file, i = divmod(place, self.rows)
                counts, features = self.files[file]
                row[: counts[i]] = features[self.stops[file][i] - counts[i] : self.stops[file][i]]
        return torch.from_numpy(found)


def _opened(path: Path) -> tuple[Array, Array]:
    with path.open("rb") as file:
        counts: Array = np.load(file)
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return counts, np.asarray(np.memmap(path, dtype, "r", file.tell(), shape))


def _words(rows: Array) -> Any:
    """(n,) bytes of texts (n, L) uint8, without the zeros behind them."""
    return np.ascontiguousarray(rows).view(f"S{rows.shape[1]}").reshape(-1)


def _rows(words: Any, length: int) -> Array:
    return words.astype(f"S{length}").view(np.uint8).reshape(-1, length)
