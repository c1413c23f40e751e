"""`lightgen validate | test`: with a checkpoint alone, the model is what it holds and the data are its own."""

from __future__ import annotations

from typing import Any

import yaml

from lightgen.checkpoint import load
from lightgen.cli import fit
from lightgen.cli.fit import CLI
from lightgen.cli.plain import PlainParser
from lightgen.data.own import own_data, own_loss, own_pictures
from lightgen.prior import Prior
from lightgen.registry import as_config, describe
from lightgen.scorers.base import Scorer


def main(args: list[str]) -> int:
    """Score a checkpoint on held-out pictures; `args[0]` is the subcommand."""
    options = [arg.partition("=")[0] for arg in args]
    if {"--config", "-c", "--model"} & {*options} or "--ckpt_path" not in options:
        return fit.main(args)
    reader = PlainParser(prog=f"lightgen {args[0]}", add_help=False, allow_abbrev=False)
    reader.add_argument("--ckpt_path")
    parsed, rest = reader.parse_known_args(args[1:])
    checkpoint: str = parsed.ckpt_path
    product = load(checkpoint)

    class Alone(CLI):
        """Scores the weights that the checkpoint is used with, in place of going on from it."""

        def before_instantiate_classes(self) -> None:
            super().before_instantiate_classes()
            # Without a config there is no folder of a run, and nothing is written to the one that this is called in.
            self.save_config_callback = None

        def after_instantiate_classes(self) -> None:
            super().after_instantiate_classes()
            getattr(self.model, self.model.product).load_state_dict(product.state_dict())

    config = {"model": _module(checkpoint, product, "--model.loss" not in options), "trainer": {"logger": False}}
    if "--data" not in options:
        config["data"] = as_config(own_pictures(checkpoint) or own_data(checkpoint))
        if config["data"] is None:
            raise ValueError(f"{checkpoint} does not say what pictures it was trained on; name them with --data")
    return fit.run(Alone, args, [args[0], "--config", yaml.safe_dump(config), *rest])


def _module(checkpoint: str, product: Any, with_loss: bool) -> dict[str, Any]:
    """The config of a module that trains something like this."""
    if isinstance(product, Scorer):
        return {"class_path": "ScorerModule", "init_args": {"scorer": as_config(describe(product))}}
    if not isinstance(product, Prior):
        loss = own_loss(checkpoint) if with_loss else None
        options = {"tokenizer": as_config(describe(product)), "loss": as_config(loss)}
        return {"class_path": "TokenizerModule", "init_args": options}
    parts = describe(product)["arguments"]
    conditioner = parts["network"]["arguments"].pop("interface")["arguments"]["conditioner"]
    for other in parts["others"].values():
        other["arguments"].pop("interface")
    parts["process"]["arguments"].pop("vocab_size")
    return {"class_path": "PriorModule", "init_args": as_config({**parts, "conditioner": conditioner})}
