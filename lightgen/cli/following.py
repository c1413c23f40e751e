"""What a config of `lightgen fit` leaves to its other parts, which it says by a 0."""

from __future__ import annotations

import logging
from typing import Any

from lightning.pytorch import LightningDataModule

from lightgen.checkpoint import load_tokenizer
from lightgen.cli.agreement import made

log = logging.getLogger(__name__)


def fill_in(model: Any, data: Any) -> None:
    """Put the tokenizer's `image_size` in place of one of 0, and the data's `num_classes` likewise.

    Data without labels take a conditioner of 0 classes away.

    Args:
        model, data: sections of a parsed config, which are changed.

    Raises:
        ValueError: if the tokenizer or the data are not there.
    """
    of_model, of_pictures = model["init_args"], data.get("init_args") or {}
    if "cache" in of_pictures:
        of_pictures = (of_pictures.get("data") or {}).get("init_args") or {}
    if of_pictures.get("image_size") == 0 and isinstance(of_model.get("tokenizer"), str):
        height, width = load_tokenizer(of_model["tokenizer"]).image_size
        of_pictures["image_size"] = height if height == width else (height, width)
    conditioner = of_model.get("conditioner")
    if conditioner and conditioner["init_args"].get("num_classes") == 0:
        names = class_names(data)
        conditioner["init_args"]["num_classes"] = len(names)
        if names:
            log.info(f"{len(names)} classes: {', '.join(names)}")
        else:
            of_model["conditioner"] = None


def class_names(data: Any) -> list[str]:
    """Of the data in a section of a config; empty without labels."""
    found: Any = made(LightningDataModule, data)
    names: list[str] = (getattr(found, "pictures", None) or found).class_names
    return names
