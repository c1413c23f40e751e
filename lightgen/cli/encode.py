"""`lightgen encode`: the ids of a data set in a token cache, for training a prior on."""

from __future__ import annotations

import time
from pathlib import Path

from lightgen.checkpoint import tokenizer_in
from lightgen.cli import agreement, device_option
from lightgen.cli.configs import with_located_configs
from lightgen.cli.overrides import Overrides
from lightgen.cli.parser import Parser
from lightgen.cli.progress import progress_bar
from lightgen.cli.reconstruct import made_data
from lightgen.data.base import ImageData
from lightgen.data.encode import encode
from lightgen.text_encoders.base import TextEncoder


def parser() -> Parser:
    """The arguments of `lightgen encode`."""
    made = Parser(
        prog="lightgen encode",
        description="Encode pictures once, to train a prior on their ids. Killed, it goes on where it stopped when "
        "called again; several at a time share the work, each on its own GPU under torchrun.",
    )
    made.add_argument("--config", action="config", help="a YAML file with any of these options")
    made.add_argument("--tokenizer", type=str, required=True, help="checkpoint of a tokenizer or of a prior")
    made.add_subclass_arguments(
        ImageData, "data", required=False,
        help="default: the data it was trained on; batch_size pictures are encoded at a time",
    )  # fmt: skip
    made.add_subclass_arguments(
        TextEncoder, "text_encoder", required=False,
        help="a frozen one, whose features of all captions are kept beside the ids; without one, captions are bytes",
    )  # fmt: skip
    made.add_argument("--num_crops", type=int, default=0, help="random windows of each training picture; 0: its centre")
    device_option.add_option(made)
    made.add_argument("--out", type=Path, default=Path("tokens"), help="of the cache: --data.cache of `lightgen fit`")
    return made


def main(args: list[str]) -> int:
    """Make a token cache; `args[0]` is the command's name."""
    made, overrides = parser(), Overrides(with_located_configs(args[1:]), ["data"])
    parsed = made.parse_args(overrides.rest)
    text_encoder = agreement.made(TextEncoder, parsed.text_encoder) if parsed.get("text_encoder") else None
    tokenizer, start = tokenizer_in(parsed.tokenizer), time.perf_counter()
    device_option.move(parsed.device, tokenizer)
    data = made_data(parsed.tokenizer, overrides)
    cache = encode(parsed.out, tokenizer, data, parsed.num_crops, progress_bar, text_encoder)
    header, seconds = cache.header, time.perf_counter() - start
    size = sum((parsed.out / name).stat().st_size for name in cache.files.values()) / 1e6
    crops, flips = header.views("train")
    texts = f", features of {header.texts['captions']} captions" if header.texts else ""
    print(
        f"{sum(header.counts.values())} pictures, those to train on in {crops * flips} views{texts}, {size:.1f} MB, "
        f"{seconds:.1f} s: {parsed.out}"
    )
    return 0
