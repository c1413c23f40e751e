"""`lightgen sample`: pictures from a prior's checkpoint."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from torch import Tensor

from lightgen.callbacks.writer import PictureWriter, picture_name
from lightgen.cli.configs import with_located_configs
from lightgen.cli.early import early_value, is_given
from lightgen.cli.parser import Parser
from lightgen.cli.progress import progress_bar
from lightgen.figures import grid, read_png, save_gif, save_png
from lightgen.functional.files import save_json
from lightgen.functional.random import Noise
from lightgen.guidance import Guidance
from lightgen.modules.sampling import SamplingModule, indices
from lightgen.prior import Prior, load
from lightgen.provenance import provenance
from lightgen.registry import describe
from lightgen.samplers.base import Sampler, require_fit
from lightgen.types import OnStep
from lightgen.warps import Warps

TRAINER_DEFAULTS = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
                    "enable_model_summary": False, "barebones": False}  # fmt: skip
GRID_LIMIT = 64
ANIMATION_LIMIT = 16


def parser() -> Parser:
    """The arguments of `lightgen sample`."""
    made = Parser(prog="lightgen sample", description="Make pictures from a prior's checkpoint.")
    made.add_argument("--config", action="config", help="a YAML file with any of these options")
    made.add_argument("--ckpt_path", type=str, required=True, help="a prior's checkpoint, written by `lightgen fit`")
    made.add_argument("--num_images", type=int, default=16, help="how many pictures")
    made.add_argument("--batch_size", type=int, default=64, help="pictures at a time; does not change any picture")
    made.add_argument("--seed", type=int, default=0, help="another seed, other pictures")
    made.add_argument("--out", type=Path, required=True, help="folder for 000000.png …, grid.png and samples.json")
    made.add_argument("--label", type=int | None, default=None, help="class of every picture; default: random classes")
    made.add_argument("--animate", action="store_true", help="also write steps.gif, a grid after every step")
    made.add_subclass_arguments(Sampler, "sampler", required=False, help="default: the checkpoint's own")
    made.add_class_arguments(Warps, "warps", help="temperature, top-k, top-p, typical; default: the checkpoint's own")
    made.add_subclass_arguments(Guidance, "guidance", required=False, help="by class; default: the checkpoint's own")
    made.add_class_arguments(Trainer, "trainer", instantiate=False)
    made.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    return made


def main(args: list[str]) -> int:
    """Sample and write pictures; `args[0]` is the command's name."""
    arguments = with_located_configs(args[1:])
    made, path = parser(), early_value(arguments, "--ckpt_path")
    prior = load(path) if path is not None else None
    if prior is not None:
        made.set_defaults(own_defaults(prior, arguments))
    parsed = made.parse_args(arguments)
    for name in ("num_images", "batch_size"):
        if parsed[name] < 1:
            raise ValueError(f"{name} must be at least 1, not {parsed[name]}")
    made_objects = made.instantiate_classes(parsed)
    prior = prior or load(parsed.ckpt_path)
    sampler = made_objects.sampler
    require_fit(sampler, prior.process.family)
    prior.require_guidable(made_objects.guidance)
    how = (sampler, made_objects.warps, made_objects.guidance)
    run(prior, *how, parsed, Trainer(**made_objects.trainer))
    return 0


def own_defaults(prior: Prior, arguments: list[str]) -> dict[str, Any]:
    """The checkpoint's sampler, warps and guidance as defaults.

    Not the sampler's or the guidance's, if another is named: its arguments would silently carry over.
    """
    defaults = {f"warps.{name}": value for name, value in describe(prior.warps)["arguments"].items()}
    for name in ("sampler", "guidance"):
        if not is_given(arguments, f"--{name}"):
            defaults[name] = as_config(describe(getattr(prior, name)))
    return defaults


def as_config(description: Any) -> Any:
    """A description of components in the words of YAML."""
    if not isinstance(description, dict):
        return description
    if description.keys() == {"kind", "name", "arguments"}:
        return {"class_path": description["name"], "init_args": as_config(description["arguments"])}
    return {name: as_config(value) for name, value in description.items()}


def run(prior: Prior, sampler: Sampler, warps: Warps, guidance: Guidance | None, parsed: Any, trainer: Trainer) -> None:
    """Sample through the trainer's predict loop; rank zero writes the grid and the record."""
    parsed.out.mkdir(parents=True, exist_ok=True)
    num_batches = math.ceil(parsed.num_images / trainer.world_size / parsed.batch_size)
    frames: list[Tensor] = []
    start = time.perf_counter()
    with progress_bar(f"sampling {parsed.num_images} pictures", num_batches * sampler.steps) as advance:

        def on_batch(index: Tensor) -> OnStep:
            def on_step(step: int, ids_BN: Tensor) -> None:
                advance(1)
                if parsed.animate and index[0] == 0:
                    frames.append(grid(prior.decode(ids_BN[:ANIMATION_LIMIT])))

            if parsed.animate and index[0] == 0:
                noise = Noise(parsed.seed, index[:ANIMATION_LIMIT])
                frames.append(grid(prior.decode(prior.process.initial(prior.network.num_tokens, noise))))
            return on_step

        module = SamplingModule(prior, sampler, warps, guidance, parsed.label, parsed.seed, on_batch)
        writer = PictureWriter(parsed.out, parsed.num_images)
        trainer.callbacks.append(writer)  # type: ignore[attr-defined]
        trainer.predict(module, indices(parsed.num_images, parsed.batch_size), return_predictions=False)
    if not trainer.is_global_zero:
        return
    seconds = time.perf_counter() - start
    shown = [read_png(parsed.out / picture_name(i)) for i in range(min(parsed.num_images, GRID_LIMIT))]
    save_png(grid(shown), parsed.out / "grid.png")
    if frames:
        save_gif(frames, parsed.out / "steps.gif")
    record = {
        "ckpt_path": str(parsed.ckpt_path),
        "num_images": parsed.num_images,
        "batch_size": parsed.batch_size,
        "seed": parsed.seed,
        "label": parsed.label,
        "sampler": describe(sampler),
        "warps": describe(warps),
        "guidance": describe(guidance),
        "evaluations": writer.evaluations.tolist(),
        "seconds": round(seconds, 3),
        **provenance(),
    }
    save_json(record, parsed.out / "samples.json")
    mean = writer.evaluations.float().mean().item()
    print(
        f"{parsed.num_images} pictures by {type(sampler).__name__}, {mean:.1f} network evaluations each, "
        f"{seconds:.1f} s: {parsed.out / 'grid.png'}"
    )
