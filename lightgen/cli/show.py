"""`lightgen show`: what made a picture, and the command that makes it again."""

from __future__ import annotations

from pathlib import Path

from lightgen.again import command, held, lacking, read, said
from lightgen.asking import TEXT
from lightgen.cli.plain import PlainParser
from lightgen.made import picture_name
from lightgen.settings import INPAINT, asked

OUT = "again"


def main(args: list[str]) -> int:
    """Say what made a PNG of lightgen's, and print the command that makes it again."""
    parser = PlainParser(prog="lightgen show", description=main.__doc__)
    parser.add_argument("picture", type=Path, nargs="+", help="a PNG that lightgen made")
    for path in parser.parse_args(args[1:]).picture:
        settings = read(path)
        try:
            classes, doubt = held(settings).classes, ""
        except ValueError as error:
            classes, doubt = None, f"But {error}; say with --ckpt_path where the one is that made it."
        if settings["command"] == INPAINT and not settings.get("image"):
            doubt = "But the picture that was painted on had no file; give one with --image, and a --mask."
        elif said_in_python := lacking(settings):
            doubt = f"But {said_in_python}."
        index = settings.get("index", 0)
        name = f"{index:06d}-*.png" if TEXT in asked(settings) else picture_name(index)
        then = f"Then it is {OUT}/{name}." if "index" in settings else ""
        print("\n".join(filter(None, (f"{path}: {said(settings, classes)}", command(settings, OUT), doubt or then))))
    return 0
