"""`lightgen grid`: the same pictures over any two settings, as a sheet."""

from __future__ import annotations

from lightgen.asking import NEGATIVE_TEXT
from lightgen.cli import picture_run
from lightgen.cli.parser import Parser
from lightgen.cli.progress import progress_bar
from lightgen.crossing import Axis, Crossing
from lightgen.figures import save_png
from lightgen.functional.files import save_json, save_text
from lightgen.settings import GRID

NUM_IMAGES = 1
RECORD = "grid.json"

AXIS = "a setting and its values: steps=4,8,16, sampler=MaskGIT,Halton, temperature, guidance, sampler.ARGUMENT, " \
       "warps.ARGUMENT, guidance.ARGUMENT, seed, label, text"  # fmt: skip


def parser(trainer: bool = True) -> Parser:
    """The arguments of `lightgen grid`."""
    made = Parser(
        prog="lightgen grid", description="The same pictures of the same seed over any two settings, side by side."
    )
    made.add_argument("--x", type=str, required=True, help=f"of the columns, {AXIS}")
    made.add_argument("--y", type=str, required=True, help="of the rows, likewise")
    picture_run.add_options(
        made, NUM_IMAGES, "grid", f"grid.png, grid.html and {RECORD}", "default: random classes", trainer
    )
    return made


def main(args: list[str]) -> int:
    """Make the pictures and write the sheet; `args[0]` is the command's name."""
    request = picture_run.requested(parser, args[1:], NUM_IMAGES, GRID)
    parsed, prior = request.parsed, request.prior
    x, y = Axis.read(parsed.x), Axis.read(parsed.y)
    if names := request.turns.varied:
        raise ValueError(f"a sheet takes one {names[0]}; several are an axis, as --y {names[0]}=A,B")
    told = {**request.turns.of(0), NEGATIVE_TEXT: request.negative_text}
    how = (request.num_images, parsed.seed, parsed.batch_size, request.canvas, tuple(told.items()))
    crossing = Crossing(prior, request.recipe, x, y, *how)
    if not request.devices.is_first:
        return 0
    decided = picture_run.settings(request, x=parsed.x, y=parsed.y)
    with picture_run.writing(request, RECORD, decided):
        prior.to(request.devices.device).adopt(request.acceleration)
        cells = len(x.values) * len(y.values)
        with progress_bar(f"{cells} cells", crossing.num_steps, "steps") as advance:
            sheet = crossing.made(lambda step, ids_BN: advance(1))
        made = picture_run.stamp(request, decided, GRID)
        save_png(sheet.png(), parsed.out / "grid.png", made)
        save_text(sheet.html(), parsed.out / "grid.html")
        save_json(made, parsed.out / RECORD)
    pictures = f"{cells} cells, {cells * request.num_images} pictures"
    print(f"{pictures}: {parsed.out / 'grid.html'} and grid.png beside it")
    return 0
