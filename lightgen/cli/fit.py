"""`lightgen fit | validate | test`: Lightning's own command line, on lightgen's modules and data."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from lightgen.callbacks.checkpoints import Checkpoints
from lightgen.callbacks.data_wait import DataWait
from lightgen.callbacks.interrupt import StopOnInterrupt
from lightgen.callbacks.step_progress import StepProgress
from lightgen.checkpoint import read
from lightgen.cli.agreement import data_that_fit
from lightgen.cli.configs import with_located_configs
from lightgen.cli.explain import NO_GPU
from lightgen.cli.parser import Parser

TRAINER_DEFAULTS: dict[str, Any] = {
    # lightgen's loaders divide the data among ranks themselves, so that no picture is counted twice.
    "use_distributed_sampler": False,
    "max_steps": 100_000,
    "max_epochs": -1,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
}


class FitParser(Parser):
    """Makes the data first, and looks whether they fit, before a large network takes its time."""

    texts: ClassVar[dict[str, str]] = {
        "config": "a YAML file with any of these options; several are laid over each other",
        "seed_everything": "seed of the initial weights",
        "model": "what is trained, and how: a TokenizerModule or a PriorModule",
        "data": "the pictures; `lightgen list data` names the classes, --data.root says where an ImageFolder is",
        "checkpoints.every_n_train_steps": "batches between two savings of last.ckpt",
        "ckpt_path": "a checkpoint of such a run: `fit` goes on with it, the others score it",
        "weights_only": "",
        "verbose": "",
    }

    def instantiate_classes(self, cfg: Any, *args: Any, **kwargs: Any) -> Any:
        if "model" in cfg and "data" in cfg:
            require_accelerator(cfg.trainer.accelerator)
            cfg = cfg.clone()
            cfg.data = data_that_fit(cfg)
        return super().instantiate_classes(cfg, *args, **kwargs)


class CLI(LightningCLI):
    """LightningCLI with lightgen's parser; the checkpoint gets the resolved config."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_lightning_class_args(Checkpoints, "checkpoints")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        super().parse_arguments(parser, args)
        config = self.config[str(self.config["subcommand"])]
        # A checkpoint of lightgen holds nothing but data; others are refused, before Lightning looks at them.
        config["weights_only"] = True
        path = config.get("ckpt_path")
        if path and path not in ("last", "best") and "pytorch-lightning_version" not in read(path):
            raise ValueError(f"{path} holds weights alone, which this command cannot go on from")

    def before_instantiate_classes(self) -> None:
        config = self.config[str(self.subcommand)]
        if self.subcommand == "fit":
            self.trainer_defaults["callbacks"].append(DataWait())
            if config["trainer"]["enable_progress_bar"] is not False:
                self.trainer_defaults["callbacks"].append(StepProgress())

    def after_instantiate_classes(self) -> None:
        command = str(self.subcommand)
        self.model.resolved_config = self._parser(command).dump(self.config[command], skip_none=False)


def main(args: list[str]) -> int:
    """Run one of Lightning's subcommands, `args[0]`."""
    # Alone here, so that a run under DDP, which starts this command again on each rank, does not depend on the caller.
    sys.argv = [sys.argv[0], *args]
    torch.set_float32_matmul_precision("high")
    interrupt = StopOnInterrupt()
    make(CLI, with_located_configs(args), interrupt)
    return 130 if interrupt.interrupted else 0


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
        save_config_kwargs={"overwrite": True},
        seed_everything_default=0,
        args=args,
    )


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
