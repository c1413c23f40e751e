"""`lightgen index`: which pictures are near which, in a token cache, for priors that are told neighbours."""

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
from lightgen.data.index import NUM_NEIGHBOURS, Indexing
from lightgen.data.token_header import read_header
from lightgen.metrics.features import EfficientNetLite0, FeatureNetwork


def parser() -> Parser:
    """The arguments of `lightgen index`."""
    made = Parser(
        prog="lightgen index",
        description="Find the nearest training pictures of every picture, and keep them in a token cache, which is "
        "made where there is none. Killed, it goes on where it stopped when called again.",
    )
    made.add_argument("--config", action="config", help="a YAML file with any of these options")
    made.add_argument("--tokenizer", type=str, required=True, help="checkpoint of a tokenizer or of a prior")
    made.add_subclass_arguments(ImageData, "data", required=False, help="default: the data it was trained on")
    made.add_subclass_arguments(
        FeatureNetwork, "features", required=False,
        help="whose features are compared, by their angle; default: EfficientNetLite0",
    )  # fmt: skip
    made.add_argument("--neighbours", type=int, default=NUM_NEIGHBOURS, help="so many are kept of each picture")
    made.add_argument(
        "--variants", type=bool, default=False,
        help="whether other pictures of the same identity may be neighbours; a picture itself and its copies never are",
    )  # fmt: skip
    device_option.add_option(made)
    made.add_argument("--out", type=Path, default=Path("tokens"), help="of the cache: --data.cache of `lightgen fit`")
    return made


def main(args: list[str]) -> int:
    """Make an index; `args[0]` is the command's name."""
    made, overrides = parser(), Overrides(with_located_configs(args[1:]), ["data"])
    parsed = made.parse_args(overrides.rest)
    tokenizer, start = tokenizer_in(parsed.tokenizer), time.perf_counter()
    data = made_data(parsed.tokenizer, overrides)
    chosen = parsed.get("features")
    network = agreement.made(FeatureNetwork, chosen) if chosen else EfficientNetLite0()
    indexing = Indexing(network, parsed.neighbours, parsed.variants)
    device_option.move(parsed.device, tokenizer, indexing.network.network)
    before = read_header(parsed.out)
    num_crops = before[0].num_crops if before else 0
    cache = encode(parsed.out, tokenizer, data, num_crops, progress_bar, indexing=indexing)
    lone = int((cache.neighbours("train")[:, 0] < 0).sum())
    without = f", {lone} of them without any" if lone else ""
    print(
        f"{parsed.neighbours} neighbours of {sum(cache.header.counts.values())} pictures{without}, among "
        f"{cache.header.counts['train']} to train on, {time.perf_counter() - start:.1f} s: {parsed.out}"
    )
    return 0
