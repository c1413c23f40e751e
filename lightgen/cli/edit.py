"""`lightgen edit`: change whole pictures, without a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from lightgen.checkpoint import digest
from lightgen.cli import picture_run
from lightgen.cli.parser import Parser
from lightgen.cli.picture_run import Request
from lightgen.editing import Edit, start_of
from lightgen.figures import read_png, save_png, sheet
from lightgen.functional.files import save_json
from lightgen.functional.picture_files import pictures_under
from lightgen.given import own_filter, read_masked
from lightgen.settings import EDIT

NUM_IMAGES = 4
SHEET_PICTURES, SHEET_EDITS = 8, 8
RECORD = "edit.json"


def parser(trainer: bool = True) -> Parser:
    """The arguments of `lightgen edit`."""
    made = Parser(
        prog="lightgen edit",
        description="Change pictures as a whole: destroy a share of their tokens, and sample from there.",
    )
    made.add_argument(
        "--image", type=Path, action="extend", nargs="+", required=True,
        help="a picture, or a folder of them, once or several times; resized and cropped as in training",
    )  # fmt: skip
    made.add_argument(
        "--strength", type=float, default=0.4,
        help="share of the tokens, from 0 to 1, that is destroyed: 0 gives the reconstruction, 1 any picture; about "
        "that share of the sampler's steps is taken",
    )  # fmt: skip
    files = f"sheet.png (original, reconstruction, edits) and {RECORD}"
    picture_run.add_options(made, NUM_IMAGES, "edited", files, "default: no class, and no guidance", trainer)
    return made


def main(args: list[str]) -> int:
    """Edit and write pictures; `args[0]` is the command's name."""
    run(picture_run.requested(parser, args[1:], NUM_IMAGES, EDIT))
    return 0


def run(request: Request) -> None:
    """Make the pictures; rank zero writes the sheet and the record."""
    prior, parsed, turns = request.prior, request.parsed, request.turns
    if request.canvas is not None:
        raise ValueError("an edit is as large as the pictures in training, so that --canvas means nothing")
    start = start_of(prior, parsed.strength)
    paths, resize = _paths(parsed.image), own_filter(parsed.ckpt_path)
    tokenizer = prior.tokenizer
    size = (tokenizer.image_size, tokenizer.channels, resize)
    images = torch.stack([read_masked(path, None, *size)[0] for path in paths])
    ids = prior.encode(images.to(prior.device)).cpu()
    # Each text and category of the first picture, then of the second.
    edit = Edit(ids.repeat_interleave(len(turns), 0), parsed.strength)
    request = replace(request, num_images=request.num_images * len(paths), start=start)
    of = [str(paths[i // len(turns) % len(paths)]) for i in range(request.num_images)]
    decided = picture_run.settings(request, strength=parsed.strength, pictures=digest(images))
    with picture_run.writing(request, RECORD, decided):
        record = picture_run.run(request, decided, given=edit, each=lambda i: {"image": of[i]})
        if record is None:
            return
        reconstructions = prior.decode(ids[:SHEET_PICTURES].to(prior.device)).cpu()
        names = turns.file_names(request.num_images)
        shown, captions = [], []
        for number, pair in enumerate(zip(images, reconstructions, strict=False)):
            of_it = [i for i in range(request.num_images) if i // len(turns) % len(paths) == number][:SHEET_EDITS]
            shown += [*pair, *(read_png(parsed.out / names[i]) for i in of_it)]
            edits = [turns.words(i, turns.varied) or f"edit {i}" for i in of_it]
            captions += ["original", "reconstruction", *edits]
        columns = len(shown) // min(len(paths), SHEET_PICTURES)
        title = f"strength {parsed.strength:g}: {picture_run.described(request, record)}"
        save_png(sheet(shown, title, captions, columns), parsed.out / "sheet.png")
        save_json(record | {"images": of, "resize": resize, "start": start}, parsed.out / RECORD)
    print(picture_run.summary(request, record, parsed.out / "sheet.png"))


def _paths(given: Sequence[Path]) -> list[Path]:
    """The pictures that are named, and those in the folders that are.

    Raises:
        ValueError: if a folder has none.
    """
    found: list[Path] = []
    for path in given:
        within = pictures_under(path) if path.is_dir() else [path]
        if not within:
            raise ValueError(f"there are no pictures in {path}")
        found += within
    return found
