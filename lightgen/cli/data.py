"""`lightgen data`: pictures to train on, made from what others have published."""

from __future__ import annotations

import time
from pathlib import Path

from lightgen.cli.output import set_up_output
from lightgen.cli.plain import PlainParser
from lightgen.cli.progress import progress_bar
from lightgen.data.icons import draw


def parser() -> PlainParser:
    """The arguments of `lightgen data`."""
    made = PlainParser(
        prog="lightgen data",
        description="Draw the free emoji sets of the npm package @iconify/json, with captions, into a folder to train "
        "on. Stopped, the same command goes on.",
    )
    made.add_argument("kind", choices=["icons"], help="emoji in eight styles, about 19,500 pictures")
    made.add_argument("--source", type=Path, required=True, help="the package, a .tgz: npm pack @iconify/json gets it")
    made.add_argument("--size", type=int, default=64, help="pixels of a side (default: 64)")
    made.add_argument("--share_alike", action="store_true", help="also the two sets under CC-BY-SA-4.0")
    made.add_argument("--out", type=Path, required=True, help="folder for the pictures, their captions and licences")
    return made


def main(args: list[str]) -> int:
    """Draw pictures into a folder; `args[0]` is the command's name."""
    parsed = parser().parse_args(args[1:])
    set_up_output()
    start = time.perf_counter()
    drawn = draw(parsed.source, parsed.out, parsed.size, progress_bar, parsed.share_alike)
    counts = ", ".join(f"{count} {style}" for style, count in drawn.counts.items())
    before = f", {drawn.found} of them there already" * bool(drawn.found)
    print(f"{sum(drawn.counts.values())} icons{before}: {counts}")
    print(f"{time.perf_counter() - start:.1f} s: {parsed.out}, with licences and authors in NOTICE")
    print(f"to train on them: --data ImageFolder --data.root {parsed.out} --data.captions text --data.labels class "
          "--data.identity codepoint")  # fmt: skip
    return 0
