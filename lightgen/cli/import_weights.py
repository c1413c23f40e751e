"""`lightgen import`: a published tokenizer as a checkpoint of lightgen."""

from __future__ import annotations

from pathlib import Path

from lightgen.checkpoint import save
from lightgen.cli.plain import PlainParser
from lightgen.importers import IMPORTERS


def parser() -> PlainParser:
    """The arguments of `lightgen import`."""
    made = PlainParser(prog="lightgen import", description=main.__doc__)
    kinds = "; ".join(f"{kind}: {importer.family}" for kind, importer in IMPORTERS.items())
    made.add_argument("--kind", choices=IMPORTERS, required=True, help=kinds)
    made.add_argument("--weights", type=Path, required=True, help="the checkpoint; for diffusers its folder")
    made.add_argument("--config", type=Path, help="YAML (taming, ldm) or config.json (diffusers) that came with it")
    made.add_argument("--image_size", type=int, help="of the pictures it is for; default: the config's, else 256")
    made.add_argument(
        "--pixel_range",
        type=float,
        nargs=2,
        metavar=("BLACK", "WHITE"),
        help="default: 0 1 for maskgit, and for diffusers with lookup_from_codebook; else -1 1",
    )
    made.add_argument("--out", type=Path, required=True, help="file to write, e.g. tokenizer.ckpt")
    return made


def main(args: list[str]) -> int:
    """Read a published VQ-GAN and write it as a tokenizer that every command takes; nothing in the file is run."""
    given = parser().parse_args(args[1:])
    if given.image_size is not None and given.image_size < 1:
        raise ValueError(f"image_size must be at least 1, not {given.image_size}")
    pixel_range = tuple(given.pixel_range) if given.pixel_range else None
    imported = IMPORTERS[given.kind](given.weights, given.config, given.image_size, pixel_range)
    save(imported.tokenizer, given.out, origin={"kind": given.kind, "file": given.weights.name})
    for note in imported.notes:
        print(note)
    tokenizer = imported.tokenizer
    h, w = tokenizer.layout.grid
    print(f"{type(tokenizer).__name__} of {tokenizer.layout.vocab_size} codes, {h}x{w} tokens a picture: {given.out}")
    return 0
