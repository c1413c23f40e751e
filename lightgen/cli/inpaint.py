"""`lightgen inpaint`: fill the masked part of a picture, or continue a picture on a larger canvas."""

from __future__ import annotations

from pathlib import Path

from lightgen.checkpoint import digest
from lightgen.cli import picture_run
from lightgen.cli.canvas import pair
from lightgen.cli.parser import Parser
from lightgen.cli.picture_run import Request
from lightgen.figures import read_png, save_png, sheet
from lightgen.functional.files import save_json
from lightgen.given import own_filter, read_masked
from lightgen.inpainting import known_region
from lightgen.settings import INPAINT

NUM_IMAGES = 4
SHEET_COLUMNS = 6
SHEET_LIMIT = 22
RECORD = "inpaint.json"


def parser(trainer: bool = True) -> Parser:
    """The arguments of `lightgen inpaint`."""
    made = Parser(
        prog="lightgen inpaint",
        description="Fill the masked part of a picture, or continue it on a larger canvas, with any sampler that fits.",
    )
    made.add_argument("--image", type=Path, required=True, help="a picture; resized and cropped as in training")
    made.add_argument(
        "--mask",
        type=Path | None,
        default=None,
        help="a picture of the same size: what is white (or transparent) is painted, what is black is kept; "
        "needed without --canvas",
    )
    made.add_argument(
        "--margin",
        type=int,
        default=1,
        help="token cells around painted ones that are redrawn too",
    )
    made.add_argument("--composite", action="store_true", help="put the known pixels back, to the bit, at the end")
    made.add_argument(
        "--place",
        type=str | None,
        default=None,
        help="on a --canvas: rows,columns from its top left to the picture's, in picture sizes, e.g. 0,0.5; "
        "default: in the middle",
    )
    files = f"sheet.png (original, what is kept, results) and {RECORD}"
    picture_run.add_options(made, NUM_IMAGES, "inpainted", files, "default: no class, and no guidance", trainer)
    return made


def main(args: list[str]) -> int:
    """Paint and write pictures; `args[0]` is the command's name."""
    run(picture_run.requested(parser, args[1:], NUM_IMAGES, INPAINT))
    return 0


def run(request: Request) -> None:
    """Make the pictures; rank zero writes the sheet and the record."""
    prior, parsed, canvas = request.prior, request.parsed, request.canvas
    if canvas is None and (parsed.mask is None or parsed.place is not None):
        raise ValueError("without a --canvas, a --mask is needed and --place means nothing")
    at = None if parsed.place is None else pair("place", parsed.place, ",")
    resize = own_filter(parsed.ckpt_path)
    tokenizer = prior.tokenizer
    image, pixels = read_masked(parsed.image, parsed.mask, tokenizer.image_size, tokenizer.channels, resize)
    known = known_region(prior, image, pixels, parsed.margin, canvas, at)
    decided = picture_run.settings(
        request,
        margin=parsed.margin,
        place=parsed.place,
        composite=parsed.composite,
        picture=digest(known.ids, known.tokens, known.image, known.pixels),
    )
    files = {"image": str(parsed.image), "mask": None if parsed.mask is None else str(parsed.mask)}
    with picture_run.writing(request, RECORD, decided):
        record = picture_run.run(request, decided, given=known, composite=parsed.composite, more=files)
        if record is None:
            return
        numbers, names = range(min(request.num_images, SHEET_LIMIT)), request.turns.file_names(request.num_images)
        results = [read_png(parsed.out / names[i]) for i in numbers]
        # Whole cells; of those that are redrawn, with `composite` also the pixels that are put back.
        kept = known.shown(prior.layout(canvas))
        shown = [known.image, known.composite(kept) if parsed.composite else kept, *results]
        captions = ["original", "what is kept", *(f"result {i}" for i in numbers)]
        if request.turns.varied:
            captions[2:] = [request.turns.words(i, request.turns.varied) for i in numbers]
        title = picture_run.described(request, record)
        laid = sheet(shown, title, captions, min(len(shown), SHEET_COLUMNS))
        save_png(laid, parsed.out / "sheet.png", picture_run.sheet_stamp(request, decided, INPAINT, **files))
        record |= {
            "resize": resize,
            "known_tokens": int(known.tokens.sum()),
            "tokens": known.tokens.numel(),
        }
        save_json(record, parsed.out / RECORD)
    print(picture_run.summary(request, record, parsed.out / "sheet.png"))
