"""Random numbers as a pure function of (seed, picture, step, stream, position).

A counter-based generator: nothing is consumed, so picture 7 of seed 0 gets the same numbers alone, in a batch
of 64, or on another worker, and does not notice when a neighbour stops early. The mixer is the finaliser of
SplitMix64 (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators"; constants of
Stafford's variant 13), written in wrapping int64 arithmetic because torch has no unsigned shift.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, unique

import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_GOLDEN_RATIO = (5**0.5 - 1) / 2
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


@unique
class Stream(IntEnum):
    """What a uniform is drawn for; two draws of one step need two streams."""

    TOKEN = 0
    UPDATE = 1
    CORRUPT = 2
    REPLACE = 3
    TIME = 4
    CONDITION = 5
    MIRROR = 6
    CHOICE = 7
    ORDER = 8
    REVERSE = 9
    FORWARD = 10
    FORWARD_CODE = 11
    CROP = 12
    AUGMENT = 13
    CAPTION = 14
    KNOWN = 15
    GUIDANCE = 18
    REFERENCE = 19


@dataclass(frozen=True)
class Noise:
    """The random numbers of a batch of pictures.

    Args:
        seed: any integer.
        index: (B,) int64, the number of each picture; equal (seed, index) means equal numbers.

    Raises:
        ValueError: if the seed is no integer.
    """

    seed: int
    index: Tensor

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int):
            raise ValueError(f"seed must be a whole number, not {self.seed!r}")

    @classmethod
    def of(cls, seed: int, num_images: int, first: int = 0, device: torch.device | str = "cpu") -> Noise:
        """Noise for the pictures `first` to `first + num_images - 1`."""
        return cls(seed, torch.arange(first, first + num_images, device=device))

    def select(self, rows: Tensor | slice) -> Noise:
        """Noise of some rows of the batch (an index or a boolean mask)."""
        return Noise(self.seed, self.index[rows])

    def fold(self, number: int) -> Noise:
        """An independent source for each number, e.g. for each training batch."""
        return Noise(_mix_int(_mix_int(self.seed) + number), self.index)

    def uniform(self, step: int | Tensor, stream: int, num: int) -> Tensor:
        """(B, num) float32 in (0, 1), never 0 or 1, for the positions 0 to num - 1.

        Args:
            step: a number, or a tensor () of one: the numbers are the same.
            stream: what they are for.
            num: positions.
        """
        rows = _mix(self.index + self._key(step, stream))
        position = torch.arange(1, num + 1, device=self.index.device) * _signed(_GOLDEN)
        bits = _mix(rows[:, None] + position)
        # 23 bits at their midpoints: exact in float32, and u * total < total for every total > 0.
        return bits.bitwise_and_((1 << 23) - 1).to(torch.float32).add_(0.5).mul_(2.0**-23)

    def _key(self, step: int | Tensor, stream: int) -> int | Tensor:
        seed = _mix_int(self.seed)
        if isinstance(step, Tensor):
            return _mix(_mix(step + _signed(seed + _GOLDEN)) + _signed(stream + _GOLDEN))
        return _signed(_mix_int(_mix_int(seed + step) + stream))

    def spread(self, step: int, stream: int) -> Tensor:
        """(B,) float32 in [0, 1): uniform for each picture, and evenly spread over pictures with consecutive numbers.

        An additive sequence with the golden ratio (low discrepancy); still a function of the picture alone.
        """
        offset = Noise(self.seed, torch.zeros_like(self.index[:1])).uniform(step, stream, 1).squeeze(1).double()
        return ((offset + self.index * _GOLDEN_RATIO) % 1).float().clamp_max(1 - 2.0**-24)

    def integers(self, step: int | Tensor, stream: int, num: int, high: int) -> Tensor:
        """(B, num) int64, uniform in [0, high); the bias is below high * 2**-23."""
        return (self.uniform(step, stream, num).double() * high).long()


def _mix(x: Tensor) -> Tensor:
    x = x ^ (x >> 30 & (1 << 34) - 1)
    x *= _signed(_MULTIPLIERS[0])
    x ^= x >> 27 & (1 << 37) - 1
    x *= _signed(_MULTIPLIERS[1])
    x ^= x >> 31 & (1 << 33) - 1
    return x


def _mix_int(x: int) -> int:
    x = x + _GOLDEN & _MASK
    x = (x ^ x >> 30) * _MULTIPLIERS[0] & _MASK
    x = (x ^ x >> 27) * _MULTIPLIERS[1] & _MASK
    return x ^ x >> 31


def _signed(x: int) -> int:
    x &= _MASK
    return x - (1 << 64) if x >> 63 else x
