"""Pictures that people give in files, as the tokenizer of a checkpoint saw its own in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from lightgen.checkpoint import KEY, read
from lightgen.functional.picture_files import read_upright
from lightgen.functional.pictures import Filter, check_filter
from lightgen.inpainting import masked


def read_masked(
    image: Path, mask: Path | None, size: tuple[int, int], channels: int, resize: Filter
) -> tuple[Tensor, Tensor]:
    """A picture, uint8 (C, H, W), as in training, and its known pixels (H, W): see `lightgen.inpainting.masked`.

    Args:
        image: any file that Pillow reads.
        mask: another, as large as the picture; None knows all.
        size: (H, W) to resize to and crop at the centre.
        channels: 1 or 3.
        resize: Pillow's filter.

    Raises:
        ValueError: if a file cannot be read, the sizes differ, or there is no such number of channels in files.
    """
    return masked(read_upright(image), None if mask is None else read_upright(mask), size, channels, resize)


def own_filter(checkpoint: str) -> Filter:
    """By which the pictures were resized that a checkpoint was trained on; the usual one where it does not say."""
    try:
        config = yaml.safe_load(read(checkpoint)[KEY].get("config") or "{}")
    except (AttributeError, yaml.YAMLError):
        # No text, or none of YAML.
        config = None
    data = _arguments(config, "data")
    found: Filter = {"resize": "lanczos", **_arguments(data, "data"), **data}["resize"]
    check_filter(found)
    return found


def _arguments(config: Any, name: str) -> dict[str, Any]:
    """Those of a component in a config, none where it does not say."""
    part = config.get(name) if isinstance(config, dict) else None
    arguments = part.get("init_args") if isinstance(part, dict) else None
    return arguments if isinstance(arguments, dict) else {}
