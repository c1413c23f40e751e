"""Whether data, tokenizer and condition fit, before a large network takes its time to be made."""

from __future__ import annotations

from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import LightningDataModule

from lightgen.checkpoint import load_tokenizer
from lightgen.cli.parser import Parser
from lightgen.conditioners.base import Conditioner
from lightgen.conditioners.low_resolution import levels
from lightgen.data.base import ImageData


def made(base: type, config: Any) -> Any:
    """One part of a parsed config."""
    parser = Parser()
    parser.add_subclass_arguments(base, "part")
    return parser.instantiate(Namespace(part=config)).part


def data_that_fit(config: Namespace) -> LightningDataModule:
    """The data of a config, which are there and fit its model.

    Raises:
        ValueError: in one line, if they are not there or do not fit.
    """
    data: LightningDataModule = made(LightningDataModule, config.data)
    # A cache stands for the pictures that its ids are made of, where it names them.
    pictures: Any = getattr(data, "pictures", None) or data
    arguments = config.model.get("init_args") or Namespace()
    conditioner = arguments.get("conditioner")
    if conditioner is not None:
        told: Conditioner = made(Conditioner, conditioner)
        # A cache has more of pictures than they say themselves.
        told.require_data(getattr(data, "conditions", pictures.conditions))
        for level in levels(told):
            level.require_ids(*getattr(data, "level", (None, None)))
    if "scorer" in arguments:
        require_captions(pictures if pictures is data else None)
    elif isinstance(pictures, ImageData):
        option = "--data" if pictures is data else "--data.data"
        _require_size(pictures, arguments.get("tokenizer"), option)
    if isinstance(pictures, ImageData):
        # Looks for the files.
        len(pictures.collection.identities)
    return data


def require_captions(data: Any) -> None:
    """Refuse data that a scorer cannot learn from.

    Raises:
        ValueError: in one line, if they are no pictures, or have no captions.
    """
    if not isinstance(data, ImageData):
        raise ValueError(
            "a scorer learns from pictures themselves, not from their ids; name an ImageFolder with --data"
        )
    if "captions" not in data.collection.conditions:
        raise ValueError(
            f"a scorer learns from captions, and {data.title} has none; name their column with --data.captions"
        )


def _require_size(pictures: ImageData, tokenizer: Any, option: str) -> None:
    if isinstance(tokenizer, str):
        found = load_tokenizer(tokenizer)
        pictures.require_size(found.image_size, found.channels, f"the tokenizer in {tokenizer}", option)
        return
    size, channels = tokenizer.init_args.get("image_size"), tokenizer.init_args.get("channels", pictures.channels)
    if size is not None:
        pictures.require_size((size, size) if isinstance(size, int) else size, channels, "the tokenizer", option)
