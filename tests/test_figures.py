"""Pictures and files for people."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from lightgen.figures import GAP, grid, read_png, save_gif, save_png, side_by_side
from lightgen.functional.files import atomic


def pictures(n: int, channels: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, 4, 6), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(("n", "columns", "rows_columns"), [(5, None, (2, 3)), (9, None, (3, 3)), (5, 5, (1, 5))])
def test_a_grid_holds_every_picture_once(n: int, columns: int | None, rows_columns: tuple[int, int]) -> None:
    images = pictures(n)
    sheet = grid(images, columns)
    rows, width = rows_columns
    assert sheet.shape == (3, rows * (4 + GAP) - GAP, width * (6 + GAP) - GAP)
    cells = [sheet[:, r * (4 + GAP) :, c * (6 + GAP) :][:, :4, :6] for r in range(rows) for c in range(width)]
    assert torch.equal(torch.stack(cells[:n]), images)
    assert all((cell == 255).all() for cell in cells[n:])
    assert (sheet[:, 4 : 4 + GAP] == 255).all() and (sheet[:, :, 6 : 6 + GAP] == 255).all()


@pytest.mark.parametrize(("n", "columns"), [(5, 3), (2, 8)])
def test_a_reconstruction_lies_under_its_original(n: int, columns: int) -> None:
    sheet = side_by_side(pictures(n, seed=1), pictures(n, seed=2), columns)
    assert sheet.shape[2] == min(n, columns) * (6 + GAP) - GAP
    for i in range(n):
        top, left = i // columns * 2 * (4 + GAP), i % columns * (6 + GAP)
        pair = sheet[:, top:, left : left + 6]
        assert torch.equal(pair[:, :4], pictures(n, seed=1)[i])
        assert torch.equal(pair[:, 4 + GAP :][:, :4], pictures(n, seed=2)[i])


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_value(tmp_path: Path, channels: int) -> None:
    image = pictures(1, channels)[0]
    save_png(image, tmp_path / "new" / "x.png")
    assert torch.equal(read_png(tmp_path / "new" / "x.png"), image)


@pytest.mark.parametrize("num_frames", [1, 3])
def test_gif_rests_on_its_last_frame(tmp_path: Path, num_frames: int) -> None:
    path = tmp_path / "x.gif"
    save_gif(list(pictures(num_frames)), path, milliseconds=100, rest=900)
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.size) == (num_frames, (6, 4))  # type: ignore[attr-defined]
        gif.seek(num_frames - 1)
        assert gif.info["duration"] == 900


def test_a_file_is_whole_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    with atomic(path) as temporary:
        temporary.write_text("after")
        assert path.read_text() == "before" and temporary.suffix == ".txt"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]
