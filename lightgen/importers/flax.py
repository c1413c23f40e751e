"""Tensors that flax wrote, without running anything that is in them.

Flax writes nested mappings as msgpack; an array in them is an extension of number 1, itself msgpack: its shape, the
name of its type, its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ARRAY = 1
TYPES = ("float16", "bfloat16", "float32", "float64", "int32", "int64")


def is_msgpack(path: Path) -> bool:
    """Whether a file begins with a mapping of msgpack that is not empty, as none of torch's files does."""
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except OSError:
        return False
    return b"\x81" <= first <= b"\x8f" or first in (b"\xde", b"\xdf")


def read_msgpack(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by their names in the mappings, joined by dots.

    Raises:
        ValueError: in one line, if the package that reads it is not there, or the file is damaged.
    """
    try:
        import msgpack
    except ImportError:
        raise ValueError(f'{path} is of flax, which needs: pip install "lightgen[flax]"') from None

    def tensor(number: int, data: bytes) -> Tensor | None:
        if number != ARRAY:
            return None
        shape, name, contents = msgpack.unpackb(data)
        if name not in TYPES:
            raise ValueError(name)
        return torch.frombuffer(bytearray(contents), dtype=getattr(torch, name)).view(shape)

    try:
        with path.open("rb") as file:
            # No part can be longer than the file, whatever it says of itself.
            contents = msgpack.Unpacker(file, ext_hook=tensor, max_buffer_size=path.stat().st_size).unpack()
        return dict(_flat(contents))
    except Exception:
        # Damaged parts can fail in any way.
        raise ValueError(f"{path} is no file of flax, or is damaged") from None


def _flat(tree: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{name}.")
        elif isinstance(value, Tensor):
            yield start + name, value
