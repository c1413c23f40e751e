"""What a config of `lightgen fit` leaves to its other parts, which it says by a 0, or by null."""

from __future__ import annotations

import logging
from typing import Any

from lightning.pytorch import LightningDataModule

from lightgen.checkpoint import load_tokenizer
from lightgen.cli.agreement import made
from lightgen.conditioners.boxes import Boxes
from lightgen.data.own import own_pictures, title
from lightgen.functional.boxes import BOXES
from lightgen.labels import LABEL

log = logging.getLogger(__name__)


def fill_in(model: Any, data: Any) -> None:
    """Put the tokenizer's `image_size` in place of one of 0, and the data's `num_classes` and coarser ids likewise.

    Data without labels take a conditioner of 0 classes away, and the guidance towards them.

    Args:
        model, data: sections of a parsed config, which are changed.

    Raises:
        ValueError: if the tokenizer or the data are not there.
    """
    of_model, pictures = model["init_args"], data
    if "cache" in (data.get("init_args") or {}):
        pictures = data["init_args"].get("data") or {}
    of_pictures, tokenizer = pictures.get("init_args") or {}, of_model.get("tokenizer")
    if isinstance(tokenizer, str):
        if of_pictures.get("image_size") == 0:
            height, width = load_tokenizer(tokenizer).image_size
            of_pictures["image_size"] = height if height == width else (height, width)
        if of_pictures:
            _warn_of_another_split(tokenizer, {"name": pictures["class_path"].split(".")[-1], "arguments": of_pictures})
    if any(_follows(part) for part in parts_of(of_model.get("conditioner"))):
        of_model["conditioner"] = _counted(of_model["conditioner"], conditions(data))
        if of_model["conditioner"] is None and of_model.get("recipe"):
            of_model["recipe"]["init_args"]["guidance"] = None
    for part in parts_of(of_model.get("conditioner")):
        arguments = part.get("init_args") or {}
        if "layout" in arguments and arguments["layout"] is None and arguments.get("tokenizer") is None:
            layout, arguments["tokenizer"] = getattr(made(LightningDataModule, data), "level", (None, None))
            arguments["layout"] = None if layout is None else vars(layout)


def parts_of(conditioner: Any) -> list[Any]:
    """The sections of a conditioner and of all that it is mixed of."""
    if not conditioner:
        return []
    inner = (conditioner.get("init_args") or {}).get("parts") or ()
    return [conditioner, *(found for part in inner for found in parts_of(part))]


def _follows(part: Any) -> bool:
    return (part.get("init_args") or {}).get("num_classes") == 0


def _counted(part: Any, told: dict[str, list[str]]) -> Any:
    """The section of a conditioner with as many classes as the data have; None where they have none."""
    arguments = part.get("init_args") or {}
    if "parts" in arguments:
        arguments["parts"] = [one for one in (_counted(one, told) for one in arguments["parts"]) if one is not None]
        return part if arguments["parts"] else None
    if not _follows(part):
        return part
    of_boxes = str(part.get("class_path")).split(".")[-1] == Boxes.__name__
    name = BOXES if of_boxes else arguments.get("name", LABEL)
    names = told.get(name)
    if names == [] and name != LABEL:
        raise ValueError(f"the data have numbers for {name}, so num_classes must say how many there are")
    if not names:
        return None
    what = "classes" if name == LABEL else f"values of {name}"
    log.info(f"{len(names)} {what}: {', '.join(names)}")
    arguments["num_classes"] = len(names)
    return part


def _warn_of_another_split(tokenizer: str, pictures: Any) -> None:
    """Say that pictures are held out of one stage and not of the other."""
    try:
        own = own_pictures(tokenizer)
    except ValueError:
        return
    if own is None or title(own) != title(pictures):
        return
    for name in ("val_fraction", "test_fraction", "seed"):
        before, now = own["arguments"].get(name), pictures["arguments"].get(name)
        if before != now:
            log.warning(
                f"{title(own)} is split otherwise than for the tokenizer: {name} was {before}, and is {now} now"
            )


def conditions(data: Any) -> dict[str, list[str]]:
    """What the data in a section of a config say of pictures: see `ImageData.conditions`."""
    found: Any = made(LightningDataModule, data)
    told: dict[str, list[str]] = (getattr(found, "pictures", None) or found).conditions
    return told
