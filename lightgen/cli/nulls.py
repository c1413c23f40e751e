"""Options deep inside a component that are to be null."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

COMPONENTS = ("model", "data")
"""Options that are a component with others inside."""


def with_nulls(args: Sequence[str]) -> list[str]:
    """Arguments with each null deep inside a component as the mapping that it stands for.

    jsonargparse 4.53 reads `--model.x null`, but takes that of `--model.loss.x null` for a text.

    >>> with_nulls(["--model.loss.perceptual", "null"])
    ['--model', '{"init_args": {"loss": {"init_args": {"perceptual": null}}}}']
    """
    found: list[str] = []
    words = list(args)
    while words:
        option, equals, value = words.pop(0).partition("=")
        name, *path = [part for part in option.removeprefix("--").split(".") if part != "init_args"]
        deep = option.startswith("--") and name in COMPONENTS and len(path) > 1
        if deep and not equals and words:
            equals, value = " ", words.pop(0)
        if deep and value == "null":
            mapping: Any = None
            for part in reversed(path):
                mapping = {"init_args": {part: mapping}}
            found += [f"--{name}", json.dumps(mapping)]
        else:
            found += [option, value] if equals == " " else [option + equals + value]
    return found
