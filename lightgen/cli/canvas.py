"""A larger canvas, as an option and in the record."""

from __future__ import annotations

import re
from typing import Any

from lightgen.prior import Prior
from lightgen.types import Canvas
from lightgen.windows import on_canvas

CANVAS = "rows x columns of the size in training, e.g. 2x3 or 1x1.5; overlapping windows share the probabilities"


def pair(name: str, text: str, separator: str) -> tuple[float, float]:
    """Two numbers, as in 2x3.

    Raises:
        ValueError: if the text is anything else.
    """
    match = re.fullmatch(rf"(\d+\.?\d*){separator}(\d+\.?\d*)", text.replace(" ", ""))
    if match is None:
        raise ValueError(f"{name} must be two numbers like 2{separator}1.5, rows first, not {text}")
    return float(match[1]), float(match[2])


def describe_canvas(prior: Prior, canvas: Canvas) -> dict[str, Any]:
    """A canvas for the record: one evaluation of it is one of the network on every window."""
    layout = prior.layout(canvas)
    windows = on_canvas(prior.network, layout).num_windows
    return {"rows": canvas[0], "columns": canvas[1], "cells": list(layout.cells), "windows": windows}
