"""What made a picture, as plain data: the same in `samples.json`, in every PNG, in Python and on the page.

Flat, by the names of the options of `lightgen sample`, `inpaint` and `edit`, with components as `registry.describe`
gives them, and beside them `command`, `weights` (the fingerprint of the prior) and `index` (which picture it is).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

import lightgen
from lightgen.acceleration import Acceleration, chosen
from lightgen.assembly import Assembly
from lightgen.checkpoint import fingerprint
from lightgen.guidance.base import Guidance
from lightgen.recipe import Recipe
from lightgen.registry import build, describe
from lightgen.samplers.base import Sampler
from lightgen.types import Canvas
from lightgen.warps import Warps
from lightgen.windows import on_canvas

Settings = dict[str, Any]
SAMPLE, INPAINT, EDIT, GRID = "sample", "inpaint", "edit", "grid"
GIVEN = ("image", "mask", "margin", "place", "composite", "strength")
"""What `lightgen inpaint` and `lightgen edit` take besides."""
AXES = ("x", "y")
"""Of `lightgen grid`."""
CHOICE = ("best_of", "judge")
"""Of one among several draws."""
LIKENESS = ("like", "neighbours")
"""What pictures shall be like: a file, and a token cache."""
IN_MEMORY, WEIGHED = "in_memory", "weighed"
"""By name, digests of what Python was given where an option names a file, and weights of what is asked for."""
OPTIONS = (*GIVEN, *AXES, *CHOICE, *LIKENESS)
COUNTS = ("seed", "num_images", "batch_size")
PRECISION = "32-true"
PARTS = ("sampler", "warps", "guidance")
"""Of a recipe, by their kinds."""
SCHEMA = {"command", "ckpt_path", *COUNTS, "weights", "canvas", *PARTS, "precision", "dtype", *OPTIONS, "picture",
          "pictures", "accelerate", "lightgen", "torch", "index", IN_MEMORY, WEIGHED}  # fmt: skip
"""All but what pictures are asked for, which is whatever the prior knows: `label`, `text`, `style`."""
NEVER_ASKED = {"animate", "config", "from", "help", "out", "overwrite", "print_config", "prompts", "then", "trainer"}
"""Options that decide no picture, so that a file of a stranger has no say in them."""


def decided(prior: Assembly, recipe: Recipe, seed: int, canvas: Canvas | None, **told: Any) -> Settings:
    """What decides every picture.

    Args:
        prior, recipe, seed, canvas: see `Prior.sample`.
        told: what pictures are asked for, as plain data.
    """
    return {
        "weights": fingerprint(prior),
        "seed": seed,
        **told,
        "canvas": None if canvas is None else describe_canvas(prior, canvas),
        **describe(recipe)["arguments"],
    }


def stamp(
    command: str, ckpt_path: str | None, num_images: int, batch_size: int, acceleration: Acceleration, more: Settings
) -> Settings:
    """Settings of pictures: who made them from which checkpoint, how many at a time, and what else is given."""
    return {
        "command": command,
        "ckpt_path": ckpt_path,
        "num_images": num_images,
        "batch_size": batch_size,
        **more,
        "accelerate": asdict(acceleration),
        "lightgen": lightgen.__version__,
        "torch": str(torch.__version__),
    }


def describe_canvas(prior: Assembly, canvas: Canvas) -> dict[str, Any]:
    """A canvas for the record: one evaluation of it is one of the network on every window."""
    layout = prior.layout(canvas)
    windows = on_canvas(prior.network, layout).num_windows
    return {"rows": canvas[0], "columns": canvas[1], "cells": list(layout.cells), "windows": windows}


def own_acceleration(prior: Assembly) -> Acceleration:
    """What a prior was made fast by; nothing, unless somebody asked for it."""
    on_cpu = prior.device.type == "cpu"
    return prior.acceleration or chosen("auto" if on_cpu else "off", "auto", prior.device, 0)


def asked(settings: Settings) -> dict[str, Any]:
    """What pictures are asked for, by name, but for what is left open."""
    return {name: value for name, value in settings.items() if name not in SCHEMA and value is not None}


def recipe_of(settings: Settings) -> Recipe:
    """Sampler, warps and guidance.

    Raises:
        KeyError: if one is left out.
        TypeError: if one takes no such arguments.
        ValueError: if one is not installed here, is of another kind, or takes no such values.
    """
    parts = {name: build(settings[name], name) for name in PARTS}
    if not (isinstance(parts["sampler"], Sampler) and isinstance(parts["warps"], Warps)
            and isinstance(parts["guidance"], Guidance | None)):  # fmt: skip
        raise ValueError("a recipe is a sampler, warps, and guidance or none")
    return Recipe(**parts)
