"""Results of earlier versions, translated as they are read.

0.1    rows and suites had no version; `sampler`, `warps` and `guidance` stood beside each other, where now there is a
       `recipe`; `novelty` was a switch, and is two scores; baselines were called ends. What their components took is
       translated as in checkpoints (`lightgen.migration`)
"""

from __future__ import annotations

from typing import Any

from lightgen.bench.measurement import FULL_PRECISION
from lightgen.metrics.scores import DEFAULT, AuthenticityScore, NoveltyScore
from lightgen.migration import component, from_0_1
from lightgen.registry import build, describe

PARTS = ("sampler", "warps", "guidance")
PROVENANCE = ("lightgen", "torch", "python", "git", "device")
MEASURED = ("source", "prior", "weights", "seed", "num_images", "data", "data_fingerprint", "protocol", "reference",
            "batch_size")  # fmt: skip


def row_of_0_1(data: dict[str, Any]) -> dict[str, Any]:
    """A row of 0.1 as one of version 2; it keeps the id it was given, by which its pictures go."""
    role = "baseline" if data["role"] == "end" else data["role"]
    scores = [*DEFAULT, *([NoveltyScore(), AuthenticityScore()] if data["novelty"] else [])]
    return {
        "place": {"role": role, "method": data["method"], "budget": data["budget"]},
        "id": data["id"],
        "measurement": {
            **{name: data[name] for name in MEASURED},
            "recipe": None if data["sampler"] is None else _recipe(data),
            # There was only one at first.
            "precision": data.get("precision", FULL_PRECISION),
        },
        "scored_by": [] if role == "likelihood" else describe(scores),
        **{name: data[name] for name in ("scores", "evaluations", "seconds", "rules")},
        "num_real": data["rules"]["num_real"],
        "provenance": {name: data[name] for name in PROVENANCE},
    }


def identity_of_0_1(data: dict[str, Any]) -> dict[str, Any]:
    """What `suite.json` of 0.1 says, as version 2 does."""
    methods = {
        name: {"recipe": _recipe(method), **{key: value for key, value in method.items() if key not in PARTS}}
        for name, method in data["methods"].items()
    }
    return {**{name: value for name, value in data.items() if name != "novelty"}, "methods": methods}


def _recipe(data: dict[str, Any]) -> dict[str, Any]:
    """The recipe, with the arguments that its parts have got since.

    Warps of None were the prior's own: no recipe of today is equal to that, so such a row is measured again.
    """
    made: dict[str, Any] = describe(
        build(from_0_1(component("recipe", "Recipe", **{name: data[name] for name in PARTS})), "recipe")
    )
    return made
