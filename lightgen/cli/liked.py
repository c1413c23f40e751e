"""Options of pictures that others shall be like: a reference, `--like F.png:0.5`, and an index of neighbours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from lightgen.asking import LIKE, require_told, words
from lightgen.checkpoint import digest
from lightgen.cli.parser import Parser
from lightgen.condition import Condition
from lightgen.functional.likeness import NEIGHBOURS, PICTURE
from lightgen.functional.picture_files import read_upright
from lightgen.functional.random import Noise
from lightgen.prior import Prior
from lightgen.references import picture
from lightgen.settings import LIKENESS


def add_options(made: Parser) -> None:
    """The reference, and the index."""
    made.add_argument(f"--{LIKE}", type=str | None, help="a picture that they shall be like; F.png:0.5 with a weight")
    made.add_argument(f"--{NEIGHBOURS}", type=Path | None, help="a token cache of them: of --like, or random ones")


def liked(prior: Prior, condition: Condition, num_images: int, parsed: Any) -> Condition:
    """What is asked for, with what else the options say.

    Args:
        prior: that shall be told it.
        condition: what is asked for, in turn.
        num_images: in all.
        parsed: the options.

    Raises:
        ValueError: in one line, if the prior was trained without, or a file is not there or does not fit.
    """
    there = words(prior.network.conditioner)
    # Not every command has these options.
    if parsed.get(LIKE) is None and parsed.get(NEIGHBOURS) is None:
        return condition
    index = None
    if parsed.neighbours is not None:
        require_told(NEIGHBOURS, None, prior.network.conditioner)
        # Data know Lightning, which takes longer to import than torch.
        from lightgen.data.index import Index

        index = Index(parsed.neighbours)
        index.require(prior)
    elif LIKE not in there and NEIGHBOURS in there:
        raise ValueError(
            f"--{LIKE} asks for the neighbours of a picture: --{NEIGHBOURS} names a token cache with an index"
        )
    image, weight = (None, None) if parsed.like is None else read(parsed.like)
    rows = max(1, len(condition))
    if image is not None and (LIKE in there or index is None):
        given = image if weight is None else (image, weight)
        condition = condition.update(prior.condition(num_images=rows, like=given))
    elif weight is not None:
        raise ValueError(f"--{LIKE} {parsed.like}: neighbours have no weight")
    if index is None:
        return condition
    num = number_of(prior)
    if image is not None:
        near = index.like(prior, picture(prior, image)[None], num)
        return condition.update(near.repeat(rows))
    # Of every picture its own.
    numbers = torch.arange(num_images)
    return condition.dealt(numbers).update(index.drawn(prior, Noise(parsed.seed, numbers), num))


def number_of(prior: Prior) -> int:
    """How many neighbours a prior is told."""
    conditioner: Any = prior.network.conditioner
    return next(part.num for part in conditioner.modules() if getattr(part, "names", None) == (NEIGHBOURS,))


def read(given: str) -> tuple[Image.Image, float | None]:
    """The picture in a file, and its weight, if one stands behind it.

    Raises:
        ValueError: if there is no such picture.
    """
    path, weight = Path(given), None
    if not path.is_file() and (found := re.fullmatch(r"(.+):(-?\d+\.?\d*)", given)):
        path, weight = Path(found[1]), float(found[2])
    return read_upright(path), weight


def record(condition: Condition) -> dict[str, str]:
    """What of it decides pictures, as plain data; of neighbours those of the first picture, which say which index."""
    weights = condition.weights
    return {word: digest(*(part[0] for part in (condition.tensors[name], weights.get(name)) if part is not None))
            for name, word in ((PICTURE, LIKE), (NEIGHBOURS, NEIGHBOURS)) if name in condition.tensors}  # fmt: skip


def files(parsed: Any) -> dict[str, str]:
    """The files that say so, as they were given."""
    return {name: str(parsed[name]) for name in LIKENESS if parsed.get(name) is not None}
