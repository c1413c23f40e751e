"""The names of minGPT's tensors, which several projects have kept."""

from __future__ import annotations

from torch import Tensor

from lightgen.importers.renaming import Names, Source


def mingpt_names(prefix: str, position: str) -> Names:
    """The keys of blocks, positions and head.

    Args:
        prefix: how all keys begin.
        position: what the network calls its positions.
    """
    block = f"{prefix}blocks.{{i}}."
    return {
        position: Source((f"{prefix}pos_emb",), _places),
        "blocks.{i}.norm_1": f"{block}ln1",
        "blocks.{i}.attention.to_qkv": tuple(f"{block}attn.{part}" for part in ("query", "key", "value")),
        "blocks.{i}.attention.to_out": f"{block}attn.proj",
        "blocks.{i}.norm_2": f"{block}ln2",
        "blocks.{i}.feed_forward.0": f"{block}mlp.0",
        "blocks.{i}.feed_forward.2": f"{block}mlp.2",
        "to_logits.0": f"{prefix}ln_f",
        "to_logits.1": f"{prefix}head",
    }


def _places(table: Tensor) -> Tensor:
    """(N, D) of (1, N, D)."""
    return table.squeeze(0)
