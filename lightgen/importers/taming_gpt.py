"""The priors of taming-transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
import yaml
from torch import Tensor
from torch.nn.functional import pad

from lightgen.conditioners.class_label import ClassLabel
from lightgen.importers.mingpt import mingpt_names
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.reading import read_tensors
from lightgen.importers.renaming import Names, Source
from lightgen.importers.taming import Taming
from lightgen.networks.mingpt import MinGPT
from lightgen.processes.causal import Causal
from lightgen.recipe import Recipe
from lightgen.samplers.autoregressive import Autoregressive
from lightgen.tokenizers.base import Tokenizer
from lightgen.warps import Warps

CODES = "transformer.tok_emb.weight"
PUBLISHED_CLASSES = {(1536, 48): 1000, (1664, 24): 0}
"""By width and depth."""
IDENTITY = "Identity"
"""How the order ends of a model that goes row by row, in its config."""
UNCONDITIONAL = "__is_unconditional__"


class TamingGPT(PriorImporter):
    """The priors of taming-transformers, by class or without a condition; their files have the tokenizer too."""

    name: ClassVar[str] = "taming-gpt"
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"
    marks: ClassVar[tuple[str, ...]] = (CODES,)
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {(1536, 48): 24, (1664, 24): 16, (1024, 24): 16}

    def __init__(
        self,
        config: Path | None = None,
        tokenizer: str | None = None,
        heads: int | None = None,
        num_classes: int | None = None,
    ) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            config: the YAML that came with the weights, which tells all that follows
            tokenizer: what it was trained on: published weights of any kind, or a checkpoint of lightgen; default: that
                in the file
            heads: of every attention; default: those of the published model of this size
            num_classes: of its condition, 0 for none; default: those of the published model of this size
        """
        super().__init__(tokenizer, heads)
        self.config = config
        self.num_classes = num_classes

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        vocab_size, dim = (size(tensors, CODES, axis) for axis in (0, 1))
        depth = depth_of(tensors, "transformer.blocks.{i}.")
        told = (None, PUBLISHED_CLASSES.get((dim, depth))) if self.config is None else configured(self.config)
        num_classes = told[1] if self.num_classes is None else self.num_classes
        if num_classes is None:
            raise ValueError("no shape tells the number of classes, and no published model has "
                             f"{depth} blocks of {dim}: give --config, or --num_classes, 0 for none")  # fmt: skip
        if not 0 <= num_classes <= vocab_size:
            raise ValueError(f"--num_classes must be in [0, {vocab_size}], for classes are codes, not {num_classes}")
        heads, process = self.heads_of(dim, depth, told=told[0]), Causal(vocab_size)
        # There was no other choice: no picture is without its class.
        conditioner = ClassLabel(num_classes, dropout=0.0) if num_classes else None
        warps = Warps(top_k=600, top_p=0.92) if num_classes else Warps(top_k=250)
        return Plan(
            make=lambda layout: MinGPT(process.interface(layout, conditioner), dim, depth, heads),
            names=names(num_classes),
            process=process,
            recipe=Recipe(Autoregressive(), warps),
            vocab_size=vocab_size,
            num_tokens=size(tensors, "transformer.pos_emb", 1),
            unused=("first_stage_model.*", "cond_stage_model.*", "transformer.blocks.*.attn.mask"),
        )

    def stage_one(self, weights: Path, plan: Plan) -> Tokenizer:
        if self.tokenizer is None and plan.num_tokens and any(mark in read_tensors(weights) for mark in Taming.marks):
            return Taming(self.config).tokenizer(weights, plan.num_tokens)
        return super().stage_one(weights, plan)


def names(num_classes: int) -> Names:
    """The keys of all tensors. A class is the vector of the code of its number; what starts without one is code 0."""

    def codes(table: Tensor) -> Tensor:
        return pad(table, (0, 0, 0, 1)) if num_classes else torch.cat([table, table[:1]])

    return {
        **mingpt_names("transformer.", "position"),
        "token.weight": Source((CODES,), codes),
        "conditioner.embedding.weight": Source((CODES,), lambda table: pad(table[:num_classes], (0, 0, 0, 1))),
    }


def configured(config: Path) -> tuple[int, int]:
    """Heads and classes of a config.

    Raises:
        ValueError: in one line, if it is none, or asks for what lightgen does not have.
    """
    try:
        params: Any = yaml.safe_load(config.read_text(encoding="utf-8"))["model"]["params"]
        heads = int(params["transformer_config"]["params"]["n_head"])
        stage = params["cond_stage_config"]
        unconditional = stage == UNCONDITIONAL or bool(params.get("unconditional"))
        classes = 0 if unconditional else stage["params"].get("n_classes")
        order = (params.get("permuter_config") or {}).get("target", IDENTITY)
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
        raise ValueError(f"{config} is no config of taming-gpt: {reason}") from None
    if not order.endswith(IDENTITY):
        raise ValueError(f"{config} asks for the order {order}, and only those that go row by row can be imported")
    if classes is None:
        raise ValueError(f"{config} asks for a condition that is no class: {stage.get('target')}")
    return heads, int(classes)
