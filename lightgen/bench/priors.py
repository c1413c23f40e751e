"""The priors of a comparison, each loaded once, and the pictures that they were trained on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial

from lightgen.bench.loaded import Loaded
from lightgen.checkpoint import fingerprint, load
from lightgen.data.base import ImageData
from lightgen.data.own import own_pictures, title
from lightgen.prior import Prior
from lightgen.registry import build

log = logging.getLogger(__name__)


class Priors(Loaded[Prior]):
    """Priors by their checkpoints."""

    def __init__(self) -> None:
        super().__init__(partial(load, kind="prior"))

    def tokenizer(self, checkpoint: str) -> str:
        """The fingerprint of its tokenizer."""
        return fingerprint(self[checkpoint].tokenizer)


def common_pictures(priors: Mapping[str, str]) -> ImageData:
    """The pictures that all of these checkpoints were trained on, as the first of them says.

    Raises:
        ValueError: if one does not say, or they were trained on different ones.
    """
    found = {name: own_pictures(checkpoint) for name, checkpoint in priors.items()}
    for name, pictures in found.items():
        if pictures is None:
            raise ValueError(f"prior {name} does not say what pictures it was trained on; name them with --data")
    titles = {title(pictures): name for name, pictures in found.items() if pictures is not None}
    if len(titles) != 1:
        raise ValueError(
            f"the priors were trained on {' and '.join(titles)}; name pictures to score against with --data"
        )
    data: ImageData = build(next(iter(found.values())), "data")
    return data


def warn_of_other_pictures(priors: Mapping[str, str], data: ImageData) -> None:
    """Say which priors are scored against other pictures than they were trained on."""
    for name, checkpoint in priors.items():
        try:
            own = own_pictures(checkpoint)
        except ValueError:
            continue
        if own is not None and title(own) != data.title:
            log.warning(
                f"prior {name} was trained on {title(own)}, and is scored against {data.title}; "
                "`--data null` takes what it was trained on"
            )
