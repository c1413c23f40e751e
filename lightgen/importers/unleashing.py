"""The priors of Unleashing transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.importers.base import Imported
from lightgen.importers.mingpt import mingpt_names
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.reading import read_tensors
from lightgen.importers.renaming import Source
from lightgen.importers.unleashing_vqgan import UnleashingVQGAN
from lightgen.networks.mingpt import BidirectionalMinGPT, MinGPT
from lightgen.processes.absorbing import Absorbing
from lightgen.processes.causal import Causal
from lightgen.recipe import Recipe
from lightgen.samplers.ancestral import Ancestral
from lightgen.samplers.autoregressive import Autoregressive
from lightgen.warps import Warps

ABSORBING, CAUSAL = "_denoise_fn.", "net."
"""How the keys begin of the two kinds of priors."""


class Unleashing(PriorImporter):
    """Unleashing transformers: absorbing priors, autoregressive ones, and the VQ-GANs under them."""

    name: ClassVar[str] = "unleashing"
    source: ClassVar[str] = "Bond-Taylor et al., 2022, arXiv 2111.12701"
    marks: ClassVar[tuple[str, ...]] = (f"{ABSORBING}tok_emb.weight", f"{CAUSAL}tok_emb.weight")
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {(512, 24): 8}

    def __call__(self, weights: Path) -> Imported:
        tokenizer = any(mark in read_tensors(weights) for mark in UnleashingVQGAN.marks)
        return UnleashingVQGAN()(weights) if tokenizer else super().__call__(weights)

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        return self._absorbing(tensors) if self.marks[0] in tensors else self._causal(tensors)

    def _absorbing(self, tensors: Mapping[str, Tensor]) -> Plan:
        rows, dim, depth, num_tokens = _sizes(tensors, ABSORBING)
        heads, process = self.heads_of(dim, depth), Absorbing(rows - 1)
        return Plan(
            make=lambda layout: BidirectionalMinGPT(process.interface(layout, None), dim, depth, heads),
            names={**mingpt_names(ABSORBING, "cell"), "token": f"{ABSORBING}tok_emb"},
            process=process,
            recipe=Recipe(Ancestral(steps=256), Warps(temperature=0.9)),
            vocab_size=rows - 1,
            num_tokens=num_tokens,
            # What was measured in training, and what only the other kind reads.
            unused=(f"{ABSORBING}start_tok", "Lt_history", "Lt_count", "loss_history"),
        )

    def _causal(self, tensors: Mapping[str, Tensor]) -> Plan:
        vocab_size, dim, depth, num_tokens = _sizes(tensors, CAUSAL)
        heads, process = self.heads_of(dim, depth), Causal(vocab_size)
        start = Source((f"{CAUSAL}tok_emb.weight", f"{CAUSAL}start_tok"), lambda t, s: torch.cat([t, s.flatten(0, 1)]))
        return Plan(
            make=lambda layout: MinGPT(process.interface(layout, None), dim, depth, heads),
            names={**mingpt_names(CAUSAL, "position"), "token.weight": start},
            process=process,
            recipe=Recipe(Autoregressive()),
            vocab_size=vocab_size,
            num_tokens=num_tokens,
            unused=(f"{CAUSAL}blocks.*.attn.mask",),
        )


def _sizes(tensors: Mapping[str, Tensor], prefix: str) -> tuple[int, int, int, int]:
    """Rows of the table of codes, D, number of blocks, N."""
    rows, dim = (size(tensors, f"{prefix}tok_emb.weight", axis) for axis in (0, 1))
    return rows, dim, depth_of(tensors, f"{prefix}blocks.{{i}}."), size(tensors, f"{prefix}pos_emb", 1)
