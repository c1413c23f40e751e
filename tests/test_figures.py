"""Pictures and files for people."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from lightgen.figures import (
    GAP,
    LINE,
    MIN_WIDTH,
    SIDE,
    enlarged,
    grid,
    read_png,
    save_gif,
    save_png,
    sheet,
    side_by_side,
)
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


@pytest.mark.parametrize(
    ("size", "factor"), [((16, 16), 8), ((28, 28), 4), ((64, 40), 2), ((65, 65), 1), ((256, 9), 1)]
)
def test_small_pictures_are_enlarged_pixel_by_pixel(size: tuple[int, int], factor: int) -> None:
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    shown = enlarged(image)
    assert shown.shape == (3, size[0] * factor, size[1] * factor)
    assert torch.equal(shown[:, ::factor, ::factor], image) and torch.equal(
        shown[:, factor - 1 :: factor, ::factor], image
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("captions", [None, ["one", "a caption that has far too little room", "three"]])
def test_a_sheet_has_a_title_captions_and_every_picture(channels: int, captions: list[str] | None) -> None:
    images, head = pictures(3, channels), LINE if captions else 0
    made = sheet(images, "a title", captions, columns=2)
    height, width = SIDE // 6 * 4, SIDE // 6 * 6
    assert made.shape == (channels, LINE + 2 * (GAP + head + height), MIN_WIDTH)
    inked = [(made[:1, :LINE] < 100).any()]
    for i in range(3):
        top, left = LINE + GAP + i // 2 * (head + height + GAP), i % 2 * (width + GAP)
        assert torch.equal(made[:, top + head : top + head + height, left : left + width], enlarged(images[i]))
        inked += [(made[:1, top : top + head, left : left + width] < 100).any()] * (captions is not None)
    assert all(inked)
    # Nothing is written beside the pictures that it is about.
    assert (made[:, LINE + GAP :, width : width + GAP] == 255).all()


def test_letters_that_the_font_knows_are_not_all_the_same_box() -> None:
    cyrillic, other = (sheet(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "", [letter]) for letter in "ЖЮ")
    assert not torch.equal(cyrillic, other)


def test_a_long_title_is_broken_and_one_picture_leaves_room_for_it() -> None:
    short, long = (sheet(pictures(1), "seven words about what it shows " * times) for times in (1, 4))
    assert short.shape[2] == long.shape[2] == MIN_WIDTH and long.shape[1] > short.shape[1] + LINE


@pytest.mark.parametrize(("n", "columns"), [(5, 3), (2, 8)])
def test_a_reconstruction_lies_under_its_original(n: int, columns: int) -> None:
    made = side_by_side(pictures(n, seed=1), pictures(n, seed=2), columns)
    height, width = SIDE // 6 * 4, SIDE // 6 * 6
    assert made.shape[2] == max(MIN_WIDTH, min(n, columns) * (width + GAP) - GAP)
    for i in range(n):
        rows = 2 * math.ceil(n / columns)
        top = made.shape[1] - rows * (height + GAP) + GAP + i // columns * 2 * (height + GAP)
        pair = made[:, top:, i % columns * (width + GAP) :][:, :, :width]
        assert torch.equal(pair[:, :height], enlarged(pictures(n, seed=1)[i]))
        assert torch.equal(pair[:, height + GAP :][:, :height], enlarged(pictures(n, seed=2)[i]))


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
