"""What the commands share that make pictures: their options, the run, and its record."""

from __future__ import annotations

import math
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightgen.acceleration import Acceleration, Dtype, Mode, chosen
from lightgen.asking import NEGATIVE_TEXT, TEXT, in_words
from lightgen.checkpoint import fingerprint, load
from lightgen.cli import asked, one_device, picture_folder
from lightgen.cli.asked import Asked
from lightgen.cli.configs import with_located_configs
from lightgen.cli.liked import liked
from lightgen.cli.liked import record as record_liked
from lightgen.cli.one_device import OneDevice
from lightgen.cli.overrides import RULE, Overrides
from lightgen.cli.parser import Parser
from lightgen.cli.progress import progress_bar
from lightgen.cli.turns import Turns, count
from lightgen.condition import Condition
from lightgen.functional.random import Noise
from lightgen.guidance.base import Guidance
from lightgen.inpainting import KnownRegion
from lightgen.prior import Prior
from lightgen.provenance import provenance
from lightgen.recipe import Recipe
from lightgen.registry import describe
from lightgen.samplers.base import Sampler, sampler_called
from lightgen.samplers.iteration import Iteration
from lightgen.sampling import PictureFiles, Sampling
from lightgen.types import Canvas, OnStep
from lightgen.warps import Warps
from lightgen.windows import on_canvas

if TYPE_CHECKING:
    from lightgen.cli.many_devices import ManyDevices

SHOWING = ("-h", "--help", "--print_config")
PARTS = ("sampler", "warps", "guidance")
CANVAS = "rows x columns of the size in training, e.g. 2x3 or 1x1.5; overlapping windows share the probabilities"


@dataclass(frozen=True)
class Request:
    """What a command line asks for."""

    prior: Prior
    recipe: Recipe
    turns: Turns
    """What pictures are asked for, in words."""
    negative_text: str | None
    condition: Condition
    """The same, a row for each turn."""
    negative: Condition
    """Of one row."""
    num_images: int
    """In all."""
    canvas: Canvas | None
    devices: OneDevice | ManyDevices
    acceleration: Acceleration
    parsed: Any
    """All options, as the parser gave them."""


def add_options(made: Parser, num_images: int, out: str, files: str, open_label: str, trainer: bool) -> None:
    """Checkpoint, number of pictures, where to, how to sample, and, of Lightning's Trainer, on which machines."""
    made.add_argument("--config", action="config", help="a YAML file with any of these options")
    made.add_argument("--ckpt_path", type=str, required=True, help="a prior's checkpoint, written by `lightgen fit`")
    made.add_argument(
        "--num_images", type=int | None, default=None,
        help=f"how many pictures, of each text and category where several are given; default: {num_images} in all, and "
        "at least one of each",
    )  # fmt: skip
    made.add_argument("--batch_size", type=int, default=64, help="pictures at a time; does not change any picture")
    made.add_argument("--seed", type=int, default=0, help="another seed, other pictures")
    picture_folder.add_options(made, out, f"000000.png …, {files}")
    asked.add_options(made, open_label)
    made.add_argument("--canvas", type=str | None, default=None, help=CANVAS)
    made.add_argument(
        "--accelerate", type=Mode, default="auto",
        help="graph: steps as CUDA graphs; compile: the networks compiled besides; off; auto takes what pays",
    )  # fmt: skip
    made.add_argument("--dtype", type=Dtype, default="auto", help="of the weights; auto narrows them on a CUDA device")
    add_recipe(made)
    if trainer:
        from lightgen.cli.many_devices import add_trainer

        add_trainer(made)


def add_recipe(made: Parser) -> None:
    """Sampler, warps and guidance."""
    made.add_subclass_arguments(Sampler, "sampler", required=False, help=RULE.format(name="sampler"))
    made.add_class_arguments(Warps, "warps", help="temperature, top-k, top-p, typical; default: the checkpoint's own")
    made.add_subclass_arguments(
        Guidance, "guidance", required=False, help=f"{RULE.format(name='guidance')}; null does without"
    )


def requested(parser: Callable[[bool], Parser], args: list[str], num_usual: int, painting: bool = False) -> Request:
    """Read a command line, whose recipe begins with what the checkpoint says.

    Args:
        parser: makes the one of the command, with or without the options of Lightning's Trainer.
        args: the command line.
        num_usual: pictures where no number is given.
        painting: whether no class and no guidance are the default, because the rest of the picture says what fits.

    Raises:
        ValueError: if it makes no sense, before any work.
    """
    overrides, made = Overrides(with_located_configs(args), PARTS), parser(False)
    said = Asked(overrides.rest, made._option_string_actions, lambda: parser(True)._option_string_actions)
    try:
        parsed, devices = understood(made, parser, said.rest)
    except ValueError:
        # What is lacking may be there, but for a letter.
        for name in said.others:
            if "did you mean" in (message := said.no_option(name, ())):
                raise ValueError(message) from None
        raise
    for name in ("num_images", "batch_size"):
        if parsed[name] is not None and parsed[name] < 1:
            raise ValueError(f"{name} must be at least 1, not {parsed[name]}")
    prior: Prior = load(parsed.ckpt_path, "prior")
    turns, away = said.turns(prior), said.negative_text
    named = any(path.split(".")[0] == "guidance" for path, _ in overrides.changes)
    # A text says more of what to paint than the rest of the picture, and is nothing without guidance.
    fits = painting and not named and away is None and TEXT not in turns.columns
    recipe = prior.chosen(changed(prior.unguided if fits else prior.recipe, overrides, prior))
    canvas = None if parsed.canvas is None else pair("canvas", parsed.canvas, "x")
    prior.layout(canvas)
    num_images = len(turns) * (parsed.num_images or max(1, num_usual // len(turns)))
    condition = liked(prior, prior.condition(num_images=len(turns), **turns.columns), num_images, parsed)
    if painting and not condition:
        condition = prior.unconditional(1)
    prior.completed(condition, Noise.of(0, max(1, len(condition))))
    negative = prior.negative(away, 1, recipe)
    where, branches = devices(), 1 if recipe.guidance is None else len(recipe.guidance.branches)
    each = recipe.sampler.num_evaluations(prior.layout(canvas).num_tokens, branches)
    acceleration = chosen(parsed.accelerate, parsed.dtype, where.device, num_images * each // where.world_size)
    run = (canvas, where, acceleration, parsed)
    return Request(prior, recipe, turns, away, condition, negative, num_images, *run)


def understood(
    made: Parser, parser: Callable[[bool], Parser], args: list[str]
) -> tuple[Any, Callable[[], OneDevice] | Callable[[], ManyDevices]]:
    """What a command line says, and what makes the devices that it asks for.

    Lightning's options take longer to read than a small prior takes for a picture, so they are there only for whoever
    uses one, makes a mistake, or wants to see them all.
    """
    if one_device.is_alone() and not any(arg.partition("=")[0] in SHOWING for arg in args):
        with suppress(ValueError):
            return made.parse_args(args), OneDevice
    made = parser(True)
    parsed = made.parse_args(args)

    def devices() -> ManyDevices:
        from lightgen.cli.many_devices import ManyDevices

        return ManyDevices(made.instantiate(parsed).trainer)

    return parsed, devices


def changed(recipe: Recipe, overrides: Overrides, prior: Prior) -> Recipe:
    """A recipe with what a command line changes of it.

    Raises:
        ValueError: in one line, if a class or an argument is not there, or a value is out of range.
    """
    if not overrides.changes:
        return recipe
    made = Parser()
    add_recipe(made)
    parts = overrides.applied(as_config(describe(recipe))["init_args"])
    if parts["sampler"] is None:
        raise ValueError("sampler must be one of those that `lightgen list sampler` names, not null")
    name = parts["sampler"].get("class_path") if isinstance(parts["sampler"], dict) else parts["sampler"]
    if isinstance(name, str) and name.isidentifier():
        sampler_called(name, prior.process.family, prior.others.keys())
    # There is one class of warps, so that their arguments stand alone.
    warps = parts["warps"] if isinstance(parts["warps"], dict) else {}
    objects = made.instantiate(made.parse_object({**parts, "warps": warps.get("init_args", {})}))
    return Recipe(objects.sampler, objects.warps, objects.guidance)


def pair(name: str, text: str, separator: str) -> tuple[float, float]:
    """Two numbers, as in 2x3.

    Raises:
        ValueError: if the text is anything else.
    """
    match = re.fullmatch(rf"(\d+\.?\d*){separator}(\d+\.?\d*)", text.replace(" ", ""))
    if match is None:
        raise ValueError(f"{name} must be two numbers like 2{separator}1.5, rows first, not {text}")
    return float(match[1]), float(match[2])


def as_config(description: Any) -> Any:
    """A description of components in the words of YAML."""
    if isinstance(description, list):
        return [as_config(part) for part in description]
    if not isinstance(description, dict):
        return description
    if description.keys() == {"kind", "name", "arguments"}:
        return {"class_path": description["name"], "init_args": as_config(description["arguments"])}
    return {name: as_config(value) for name, value in description.items()}


def settings(request: Request, **more: Any) -> dict[str, Any]:
    """What decides every picture, as plain data.

    Args:
        request: what was asked for.
        more: what else decides them.
    """
    prior, parsed, away = request.prior, request.parsed, request.negative_text
    return {
        "weights": fingerprint(prior),
        "seed": parsed.seed,
        **request.turns.record(),
        **record_liked(request.condition),
        **({} if away is None else {NEGATIVE_TEXT: away}),
        "canvas": None if request.canvas is None else describe_canvas(prior, request.canvas),
        **describe(request.recipe)["arguments"],
        "precision": request.devices.precision,
        # Pictures of before were all made with these.
        **({} if request.acceleration.dtype == "float32" else {"dtype": request.acceleration.dtype}),
        **more,
    }


@contextmanager
def writing(request: Request, record: str, decided: dict[str, Any]) -> Iterator[None]:
    """Hold the folder of the pictures; of several processes, the first one does."""
    parsed = request.parsed
    if not request.devices.is_first:
        yield
        return
    with picture_folder.writing(parsed.out, record, decided, request.num_images, parsed.overwrite):
        yield


def run(
    request: Request,
    decided: dict[str, Any],
    on_batch: Callable[[Tensor, Iteration], OnStep | None] | None = None,
    known: KnownRegion | None = None,
    composite: bool = False,
) -> dict[str, Any] | None:
    """Make the pictures and write them; the record where `devices.is_first`, else None.

    Args:
        request: what was asked for.
        decided: see `settings`.
        on_batch: makes what looks on at every step of a batch, given the pictures' numbers and the batch on its way.
        known, composite: see `Sampling`.
    """
    parsed, devices = request.parsed, request.devices
    files = PictureFiles(parsed.out, request.turns.file_names(request.num_images))
    num_batches = math.ceil(request.num_images / devices.world_size / parsed.batch_size)
    if devices.is_first:
        print(request.acceleration)
    start = time.perf_counter()
    with progress_bar(f"sampling {request.num_images} pictures", num_batches * num_steps(request), "steps") as advance:

        def stepping(index: Tensor, iteration: Iteration) -> OnStep:
            looking_on = on_batch(index, iteration) if on_batch is not None else None

            def on_step(step: int, ids_BN: Tensor) -> None:
                advance(1)
                if looking_on is not None:
                    looking_on(step, ids_BN)

            return on_step

        how = (request.recipe, request.condition, parsed.seed, stepping, request.canvas, known, composite)
        devices.make(Sampling(request.prior, *how, request.acceleration, request.negative), files, parsed.batch_size)
    if not devices.is_first:
        return None
    return {
        "ckpt_path": str(parsed.ckpt_path),
        "num_images": request.num_images,
        "batch_size": parsed.batch_size,
        **decided,
        "asked": told(request),
        "accelerate": asdict(request.acceleration),
        "evaluations": files.evaluations.tolist(),
        "seconds": round(time.perf_counter() - start, 3),
        **provenance(devices.device),
    }


def told(request: Request) -> list[dict[str, str]]:
    """What each picture is asked for: its text, and its class and other categories by name, those drawn for it too."""
    prior, index = request.prior, torch.arange(request.num_images)
    noise = Noise(request.parsed.seed, index.to(prior.device))
    return in_words(prior.completed(request.condition.dealt(index), noise), prior.categories)


def num_steps(request: Request) -> int:
    """The most steps that a picture takes; where a token is written once, no more than there are tokens."""
    sampler, num_tokens = request.recipe.sampler, request.prior.layout(request.canvas).num_tokens
    steps = sampler.num_steps(num_tokens)
    return min(steps, num_tokens) if sampler.revises == "no" else steps


def describe_canvas(prior: Prior, canvas: Canvas) -> dict[str, Any]:
    """A canvas for the record: one evaluation of it is one of the network on every window."""
    layout = prior.layout(canvas)
    windows = on_canvas(prior.network, layout).num_windows
    return {"rows": canvas[0], "columns": canvas[1], "cells": list(layout.cells), "windows": windows}


def described(request: Request, record: dict[str, Any]) -> str:
    """What was made, in a line: how many pictures, by what, in how many steps, at what cost."""
    sampler, guidance, steps = request.recipe.sampler, request.recipe.guidance, num_steps(request)
    num_tokens = request.prior.layout(request.canvas).num_tokens
    asked = getattr(sampler, "steps", steps)
    clipped = f" (the most for {num_tokens} tokens), not {asked}" if steps < asked else ""
    branches = 1 if guidance is None else len(guidance.branches)
    doubled = f" ({branches} a step, for guidance)" if branches > 1 else ""
    canvas = f" of {record['canvas']['windows']} windows" if record["canvas"] else ""
    mean = sum(record["evaluations"]) / record["num_images"]
    of_all = f" of {textwrap.shorten(request.turns.same, 80)}" if request.turns.same else ""
    return (
        f"{count(record['num_images'], 'picture')}{of_all} by {type(sampler).__name__}, "
        f"{count(steps, 'step')}{clipped}, "
        f"{mean:.4g} network evaluations{canvas} each{doubled}"
    )


def summary(request: Request, record: dict[str, Any], path: Path) -> str:
    """The line that a command ends with."""
    return f"{described(request, record)}, {record['seconds']:.1f} s: {path}"
