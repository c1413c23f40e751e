"""Layouts: where tokens stand, flat and unflat, on a grid, on a canvas, in a sequence."""

import pytest
import torch

from lightgen.functional.low_discrepancy import halton_rank
from lightgen.layout import Layout

GRID = (4, 8)


@pytest.mark.parametrize("cells", [GRID, (32,)])
@pytest.mark.parametrize("num_codes", [1, 3])
def test_flat_ids_keep_the_codes_of_a_cell_together(cells, num_codes):
    layout = Layout(cells, 11, num_codes)
    ids = torch.randint(11, (2, *cells) if num_codes == 1 else (2, num_codes, *cells))
    flat = layout.flatten(ids)
    assert flat.shape == (2, layout.num_tokens) and torch.equal(layout.unflatten(flat), ids)
    # Cell 21 is row 2, column 5 of the grid.
    assert torch.equal(flat[1].view(32, num_codes)[21], ids.view(2, num_codes, 32)[1, :, 21])


def test_halton_goes_by_cells_and_keeps_their_codes_together():
    one, three = Layout(GRID, 11), Layout(GRID, 11, num_codes=3)
    assert torch.equal(one.halton_rank(), halton_rank(GRID))
    assert torch.equal(three.halton_rank().view(32, 3), halton_rank(GRID)[:, None] * 3 + torch.arange(3))
    # A sequence has one axis: the first places of van der Corput's sequence lie far apart.
    sequence = Layout((9,), 11).halton_rank()
    assert sorted(sequence.tolist()) == list(range(9)) and sequence.argsort()[:3].tolist() == [3, 6, 1]


def test_a_canvas_is_a_layout_and_its_windows_are_the_smaller_one():
    window = Layout(GRID, 11, num_codes=2)
    canvas = window.on((2, 1.5))
    assert canvas == Layout((8, 12), 11, 2) and window.on(None) is window
    windows = canvas.windows(window, overlap=0.0)
    assert windows.shape == (4, window.num_tokens) and windows.unique().tolist() == list(range(canvas.num_tokens))
    with pytest.raises(ValueError, match="a larger canvas needs tokens on a grid"):
        Layout((32,), 11).on((2, 2))


@pytest.mark.parametrize("bad", [{"cells": (1, 2, 3)}, {"cells": (0, 2)}, {"vocab_size": 0}, {"num_codes": 0}])
def test_bad_numbers_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Layout(**{"cells": GRID, "vocab_size": 11, **bad})
