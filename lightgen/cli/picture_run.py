"""What the commands share that make pictures: their options, the run, and its record."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lightgen.acceleration import Acceleration, Dtype, Mode, chosen
from lightgen.asking import NEGATIVE_TEXT, TEXT, in_words
from lightgen.cascade import Cascade
from lightgen.checkpoint import fingerprint, load
from lightgen.cli import asked, one_device, picture_folder, stages
from lightgen.cli.asked import Asked
from lightgen.cli.canvas import CANVAS, describe_canvas, pair
from lightgen.cli.configs import with_located_configs
from lightgen.cli.one_device import OneDevice
from lightgen.cli.overrides import RULE, Overrides
from lightgen.cli.parser import Parser
from lightgen.cli.progress import progress_bar
from lightgen.cli.turns import Turns
from lightgen.condition import Condition
from lightgen.editing import Edit
from lightgen.functional.random import Noise
from lightgen.guidance.base import Guidance
from lightgen.inpainting import KnownRegion
from lightgen.prior import Prior
from lightgen.provenance import provenance
from lightgen.recipe import Recipe
from lightgen.registry import describe
from lightgen.reranking import BestOf, chosen_by, texts
from lightgen.samplers.base import Sampler, sampler_called
from lightgen.samplers.iteration import Iteration
from lightgen.sampling import PictureFiles, Sampling
from lightgen.types import Canvas, OnStep
from lightgen.warps import Warps

if TYPE_CHECKING:
    from lightgen.cli.many_devices import ManyDevices

PARTS = ("sampler", "warps", "guidance")


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


def requested(
    parser: Callable[[bool], Parser], args: list[str], num_usual: int, painting: bool = False, whole: bool = False
) -> Request:
    """Read a command line, whose recipe begins with what the checkpoint says.

    Args:
        parser: makes the one of the command, with or without the options of Lightning's Trainer.
        args: the command line.
        num_usual: pictures where no number is given.
        painting: whether no class and no guidance are the default, because the rest of the picture says what fits.
        whole: whether the whole picture is painted over, so that a class says more than the rest of it, as a text does.

    Raises:
        ValueError: if it makes no sense, before any work.
    """
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
    for name in ("num_images", "batch_size"):
        if parsed[name] is not None and parsed[name] < 1:
            raise ValueError(f"{name} must be at least 1, not {parsed[name]}")
    prior: Prior = load(parsed.ckpt_path, "prior")
    # Those of a config have no options of their own.
    finer = stages.loaded([*(stages.Stage(path, Overrides([], PARTS)) for path in parsed.get("then", [])), *later])
    turns, away = said.turns([prior, *(one for one, _ in finer)]), said.negative_text
    named = any(path.split(".")[0] == "guidance" for path, _ in overrides.changes)
    # A text says more of what to paint than the rest of the picture, and is nothing without guidance.
    tells = bool(turns.columns) if whole else TEXT in turns.columns
    fits = painting and not named and away is None and not tells
    recipe = prior.chosen(changed(prior.unguided if fits else prior.recipe, overrides, prior))
    cascade = stages.cascade([(prior, recipe), *((one, changed(one.recipe, own, one)) for one, own in finer)])
    canvas = None if parsed.canvas is None else pair("canvas", parsed.canvas, "x")
    if cascade is not None:
        stages.require_one_prior(canvas, away, parsed.best_of)
    prior.layout(canvas)
    maker = cascade or prior
    condition = maker.condition(num_images=len(turns), **turns.columns)
    if painting and not condition:
        condition = prior.unconditional(1)
    asked = maker.completed(condition, Noise.of(0, max(1, len(condition))))
    negative = prior.negative(away, 1, recipe)
    if (best_of := chosen_by(parsed.get("best_of", 1), parsed.get("judge"))) is not None:
        texts(asked, prior.categories)
    where, branches = devices(), 1 if recipe.guidance is None else len(recipe.guidance.branches)
    each = recipe.sampler.num_evaluations(prior.layout(canvas).num_tokens, branches)
    num_images = len(turns) * (parsed.num_images or max(1, num_usual // len(turns)))
    evaluations = num_images * (1 if best_of is None else best_of.num) * each // where.world_size
    acceleration = chosen(parsed.accelerate, parsed.dtype, where.device, evaluations)
    run = (canvas, where, acceleration, best_of, parsed)
    return Request(prior, recipe, turns, away, condition, negative, num_images, *run, cascade=cascade)


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
    prior, parsed, away, best_of = request.prior, request.parsed, request.negative_text, request.best_of
    return {
        "weights": fingerprint(prior),
        "seed": parsed.seed,
        **request.turns.record(),
        **({} if away is None else {NEGATIVE_TEXT: away}),
        "canvas": None if request.canvas is None else describe_canvas(prior, request.canvas),
        **describe(request.recipe)["arguments"],
        **({"then": [stages.record(*stage) for stage in request.stages[1:]]} if request.cascade else {}),
        "precision": request.devices.precision,
        # Pictures of before were all made with these.
        **({} if request.acceleration.dtype == "float32" else {"dtype": request.acceleration.dtype}),
        **({} if best_of is None else {"best_of": best_of.num, "judge": fingerprint(best_of.judge)}),
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
    given: KnownRegion | Edit | None = None,
    composite: bool = False,
) -> dict[str, Any] | None:
    """Make the pictures and write them; the record where `devices.is_first`, else None.

    Args:
        request: what was asked for.
        decided: see `settings`.
        on_batch: makes what looks on at every step of a batch, given the pictures' numbers and the batch on its way.
        given, composite: see `Sampling`.
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

        how = (request.recipe, request.condition, parsed.seed, stepping, request.canvas, given, composite)
        more = (request.acceleration, request.negative, request.best_of, request.cascade)
        sampling = Sampling(request.prior, *how, *more)
        devices.make(sampling, files, parsed.batch_size)
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
    guidance = request.recipe.guidance
    branches = 1 if guidance is None or request.cascade is not None else len(guidance.branches)
    doubled = f" ({branches} a step, for guidance)" if branches > 1 else ""
    canvas = f" of {record['canvas']['windows']} windows" if record["canvas"] else ""
    chosen = "" if request.best_of is None else f", the best of {request.best_of.num} each,"
    mean = sum(record["evaluations"]) / record["num_images"]
    of_all = f" of {textwrap.shorten(request.turns.same, 80)}" if request.turns.same else ""
    return (
        f"{stages.count(record['num_images'], 'picture')}{of_all}{chosen} by {by}, "
        f"{mean:.4g} network evaluations{canvas} each{doubled}"
    )


def summary(request: Request, record: dict[str, Any], path: Path) -> str:
    """The line that a command ends with."""
    return f"{described(request, record)}, {record['seconds']:.1f} s: {path}"
