"""Windows of the size that a network knows, on a grid that is larger."""

from __future__ import annotations

from lightgen.types import Grid


def sliding_window(cell: Grid, canvas: Grid, window: Grid) -> Grid:
    """The top row and left column of the window around a cell: centred, but inside of the canvas.

    In raster order the window then holds as much as it can of what was drawn before the cell. Esser et al., 2021,
    arXiv 2012.09841, section 3.3.

    Args:
        cell: (row, column) on the canvas.
        canvas: (H, W).
        window: (h, w).

    Raises:
        ValueError: if the window is larger than the canvas.
    """
    if window[0] > canvas[0] or window[1] > canvas[1]:
        raise ValueError(f"a canvas must not be smaller than {window[0]}x{window[1]} tokens, not {canvas}")
    top, left = (
        min(max(place - size // 2, 0), length - size) for place, size, length in zip(cell, window, canvas, strict=True)
    )
    return top, left
