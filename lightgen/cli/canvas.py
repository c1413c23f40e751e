"""A larger canvas, as an option."""

from __future__ import annotations

import re
from collections.abc import Sequence

CANVAS = "rows x columns of the size in training, e.g. 2x3 or 1x1.5"


def pair(name: str, text: str, separator: str) -> tuple[float, float]:
    """Two numbers, as in 2x3.

    Raises:
        ValueError: if the text is anything else.
    """
    match = re.fullmatch(rf"(\d+\.?\d*){separator}(\d+\.?\d*)", text.replace(" ", ""))
    if match is None:
        raise ValueError(f"{name} must be two numbers like 2{separator}1.5, rows first, not {text}")
    return float(match[1]), float(match[2])


def with_negative_pairs(words: Sequence[str]) -> list[str]:
    """A command line with pairs that begin with a minus joined to their option, for argparse takes -1x2 for another."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in ("--canvas", "--place") and re.match(r"-\d", word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined
