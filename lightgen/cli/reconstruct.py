"""`lightgen reconstruct`: pictures through a tokenizer and back, seen and measured."""

from __future__ import annotations

import math
from typing import Any

import torch

from lightgen.checkpoint import fingerprint, tokenizer_in
from lightgen.cli import picture_folder
from lightgen.cli.configs import with_located_configs
from lightgen.cli.overrides import Overrides
from lightgen.cli.parser import Parser
from lightgen.cli.progress import progress_bar
from lightgen.data.base import ImageData, Split
from lightgen.data.own import own_pictures
from lightgen.figures import save_png, side_by_side
from lightgen.functional.files import save_json
from lightgen.metrics.health import Health
from lightgen.provenance import provenance
from lightgen.registry import as_config
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import to_uint8

SHEET = 32
RECORD = "scores.json"


def parser() -> Parser:
    """The arguments of `lightgen reconstruct`."""
    made = Parser(prog="lightgen reconstruct", description="Send pictures through a tokenizer and back.")
    made.add_argument("--config", action="config", help="a YAML file with any of these options")
    made.add_argument("--ckpt_path", type=str, required=True, help="checkpoint of a tokenizer or of a prior")
    made.add_subclass_arguments(ImageData, "data", required=False, help="default: the data it was trained on")
    made.add_argument("--split", type=Split, default="val", help="which part of the data")
    made.add_argument("--num_images", type=int | None, default=None, help="only so many; default: all of the split")
    made.add_argument("--batch_size", type=int, default=32, help="pictures at a time")
    picture_folder.add_options(made, "reconstructed", f"reconstructions.png and {RECORD}")
    return made


def main(args: list[str]) -> int:
    """Reconstruct and measure; `args[0]` is the command's name."""
    made, overrides = parser(), Overrides(with_located_configs(args[1:]), ["data"])
    parsed = made.parse_args(overrides.rest)
    if parsed.batch_size < 1 or (parsed.num_images is not None and parsed.num_images < 1):
        raise ValueError("batch_size and num_images must be at least 1")
    run(tokenizer_in(parsed.ckpt_path), made_data(parsed.ckpt_path, overrides), parsed)
    return 0


def made_data(checkpoint: str, overrides: Overrides) -> ImageData:
    """The pictures that were chosen: those that the checkpoint was trained on, with what a command line changes.

    Raises:
        ValueError: if there are none, because the checkpoint has none either.
    """
    try:
        own = as_config(own_pictures(checkpoint))
    except ValueError:
        if not any(path == "data" for path, _ in overrides.changes):
            raise
        own = None
    parts = overrides.applied({"data": own})
    if parts["data"] is None:
        raise ValueError(f"{checkpoint} does not say what pictures it was trained on; name them with --data")
    made = Parser()
    made.add_subclass_arguments(ImageData, "data")
    data: ImageData = made.instantiate(made.parse_object(parts)).data
    return data


@torch.no_grad()
def run(tokenizer: Tokenizer, data: ImageData, parsed: Any) -> None:
    """Measure, write the sheet and the record."""
    data.require_size(tokenizer.image_size, tokenizer.channels, "the tokenizer")
    pictures = data.dataset(parsed.split)
    num = min(parsed.num_images or len(pictures), len(pictures))
    if num == 0:
        raise ValueError(f"there are no pictures in the {parsed.split} split")
    decided = {"tokenizer": fingerprint(tokenizer), "data": data.fingerprint, "split": parsed.split}
    held = (parsed.out, RECORD, {**decided, "num_images": num}, num, parsed.overwrite)
    with picture_folder.writing(*held, ckpt_path=str(parsed.ckpt_path)):
        health = Health(tokenizer.layout)
        sheet: list[torch.Tensor] = []
        with progress_bar(f"reconstructing {num} pictures", math.ceil(num / parsed.batch_size), "batches") as advance:
            for start in range(0, num, parsed.batch_size):
                batch = pictures.__getitems__(list(range(start, min(start + parsed.batch_size, num))))
                reconstruction = health.update(tokenizer, batch["image"], batch["index"])
                if start < SHEET:
                    sheet.append(torch.stack([batch["image"], to_uint8(reconstruction)]))
                advance(1)
        originals, reconstructions = torch.cat(sheet, 1)[:, :SHEET]
        save_png(side_by_side(originals, reconstructions), parsed.out / "reconstructions.png")
        scores = {name: float(value) for name, value in health.compute().items()}
        record = {"ckpt_path": parsed.ckpt_path, "num_images": num, **decided, **scores,
                  **provenance(torch.device("cpu"))}  # fmt: skip
        save_json(record, parsed.out / RECORD)
    used = f"{scores['codebook_usage']:.0%} of {tokenizer.layout.vocab_size} codes used"
    print(
        f"{num} pictures: PSNR {scores['psnr']:.2f} dB, SSIM {scores['ssim']:.3f}, {used}: "
        f"{parsed.out / 'reconstructions.png'}"
    )
