"""A canvas of token cells, larger than what a network was trained on, and the windows that cover it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lightgen.types import Canvas, Grid

TOLERANCE = 0.01
"""Cells that a fraction of a window may be off: 1.333 windows of 12 cells are 16."""


def canvas_grid(window: Grid, canvas: Canvas) -> Grid:
    """The cells (h, w) of a canvas.

    Args:
        window: cells of one window, the grid in training.
        canvas: rows and columns of windows; fractions are fine where whole cells come out.

    Raises:
        ValueError: if the canvas is smaller than one window, or cuts a cell.
    """
    if not all(1 <= number < math.inf for number in canvas):
        raise ValueError(f"a canvas must be at least one window, 1x1, not {canvas[0]:g}x{canvas[1]:g}")
    return _whole_cells("canvas", window, canvas)


def canvas_offset(window: Grid, grid: Grid, at: Canvas | None = None) -> Grid:
    """The first row and column of cells of one window that lies on a canvas.

    Args:
        window: its cells.
        grid: cells of the canvas.
        at: rows and columns from the top left, in windows; None is the middle.

    Raises:
        ValueError: if the window leaves the canvas, or cuts a cell.
    """
    room = (grid[0] - window[0], grid[1] - window[1])
    if at is None:
        return room[0] // 2, room[1] // 2
    row, column = _whole_cells("place", window, at)
    if not (0 <= row <= room[0] and 0 <= column <= room[1]):
        most = f"[0, {room[0] / window[0]:g}], [0, {room[1] / window[1]:g}]"
        raise ValueError(f"place must be in {most} on this canvas, not {at[0]:g},{at[1]:g}")
    return row, column


def _whole_cells(name: str, window: Grid, numbers: tuple[float, float]) -> Grid:
    """Rows and columns of windows as rows and columns of cells."""
    rows, columns = (number * side for number, side in zip(numbers, window, strict=True))
    if max(abs(rows - round(rows)), abs(columns - round(columns))) > TOLERANCE:
        raise ValueError(
            f"{name} must come to whole cells, 1/{window[0]} of a window down and 1/{window[1]} across, "
            f"not {numbers[0]:g},{numbers[1]:g}"
        )
    return round(rows), round(columns)


def starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along an axis: from end to end, evenly, each at least this share over the one before."""
    stride = max(1, int(window * (1 - overlap)))
    gaps = math.ceil((length - window) / stride)
    return [round(i * (length - window) / gaps) for i in range(gaps + 1)] if gaps else [0]


def window_positions(grid: Grid, window: Grid, overlap: float, num_codes: int = 1) -> Tensor:
    """(windows, n) int64: which of the positions of a canvas stand in each window, in the window's own order.

    Args:
        grid: cells of the canvas.
        window: cells of a window; n = num_codes * its cells.
        overlap: share in [0, 1) of a window that its neighbour covers too, on each axis.
        num_codes: M; the codes of a cell stay together.
    """
    position = torch.arange(grid[0] * grid[1] * num_codes).view(*grid, num_codes)
    return torch.stack([
        position[top : top + window[0], left : left + window[1]].flatten()
        for top in starts(grid[0], window[0], overlap)
        for left in starts(grid[1], window[1], overlap)
    ])  # fmt: skip


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
