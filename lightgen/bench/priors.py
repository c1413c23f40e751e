"""The priors of a comparison, each loaded once, and the pictures that they were trained on."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from lightgen.checkpoint import fingerprint, load
from lightgen.data.base import ImageData
from lightgen.data.own import own_pictures, title
from lightgen.prior import Prior
from lightgen.registry import build

log = logging.getLogger(__name__)


class Priors:
    """Priors by their checkpoints, and what names their weights."""

    def __init__(self) -> None:
        self._loaded: dict[str, Prior] = {}
        self._weights: dict[str, str] = {}

    def __getitem__(self, checkpoint: str) -> Prior:
        """The prior, loaded at the first call."""
        if checkpoint not in self._loaded:
            self._loaded[checkpoint] = load(checkpoint, "prior")
        return self._loaded[checkpoint]

    def weights(self, checkpoint: str) -> str:
        """The fingerprint of a prior's weights, worked out at the first call."""
        if checkpoint not in self._weights:
            self._weights[checkpoint] = fingerprint(self[checkpoint])
        return self._weights[checkpoint]

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
