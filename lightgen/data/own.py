"""The data that a checkpoint was trained on, as its own config describes them.

The config is that of whoever made the checkpoint, so nothing that it names is imported: the registry is asked.
"""

from __future__ import annotations

import logging
from typing import Any

import yaml

from lightgen.checkpoint import KEY, read
from lightgen.registry import components, kinds_of_arguments

log = logging.getLogger(__name__)

Description = dict[str, Any]
"""A component as plain data: see `lightgen.registry.describe`."""


def own_data(checkpoint: str) -> Description | None:
    """The data of the run that wrote a checkpoint; None where it does not say.

    Raises:
        ValueError: if the checkpoint cannot be read, or names what is not among the components that are installed.
    """
    return _part(checkpoint, "data")


def own_pictures(checkpoint: str) -> Description | None:
    """The pictures of the run that wrote a checkpoint, be it that it read their ids; None where it does not say.

    Raises:
        ValueError: as `own_data`.
    """
    data = own_data(checkpoint)
    if data is not None and data["name"] == "CachedTokens":
        pictures: Description | None = data["arguments"].get("data")
        return pictures
    return data


def own_loss(checkpoint: str) -> Description | None:
    """What a tokenizer's reconstructions were compared by, but for networks, which a stranger may have chosen.

    Raises:
        ValueError: as `own_data`.
    """
    loss = _part(checkpoint, "model", "init_args", "loss")
    if loss is not None and loss["arguments"].get("perceptual") is not None:
        log.warning(
            "the loss is scored without its perceptual part; --config, with the config of the training, has all"
        )
        loss["arguments"]["perceptual"] = None
    return loss


def title(data: Description) -> str:
    """What people call it: see `ImageData.title`."""
    where = data["arguments"].get("root") or data["arguments"].get("path")
    return data["name"] + (f" {where}" if where else "")


def _part(checkpoint: str, *path: str) -> Description | None:
    """A component in the config of the run, at a path that ends with its kind; None where there is none."""
    try:
        value = yaml.safe_load(read(checkpoint)[KEY].get("config") or "{}")
        for name in path:
            value = (value or {}).get(name)
        part: Description | None = _described(value, path[-1])
        if part is not None and "kind" not in part:
            raise ValueError("it names no class")
    except (ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        option = ".".join(name for name in path if name != "init_args")
        reason = " ".join(str(error).split())
        raise ValueError(f"the config in {checkpoint} does not say the {path[-1]} ({reason}); use --{option}") from None
    return part


def _described(value: Any, *kinds: str) -> Any:
    """What a config says, which names classes by their import path, as a description.

    Raises:
        ValueError: if there is a class that the registry does not know, or of another kind.
    """
    if isinstance(value, list):
        return [_described(part, *kinds) for part in value]
    if isinstance(value, str) and kinds:
        value = {"class_path": value}
    if not isinstance(value, dict):
        return value
    if "class_path" not in value:
        return {name: _described(part, *kinds) for name, part in value.items()}
    package, name = value["class_path"].split(".")[0], value["class_path"].split(".")[-1]
    for cls in components():
        if cls.kind in kinds and cls.__name__ == name and package in (name, cls.__module__.split(".")[0]):
            break
    else:
        raise ValueError(f"{value['class_path']} is no {' or '.join(kinds) or 'component'} that is installed here")
    places = kinds_of_arguments(cls)
    given = value.get("init_args") or {}
    arguments = {argument: _described(part, *places.get(argument, ())) for argument, part in given.items()}
    return {"kind": cls.kind, "name": name, "arguments": arguments}
