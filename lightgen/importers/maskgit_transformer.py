"""The prior of MaskGIT, out of JAX."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from lightgen.conditioners.class_label import ClassLabel
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.renaming import Names, Source
from lightgen.importers.word_table import codes_in
from lightgen.networks.bert import BERT
from lightgen.processes.maskgit import MaskGIT as Process
from lightgen.recipe import Recipe
from lightgen.samplers.maskgit import MaskGIT

WORDS = "Embed_0.word_embeddings.embedding"
PLACES = "Embed_0.position_embeddings.embedding"
STEPS = {1024: 12}
"""In the published table, by number of tokens; 8 of fewer."""


def _projected(*kernels: Tensor) -> Tensor:
    """(3 D, D) of three kernels (D, heads, width)."""
    return torch.cat([kernel.flatten(1).T for kernel in kernels])


def _flat(*biases: Tensor) -> Tensor:
    return torch.cat([bias.flatten() for bias in biases])


def _linear(kernel: Tensor) -> Tensor:
    """(out, in) of (in, out)."""
    return kernel.T.contiguous()


def _dense(own: str, key: str) -> Names:
    return {f"{own}.weight": Source((f"{key}.kernel",), _linear), f"{own}.bias": f"{key}.bias"}


def _norm(own: str, key: str) -> Names:
    return {f"{own}.weight": f"{key}.scale", f"{own}.bias": f"{key}.bias"}


_ATTENTION = "TransformerLayer_{i}.Attention_0.self_attention"
_QKV = tuple(f"{_ATTENTION}.{part}" for part in ("query", "key", "value"))
_MLP = "TransformerLayer_{i}.Mlp_0"
NAMES: Names = {
    "position": PLACES,
    **_norm("norm", "Embed_0.embeddings_ln"),
    "blocks.{i}.attention.to_qkv.weight": Source(tuple(f"{key}.kernel" for key in _QKV), _projected),
    "blocks.{i}.attention.to_qkv.bias": Source(tuple(f"{key}.bias" for key in _QKV), _flat),
    "blocks.{i}.attention.to_out.weight": Source((f"{_ATTENTION}.out.kernel",), lambda kernel: kernel.flatten(0, 1).T),
    "blocks.{i}.attention.to_out.bias": f"{_ATTENTION}.out.bias",
    **_norm("blocks.{i}.norm_1", "TransformerLayer_{i}.Attention_0.attention_output_ln"),
    **_dense("blocks.{i}.feed_forward.0", f"{_MLP}.intermediate_output"),
    **_dense("blocks.{i}.feed_forward.2", f"{_MLP}.layer_output"),
    **_norm("blocks.{i}.norm_2", f"{_MLP}.layer_output_ln"),
    **_dense("to_logits.0", "MlmLayer_0.mlm_dense"),
    **_norm("to_logits.2", "MlmLayer_0.mlm_ln"),
}


class MaskGITTransformer(PriorImporter):
    """The transformer of MaskGIT, by class, as JAX wrote it (msgpack) or as safetensors; `maskgit` is its tokenizer."""

    name: ClassVar[str] = "maskgit-transformer"
    licence: ClassVar[str] = "not stated; the code's is Apache-2.0"
    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"
    marks: ClassVar[tuple[str, ...]] = (WORDS,)

    def __init__(self, tokenizer: str | None = None, num_classes: int = 1000) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            tokenizer: what it was trained on: published weights of any kind, or a checkpoint of lightgen
            num_classes: that it was trained with
        """
        super().__init__(tokenizer)
        self.num_classes = num_classes

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        rows, dim = (size(tensors, WORDS, axis) for axis in (0, 1))
        depth, num_tokens = depth_of(tensors, "TransformerLayer_{i}."), size(tensors, PLACES, 0) - 1
        heads = size(tensors, "TransformerLayer_0.Attention_0.self_attention.query.kernel", 1)
        hidden = size(tensors, "TransformerLayer_0.Mlp_0.intermediate_output.kernel", 1)
        vocab_size = codes_in(rows, self.num_classes + 1)
        process = Process(vocab_size)
        # No picture was without its class.
        classes = ClassLabel(self.num_classes, dropout=0.0)
        return Plan(
            make=lambda layout: BERT(process.interface(layout, classes), dim, depth, heads, hidden, True, "gelu_tanh"),
            names={
                **NAMES,
                # Its id for MASK is -1, which reads the last row.
                "token.weight": Source((WORDS,), lambda rows: torch.cat([rows[:vocab_size], rows[-1:]])),
                "conditioner.embedding.weight": Source((WORDS,), lambda rows: pad(rows[vocab_size:-1], (0, 0, 0, 1))),
                "bias": Source(("MlmLayer_0.mlm_bias.bias",), lambda bias: bias[:vocab_size]),
            },
            process=process,
            recipe=Recipe(MaskGIT(STEPS.get(num_tokens, 8))),
            vocab_size=vocab_size,
            num_tokens=num_tokens,
        )
