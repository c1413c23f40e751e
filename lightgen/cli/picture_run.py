"""What the commands share that make pictures: their options, the run, and its record."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightgen import settings as recorded
from lightgen.acceleration import Acceleration, Dtype, Mode, chosen
from lightgen.asking import LAYOUT, NEGATIVE_TEXT, TEXT, in_words, require_one_window
from lightgen.asking import words as known_words
from lightgen.cascade import Cascade
from lightgen.checkpoint import fingerprint, load
from lightgen.cli import asked, from_png, one_device, picture_folder, stages
from lightgen.cli.asked import Asked
from lightgen.cli.canvas import CANVAS, pair, with_negative_pairs
from lightgen.cli.configs import with_located_configs
from lightgen.cli.liked import files as liked_files
from lightgen.cli.liked import liked
from lightgen.cli.liked import record as record_liked
from lightgen.cli.one_device import OneDevice
from lightgen.cli.overrides import Overrides
from lightgen.cli.parser import Parser
from lightgen.cli.progress import progress_bar
from lightgen.cli.recipe_options import add_recipe, changed
from lightgen.cli.turns import Turns
from lightgen.condition import Condition
from lightgen.editing import Edit
from lightgen.functional.random import Noise
from lightgen.inpainting import KnownRegion
from lightgen.labels import LABEL
from lightgen.prior import Prior
from lightgen.provenance import provenance
from lightgen.recipe import Recipe
from lightgen.reranking import BestOf, chosen_by, texts
from lightgen.samplers.iteration import Iteration
from lightgen.sampling import PictureFiles, Sampling
from lightgen.settings import CHOICE, EDIT, INPAINT, LIKENESS, PARTS, SAMPLE, Settings
from lightgen.types import Canvas, OnStep

if TYPE_CHECKING:
    from lightgen.cli.many_devices import ManyDevices


SEVERAL = {TEXT: "texts", LAYOUT: "layouts", LABEL: "classes"}
"""What people call several of what pictures are asked for."""
LEFT_OUT = dict.fromkeys((TEXT, NEGATIVE_TEXT, LAYOUT, *LIKENESS, *CHOICE, "then", "dtype"))
"""What a record has only where it was asked for; a folder of pictures with it is none of those without."""


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
    best_of: BestOf | None
    parsed: Any
    """All options, as the parser gave them."""
    start: float = 1.0
    """The time at which pictures begin; 1 is all noise."""
    cascade: Cascade | None = None
    """All priors, where others go on from the first."""

    @property
    def stages(self) -> list[tuple[Prior, Recipe]]:
        """Each prior with its recipe."""
        return [(self.prior, self.recipe)] if self.cascade is None else self.cascade.stages


def add_options(made: Parser, num_images: int, out: str, files: str, open_label: str, trainer: bool) -> None:
    """Checkpoint, number of pictures, where to, how to sample, and, of Lightning's Trainer, on which machines."""
    made.add_argument("--config", action="config", help="a YAML file with any of these options")
    made.add_argument(from_png.OPTION, type=str | None, default=None, help=from_png.HELP)
    made.add_argument("--ckpt_path", type=str, required=True, help="a prior's checkpoint, written by `lightgen fit`")
    made.add_argument(
        "--num_images", type=int | None, default=None,
        help=f"pictures of each text and category where several are given; default: {num_images} in all",
    )  # fmt: skip
    made.add_argument("--batch_size", type=int, default=64, help="pictures at a time; does not change any picture")
    made.add_argument("--seed", type=int, default=0, help="another seed, other pictures")
    picture_folder.add_options(made, out, f"000000.png …, {files}")
    asked.add_options(made, open_label)
    made.add_argument("--canvas", type=str | None, default=None, help=CANVAS)
    made.add_argument(
        "--accelerate", type=Mode, default="auto",
        help="graph: steps as CUDA graphs; compile: compiled besides; off; auto: what pays",
    )  # fmt: skip
    made.add_argument("--dtype", type=Dtype, default="auto", help="of the weights; auto narrows them on a CUDA device")
    add_recipe(made)
    if trainer:
        from lightgen.cli.many_devices import add_trainer

        add_trainer(made)


def requested(parser: Callable[[bool], Parser], args: list[str], num_usual: int, command: str = SAMPLE) -> Request:
    """Read a command line, whose recipe begins with what the checkpoint says.

    Args:
        parser: makes the one of the command, with or without the options of Lightning's Trainer.
        args: the command line.
        num_usual: pictures where no number is given.
        command: which one; `inpaint` and `edit` ask for no class and no guidance by default, because the rest of the
            picture says what fits; where all of it is painted over, a class says more, as a text does.

    Raises:
        ValueError: if it makes no sense, before any work.
    """
    args, origin = from_png.expanded(with_negative_pairs(args), command)
    painting, whole = command in (INPAINT, EDIT), command == EDIT
    words, later = with_located_configs(args), list[stages.Stage]()
    if not painting:
        words, later = stages.split(words, PARTS)
    overrides, made = Overrides(words, PARTS), parser(False)
    said = Asked(overrides.rest, made._option_string_actions, lambda: parser(True)._option_string_actions)
    try:
        parsed, devices = one_device.understood(made, parser, said.rest)
    except ValueError:
        # What is lacking may be there, but for a letter.
        for name in said.others:
            if "did you mean" in (message := said.no_option(name, ())):
                raise ValueError(message) from None
        raise
    if parsed["from"] is not None:
        raise ValueError(f"{from_png.OPTION} stands on the command line, not in a config")
    for name in ("num_images", "batch_size"):
        if parsed[name] is not None and parsed[name] < 1:
            raise ValueError(f"{name} must be at least 1, not {parsed[name]}")
    prior: Prior = load(parsed.ckpt_path, "prior")
    from_png.require_weights(origin, prior)
    # Those of a config have no options of their own.
    finer = stages.loaded([*(stages.Stage(path, Overrides([], PARTS)) for path in parsed.get("then", [])), *later])
    turns, away = said.turns([prior, *(one for one, _ in finer)]), said.negative_text
    named = any(path.split(".")[0] == "guidance" for path, _ in overrides.changes)
    # A text says more of what to paint than the rest of the picture, and is nothing without guidance.
    tells = bool(turns.columns) if whole else bool({TEXT, LAYOUT} & turns.columns.keys())
    fits = painting and not named and away is None and not tells
    recipe = prior.chosen(changed(prior.unguided if fits else prior.recipe, overrides, prior))
    cascade = stages.cascade([(prior, recipe), *((one, changed(one.recipe, own, one)) for one, own in finer)])
    canvas = None if parsed.canvas is None else pair("canvas", parsed.canvas, "x")
    if cascade is not None and canvas is not None:
        raise ValueError(f"a larger --canvas is for one prior, without {stages.OPTION}")
    prior.layout(canvas)
    maker = cascade or prior
    num_images = len(turns) * (parsed.num_images or max(1, num_usual // len(turns)))
    condition = liked(prior, maker.condition(num_images=len(turns), **turns.columns), num_images, parsed)
    if painting and not condition:
        condition = prior.unconditional(1)
    asked = maker.completed(condition, Noise.of(0, max(1, len(condition))))
    require_one_window(condition, canvas)
    negative = prior.negative(away, 1, recipe) if cascade is None else cascade.negative(away)
    if (best_of := chosen_by(parsed.get("best_of", 1), parsed.get("judge"))) is not None:
        texts(asked, maker.categories)
    where, each = devices(), recipe.num_evaluations(prior.layout(canvas).num_tokens)
    evaluations = num_images * (1 if best_of is None else best_of.num) * each // where.world_size
    acceleration = chosen(parsed.accelerate, parsed.dtype, where.device, evaluations)
    run = (canvas, where, acceleration, best_of, parsed)
    return Request(prior, recipe, turns, away, condition, negative, num_images, *run, cascade=cascade)


def settings(request: Request, **more: Any) -> dict[str, Any]:
    """What decides every picture, as plain data.

    Args:
        request: what was asked for.
        more: what else decides them.
    """
    prior, parsed, away, best_of = request.prior, request.parsed, request.negative_text, request.best_of
    told = {**request.turns.record(), **({} if away is None else {NEGATIVE_TEXT: away})}
    return {
        **recorded.decided(prior, request.recipe, parsed.seed, request.canvas, **told),
        **record_liked(request.condition),
        **({"then": [stages.record(*stage) for stage in request.stages[1:]]} if request.cascade else {}),
        "precision": request.devices.precision,
        # Pictures of before were all made with these.
        **({} if request.acceleration.dtype == "float32" else {"dtype": request.acceleration.dtype}),
        **({} if best_of is None else {"best_of": best_of.num, "judge": fingerprint(best_of.judge)}),
        **more,
    }


def stamp(request: Request, decided: Settings, command: str, **more: Any) -> Settings:
    """What every PNG of a run carries, but for what differs from one to the next."""
    parsed = request.parsed
    counts = (str(parsed.ckpt_path), request.num_images, parsed.batch_size)
    judge = {} if request.best_of is None else {"judge": str(parsed.judge)}
    return recorded.stamp(command, *counts, request.acceleration, {**decided, **judge, **liked_files(parsed), **more})


def sheet_stamp(request: Request, decided: Settings, command: str, **more: Any) -> Settings | None:
    """What a sheet carries; nothing if its pictures are asked for several things, which no one command line says."""
    return None if request.turns.varied else stamp(request, decided, command, **more)


@contextmanager
def writing(request: Request, record: str, decided: dict[str, Any]) -> Iterator[None]:
    """Hold the folder of the pictures; of several processes, the first one does."""
    parsed = request.parsed
    if not request.devices.is_first:
        yield
        return
    known = dict.fromkeys(word for prior, _ in request.stages for word in known_words(prior.network.conditioner))
    held = (parsed.out, record, {**LEFT_OUT, **known, **decided}, request.num_images, parsed.overwrite)
    with picture_folder.writing(*held, ckpt_path=str(parsed.ckpt_path)):
        yield


def run(
    request: Request,
    decided: dict[str, Any],
    on_batch: Callable[[Tensor, Iteration], OnStep | None] | None = None,
    given: KnownRegion | Edit | None = None,
    composite: bool = False,
    more: Settings | None = None,
    each: Callable[[int], Settings] = lambda index: {},
) -> dict[str, Any] | None:
    """Make the pictures and write them; the record where `devices.is_first`, else None.

    Args:
        request: what was asked for.
        decided: see `settings`.
        on_batch: makes what looks on at every step of a batch, given the pictures' numbers and the batch on its way.
        given, composite: see `Sampling`.
        more: what the record says besides.
        each: what the settings of a picture say besides, by its number.
    """
    parsed, devices = request.parsed, request.devices
    command = SAMPLE if given is None else INPAINT if isinstance(given, KnownRegion) else EDIT
    made, turns = stamp(request, decided, command, **(more or {})), request.turns

    def of_picture(index: int) -> Settings:
        return {**made, **turns.of(index), **each(index), "index": index}

    # The options of several priors in a row are no settings of one.
    alone = of_picture if request.cascade is None else None
    files = PictureFiles(parsed.out, turns.file_names(request.num_images), alone)
    num_batches = math.ceil(request.num_images / devices.world_size / parsed.batch_size)
    if devices.is_first and not request.acceleration.is_plain:
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

        how = (request.recipe, request.condition, parsed.seed, stepping, request.canvas, given, composite)
        besides = (request.acceleration, request.negative, request.best_of, request.cascade)
        devices.make(Sampling(request.prior, *how, *besides), files, parsed.batch_size)
    if not devices.is_first:
        return None
    return {
        **made,
        **decided,
        "asked": told(request),
        "evaluations": files.evaluations.tolist(),
        **({} if request.best_of is None else {"draws": files.draws.tolist()}),
        "seconds": round(time.perf_counter() - start, 3),
        **provenance(devices.device),
    }


def told(request: Request) -> list[dict[str, str]]:
    """What each picture is asked for: its text, and its class and other categories by name, those drawn for it too."""
    maker, index = request.cascade or request.prior, torch.arange(request.num_images)
    noise = Noise(request.parsed.seed, index.to(maker.device))
    return in_words(maker.completed(request.condition.dealt(index), noise), maker.categories)


def num_steps(request: Request) -> int:
    """The most steps that a picture takes, by all priors."""
    return sum(stages.num_steps(*stage, request.canvas, request.start) for stage in request.stages)


def described(request: Request, record: dict[str, Any]) -> str:
    """What was made, in a line: how many pictures, by what, in how many steps, at what cost."""
    by = ", then by ".join(stages.by(*stage, request.canvas, request.start) for stage in request.stages)
    branches = request.recipe.branches if request.cascade is None else 1
    doubled = f" ({branches} a step, for guidance)" if branches > 1 else ""
    canvas = f" of {record['canvas']['windows']} windows" if record["canvas"] else ""
    chosen = "" if request.best_of is None else f", the best of {request.best_of.num} each,"
    mean = sum(record["evaluations"]) / record["num_images"]
    of_all = f" of {said}" if (said := asked_for(request.turns)) else ""
    return (
        f"{stages.count(record['num_images'], 'picture')}{of_all}{chosen} by {by}, "
        f"{mean:.4g} network evaluation{'' if mean == 1 else 's'}{canvas} each{doubled}"
    )


def asked_for(turns: Turns) -> str:
    """What pictures are asked for: how many texts, classes and so on where there are several, then what all share."""
    several = [f"{len({*turns.columns[name]})} {SEVERAL.get(name, f'values of {name}')}" for name in turns.varied]
    return ", ".join([*several, *[textwrap.shorten(turns.same, 80)] * bool(turns.same)])


def summary(request: Request, record: dict[str, Any], path: Path) -> str:
    """The line that a command ends with."""
    return f"{described(request, record)}, {record['seconds']:.1f} s: {path}"
