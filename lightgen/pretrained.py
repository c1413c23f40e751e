"""Trained models by name, wherever a checkpoint is asked for: `zoo:NAME` ships along, `hf:USER/NAME` is fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightgen import hub
from lightgen.functional.files import shipped
from lightgen.registry import suggestion

PREFIX = "zoo:"
FOLDER = Path(__file__).with_name("weights")
CARD = "card.json"


def located(checkpoint: str | Path) -> Path:
    """The path of a checkpoint, which may be a name like `zoo:icons64-sundae` or `hf:USER/NAME`.

    Raises:
        ValueError: if the zoo has no such model, and the message names the nearest one; or if the Hub has none.
    """
    name = str(checkpoint)
    if name.startswith(hub.PREFIX):
        return hub.downloaded(name)
    if not name.startswith(PREFIX):
        return Path(checkpoint)
    known = [PREFIX + entry for entry in names()]
    if name not in known:
        raise ValueError(f"no model is called {name}{suggestion(name, known) if known else ', the zoo is empty'}")
    return FOLDER / name.removeprefix(PREFIX)


def config_of(checkpoint: str | Path, *kinds: str) -> str | None:
    """The shipped config of one of these kinds whose name the folder of a checkpoint has, as those of runs have."""
    name = f"{Path(checkpoint).parent.name}.yaml"
    return name if any((shipped() / kind / name).is_file() for kind in kinds) else None


def names() -> list[str]:
    """What there is."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{CARD}"))


def zoo() -> dict[str, str]:
    """What each trained model is, by the name that `lightgen.load` takes; it is `lightgen.zoo`.

    >>> print(lightgen.zoo()["zoo:icons64-sundae"])
    SUNDAE with two unrolls on icons, by text, style and class, 2.4 M parameters
    """
    return {PREFIX + name: card(name)["about"] for name in names()}


def priors() -> list[str]:
    """Those of the zoo that make pictures from nothing, by the name that `load` takes; others need those of another."""
    return [PREFIX + name for name in names() if card(name)["kind"] == "prior"]


def card(name: str) -> dict[str, Any]:
    """What a model is, how it was made, and how good it is."""
    found: dict[str, Any] = json.loads((FOLDER / name / CARD).read_text(encoding="utf-8"))
    return found
