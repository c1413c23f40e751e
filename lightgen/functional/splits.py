"""Decisions that are pure functions of a picture's identity."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def share(identity: str, seed: int) -> float:
    """A number in [0, 1) that depends on nothing but the identity and the seed."""
    # The names of files may hold bytes that are no text.
    digest = hashlib.sha256(f"{seed}:{identity}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def split_of(identity: str, val_fraction: float, test_fraction: float, seed: int) -> str:
    """`"train"`, `"val"` or `"test"`: equal identities (a picture, its mirror, its variants) stay together."""
    where = share(identity, seed)
    if where < val_fraction:
        return "val"
    return "test" if where < val_fraction + test_fraction else "train"


def window(identity: str, number: int, seed: int) -> tuple[float, float, float]:
    """Three numbers in [0, 1) for a picture's crop of some number: its size, and where it is."""
    size, left, top = (share(f"{identity}:{number}:{part}", seed) for part in ("size", "left", "top"))
    return size, left, top


def permutation(length: int, seed: int, epoch: int) -> Tensor:
    """(length,) the order of an epoch."""
    mixed = hashlib.sha256(f"{seed}:{epoch}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(mixed[:7], "big"))
    return torch.randperm(length, generator=generator)
