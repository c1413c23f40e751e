"""Words to pieces that were frequent in some texts: byte pair encoding (Sennrich et al., 2016, arXiv 1508.07909)."""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

NUM_BYTES = 256
"""The first pieces are the single bytes, so that there are pieces of every text."""
LONGEST_PIECE = 16
"""Bytes of a piece."""
WORD = re.compile(r" ?(?:\w+|[^\w\s]+)")


def words(text: str) -> list[str]:
    """Lower-cased words and marks, each with the blank before it.

    >>> words("A red-haired fox")
    [' a', ' red', '-', 'haired', ' fox']
    """
    return WORD.findall(f" {text.lower()}")


class BytePairs:
    """A vocabulary: piece i < 256 is that byte, the others are `pieces`, in the order in which they were learned.

    >>> pairs = BytePairs(learned(["red fox", "red ox"], num_pieces=5))
    >>> [pairs.piece(number) for number in pairs.numbers("red box")]
    [b' red', b' ', b'b', b'ox']
    """

    def __init__(self, pieces: Sequence[bytes] = ()) -> None:
        self.pieces = list(pieces)
        self._rank = {piece: NUM_BYTES + i for i, piece in enumerate(self.pieces)}
        self._known: dict[str, list[int]] = {}

    def numbers(self, text: str) -> list[int]:
        """The pieces of a text, by number."""
        return [number for word in words(text) for number in self._numbers(word)]

    def piece(self, number: int) -> bytes:
        """What a number stands for."""
        return bytes([number]) if number < NUM_BYTES else self.pieces[number - NUM_BYTES]

    def _numbers(self, word: str) -> list[int]:
        if word not in self._known:
            parts = _bytes(word)
            while found := [(self._rank[a + b], a, b) for a, b in pairwise(parts) if a + b in self._rank]:
                parts = _joined(parts, *min(found)[1:])
            self._known[word] = [self._rank.get(part, part[0]) for part in parts]
        return self._known[word]


def learned(texts: Iterable[str], num_pieces: int) -> list[bytes]:
    """The first pairs that byte pair encoding joins, at most so many; the order of the texts makes no difference."""
    counted = Counter(word for text in texts for word in words(text))
    spelt, counts = [_bytes(word) for word in counted], list(counted.values())
    totals: Counter[tuple[bytes, bytes]] = Counter()
    where: defaultdict[tuple[bytes, bytes], set[int]] = defaultdict(set)

    def count(word: int, times: int) -> set[tuple[bytes, bytes]]:
        pairs = [(a, b) for a, b in pairwise(spelt[word]) if len(a + b) <= LONGEST_PIECE]
        for pair in pairs:
            totals[pair] += times
            where[pair].add(word)
        return set(pairs)

    for word, times in enumerate(counts):
        count(word, times)
    found: dict[bytes, None] = {}
    heap = [(-total, pair) for pair, total in totals.items()]
    heapq.heapify(heap)
    while heap and len(found) < num_pieces:
        total, pair = heapq.heappop(heap)
        # What has changed since stands there again with its new total.
        if totals[pair] != -total or total == 0:
            continue
        found[pair[0] + pair[1]] = None
        touched: set[tuple[bytes, bytes]] = set()
        for word in where.pop(pair):
            touched |= count(word, -counts[word])
            spelt[word] = _joined(spelt[word], *pair)
            touched |= count(word, counts[word])
        for other in touched:
            heapq.heappush(heap, (-totals[other], other))
    return list(found)


def _bytes(word: str) -> list[bytes]:
    return [bytes([byte]) for byte in word.encode()]


def _joined(parts: Sequence[bytes], first: bytes, second: bytes) -> list[bytes]:
    """With each such pair in one."""
    found: list[bytes] = []
    for part in parts:
        if part == second and found and found[-1] == first:
            found[-1] = first + second
        else:
            found.append(part)
    return found
