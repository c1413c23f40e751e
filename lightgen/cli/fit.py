"""`lightgen fit`, and `validate | test` with a config: Lightning's own command line, on lightgen's modules and data."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

from lightgen.callbacks.checkpoints import Checkpoints, last_checkpoint
from lightgen.callbacks.data_wait import DataWait
from lightgen.callbacks.interrupt import StopOnInterrupt
from lightgen.callbacks.run_folder import RunFolder
from lightgen.callbacks.step_progress import StepProgress
from lightgen.checkpoint import read, require_kind
from lightgen.cli.agreement import data_that_fit
from lightgen.cli.configs import with_located_configs, with_texts
from lightgen.cli.explain import NO_GPU
from lightgen.cli.following import fill_in
from lightgen.cli.init_from import with_initial
from lightgen.cli.nulls import with_nulls
from lightgen.cli.parser import Parser
from lightgen.functional.files import save_text
from lightgen.modules.base import TrainingModule
from lightgen.registry import find

log = logging.getLogger(__name__)

TRAINER_DEFAULTS: dict[str, Any] = {
    # lightgen's loaders divide the data among ranks themselves, so that no picture is counted twice.
    "use_distributed_sampler": False,
    "max_steps": 100_000,
    "max_epochs": -1,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
}

LIGHTNINGS = "pytorch-lightning_version"
"""What Lightning looks for in a checkpoint."""
TRAINING = ("loops", "lr_schedulers")
"""What a training that goes on needs besides."""
OPTIMIZERS = "optimizer_states"
"""And this, which a folder of shards has in them."""


class FitParser(Parser, LightningArgumentParser):
    """Makes the data first, and looks whether they fit, before a large network takes its time."""

    texts: ClassVar[dict[str, str]] = {
        "config": "a YAML file with any of these options; several are laid over each other",
        "seed_everything": "seed of the initial weights",
        "model": "what is trained, and how: a TokenizerModule, a PriorModule or a ScorerModule",
        "data": "the pictures; `lightgen list data` names the classes, --data.root says where an ImageFolder is",
        "checkpoints.every_n_train_steps": "batches between two savings of last.ckpt",
        "ckpt_path": "a checkpoint of such a run: `fit` goes on with it, the others score it",
        "weights_only": "",
        "verbose": "",
    }

    def instantiate(self, namespace: Any, *args: Any, **kwargs: Any) -> Any:
        if "model" in namespace and "data" in namespace:
            require_accelerator(namespace.trainer.accelerator)
            namespace = namespace.clone()
            namespace.data = data_that_fit(namespace)
        return super().instantiate(namespace, *args, **kwargs)


class CLI(LightningCLI):
    """LightningCLI with lightgen's parser; the checkpoint gets the resolved config."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(Checkpoints, "checkpoints")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        super().parse_arguments(parser, args)
        command = str(self.config["subcommand"])
        config = self.config[command]
        # A checkpoint of lightgen holds nothing but data; others are refused, before Lightning looks at them.
        config["weights_only"] = True
        path = config.get("ckpt_path")
        if path and path not in ("last", "best"):
            require_fitting(path, config["model"]["class_path"], command)

    def before_instantiate_classes(self) -> None:
        config = self.config[str(self.subcommand)]
        fill_in(config["model"], config["data"])
        if self.subcommand == "fit":
            callbacks = self.trainer_defaults["callbacks"]
            for callback in callbacks:
                if isinstance(callback, RunFolder):
                    callback.look(Path(config["trainer"]["default_root_dir"] or ""))
            # The bar first, so that it is gone when the others say their last words.
            if config["trainer"]["enable_progress_bar"] is not False:
                callbacks.append(StepProgress())
            callbacks.append(DataWait())

    def after_instantiate_classes(self) -> None:
        command = str(self.subcommand)
        self.model.resolved_config = self._parser(command).dump(self.config[command], skip_none=False)


class SaveConfig(SaveConfigCallback):
    """Keeps the resolved config in the folder of the logs, and in TensorBoard."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        folder = trainer.log_dir
        if not trainer.is_global_zero or folder is None:
            return
        text = self.parser.dump(self.config, skip_none=False)
        save_text(text, Path(folder) / self.config_filename, durable=True)
        if isinstance(trainer.logger, TensorBoardLogger):
            # Indented, it is code in Markdown.
            trainer.logger.experiment.add_text("config", "".join(f"    {line}" for line in text.splitlines(True)))


def main(args: list[str], *callbacks: Callback) -> int:
    """Run one of Lightning's subcommands, `args[0]`, with callbacks beside those of the config.

    Raises:
        KeyboardInterrupt: if it was interrupted; says how to go on.
    """
    return run(CLI, args, with_nulls(with_initial(with_texts(with_located_configs(args)))), *callbacks)


def run(kind: type[CLI], args: list[str], options: list[str], *callbacks: Callback) -> int:
    """Run a subcommand with options that may be others than the arguments that it was called with; see `main`."""
    # Alone here, so that a run under DDP, which starts this command again on each rank, does not depend on the caller.
    sys.argv = [sys.argv[0], *args]
    torch.set_float32_matmul_precision("high")
    interrupt, folder = StopOnInterrupt(), RunFolder()
    try:
        trainer = make(kind, options, interrupt, folder, *callbacks).trainer
    except (KeyboardInterrupt, SystemExit) as stop:
        if isinstance(stop, KeyboardInterrupt) or isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt(_interrupted(folder)) from None
        raise
    finally:
        interrupt.restore()
        folder.undo()
    if interrupt.stopped and trainer.is_global_zero:
        # Lightning kills rank zero when another rank fails, so that the others end as if nothing had happened.
        raise KeyboardInterrupt(_how_to_go_on(trainer))
    if args[0] == "fit" and not folder.trained:
        log.info(f"nothing to train: the run is at step {trainer.global_step}, "
                 f"and trainer.max_steps is {trainer.max_steps}")  # fmt: skip
    return 0


def _how_to_go_on(trainer: Trainer) -> str:
    return (
        f"interrupted at step {trainer.global_step}; "
        f"go on with the same command and --ckpt_path {last_checkpoint(trainer)}"
    )


def _interrupted(folder: RunFolder) -> str:
    """What to say of a run that was stopped at once."""
    if not folder.trained:
        return "interrupted before the first step, so there is nothing to save; give the same command again"
    return "stopped at once, without saving; the newest checkpoint is from before"


def make(kind: type[CLI], args: list[str], *callbacks: Callback) -> CLI:
    """Parse the arguments and run the subcommand."""
    return kind(
        LightningModule,
        LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        parser_class=FitParser,
        trainer_class=Trainer,
        trainer_defaults={**TRAINER_DEFAULTS, "callbacks": list(callbacks)},
        auto_configure_optimizers=False,
        save_config_callback=SaveConfig,
        seed_everything_default=0,
        args=args,
    )


def require_fitting(path: str, module: str, command: str) -> None:
    """Refuse a checkpoint that a command cannot go on with, which Lightning would notice late and say at length.

    Args:
        path: of the checkpoint.
        module: the class that is to go on with it.
        command: `fit`, `validate` or `test`.

    Raises:
        ValueError: in one line, if it holds something else than the module trains, or weights alone.
    """
    contents = read(path)
    require_kind(contents, cast(type[TrainingModule], find("module", module.rpartition(".")[2])).product, path)
    needed = {LIGHTNINGS, *TRAINING} | (set() if Path(path).is_dir() else {OPTIMIZERS})
    if command == "fit" and not contents.keys() >= needed:
        raise ValueError(
            f"{path} holds weights alone, so that fit cannot go on with it; --init_from {path} begins with them"
        )
    if LIGHTNINGS not in contents:
        raise ValueError(f"{path} holds weights alone, which {command} scores without --config and --model")


def require_accelerator(name: Any) -> None:
    """Refuse a GPU where there is none.

    Raises:
        ValueError: in one line.
    """
    if name in ("gpu", "cuda") and not torch.cuda.is_available() and not torch.backends.mps.is_available():
        raise ValueError(NO_GPU)


def grammar() -> dict[str, LightningArgumentParser]:
    """The parser of each subcommand, without running anything."""
    try:
        make(_Grammar, ["fit"])
    except _Parsed as parsed:
        return parsed.args[0]
    raise AssertionError("LightningCLI did not parse its arguments")


class _Parsed(Exception):
    """Carries the parsers out of LightningCLI, whose constructor would go on to train."""


class _Grammar(CLI):
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        raise _Parsed(self._subcommand_parsers)
