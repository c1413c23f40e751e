"""`lightgen sample`: pictures from a prior's checkpoint."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lightgen.cli import liked, picture_run, stages
from lightgen.cli.parser import Parser
from lightgen.cli.picture_run import Request
from lightgen.figures import read_png, save_gif, save_png, sheet
from lightgen.functional.files import save_json
from lightgen.samplers.iteration import Iteration
from lightgen.settings import SAMPLE
from lightgen.types import OnStep

NUM_IMAGES = 16
GRID_LIMIT, COLUMN_LIMIT = 64, 16
BLANK = 4.0
"""A picture shows nothing whose values, of 0 to 255, deviate by less from the mean of their channel."""
ANIMATION_LIMIT = 16
RECORD = "samples.json"


def parser(trainer: bool = True) -> Parser:
    """The arguments of `lightgen sample`."""
    made = Parser(prog="lightgen sample", description="Make pictures from a prior's checkpoint.")
    picture_run.add_options(made, NUM_IMAGES, "samples", f"grid.png and {RECORD}", "default: random classes", trainer)
    liked.add_options(made)
    made.add_argument("--best_of", type=int, default=1, help="draws of each picture, of which the judge keeps one")
    made.add_argument(
        "--judge", type=str | None, default=None, help="the judge: a scorer's checkpoint, or a CLIP folder"
    )
    made.add_argument("--animate", action="store_true", help="also write steps.gif, a grid after every step")
    made.add_argument(stages.OPTION, type=list[str], default=[], help=stages.HELP)
    return made


def main(args: list[str]) -> int:
    """Sample and write pictures; `args[0]` is the command's name."""
    run(picture_run.requested(parser, args[1:], NUM_IMAGES))
    return 0


def run(request: Request) -> None:
    """Make the pictures; rank zero writes the grid and the record."""
    prior, parsed, canvas = request.prior, request.parsed, request.canvas
    if parsed.animate and request.cascade is not None:
        raise ValueError("--animate shows one prior at work, without --then")
    decided, frames = picture_run.settings(request), list[Tensor]()

    def animation(index: Tensor, iteration: Iteration) -> OnStep | None:
        if not parsed.animate or index[0] != 0:
            return None
        num_steps = picture_run.num_steps(request)

        def on_step(step: int, ids_BN: Tensor) -> None:
            cost = iteration.evaluations[:ANIMATION_LIMIT].float().mean()
            title = f"step {step + 1} of {num_steps}, {cost:.4g} network evaluations"
            frames.append(sheet(prior.decode(ids_BN[:ANIMATION_LIMIT], canvas), title))

        on_step(-1, iteration.ids)
        return on_step

    with picture_run.writing(request, RECORD, decided):
        record = picture_run.run(request, decided, animation)
        if record is None:
            return
        laid, names = layout(request), request.turns.file_names(request.num_images)
        shown = [read_png(parsed.out / names[i]) for i in laid.numbers]
        title = picture_run.described(request, record)
        grid = sheet(shown, title, laid.captions, laid.columns, laid.headings)
        save_png(grid, parsed.out / "grid.png", picture_run.sheet_stamp(request, decided, SAMPLE))
        if frames:
            save_gif(frames, parsed.out / "steps.gif")
        save_json(record, parsed.out / RECORD)
    print(picture_run.summary(request, record, parsed.out / "grid.png"))
    num_blank = sum(map(is_blank, shown))
    if num_blank > len(shown) / 10:
        warnings.warn(
            f"{num_blank} of {len(shown)} pictures are of one colour; a higher --warps.temperature, fewer steps or "
            "another --sampler may show more",
            stacklevel=1,
        )


@dataclass(frozen=True)
class Laid:
    """Which pictures stand in the grid, row by row, and what is written on it."""

    numbers: Sequence[int]
    captions: list[str] | None = None
    """Above each picture."""
    columns: int | None = None
    headings: list[str] | None = None
    """Above each row."""


def layout(request: Request) -> Laid:
    """The first pictures; where several things are asked for, a row for each text, or else for each class or so."""
    turns, num = request.turns, request.num_images
    if not turns.varied:
        return Laid(range(min(num, GRID_LIMIT)))
    first, *others = turns.varied
    asked = turns.columns[first]
    values = list(dict.fromkeys(asked))
    if len(values) == num:
        shown = range(min(num, GRID_LIMIT))
        return Laid(shown, [turns.words(i, [first]) for i in shown])
    columns = min(num // len(values), COLUMN_LIMIT)
    rows = [sorted((i for i in range(num) if asked[i % len(asked)] == value), key=lambda i: i % len(asked))
            for value in values[: max(1, GRID_LIMIT // columns)]]  # fmt: skip
    numbers = [i for row in rows for i in row[:columns]]
    captions = [turns.words(i, others) for i in numbers] if others else None
    return Laid(numbers, captions, columns, [turns.words(row[0], [first]) for row in rows])


def is_blank(picture: Tensor) -> bool:
    """Whether a uint8 picture (C, H, W) shows nothing."""
    return bool((picture.float().std((1, 2)) < BLANK).all())
