"""A larger canvas, as an option."""

from __future__ import annotations

import re

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
