"""Checkpoints in shards, as FSDP writes them: a folder of tensors in parts, read without running anything in it."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from lightgen.functional.files import require_readable
from lightgen.functional.torch_files import read_torch

REST, INDEX = "meta.pt", ".metadata"
"""What Lightning writes beside the shards, and torch's own index of them."""
MODEL = "model."
"""How the names of weights begin in the index."""
KNOWN = {
    ("torch", "Size"), ("torch.serialization", "_get_layout"),
    *((module, name) for module in ("pathlib", "pathlib._local") for name in ("PosixPath", "WindowsPath")),
    *(("torch.distributed.checkpoint.metadata", name) for name in (
        "BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta",
        "TensorProperties", "TensorStorageMetadata", "_MEM_FORMAT_ENCODING",
    )),
    ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
}  # fmt: skip
"""What an index is made of, beside numbers and types of them."""


def is_sharded(folder: Path) -> bool:
    """Whether a folder is a checkpoint in shards."""
    return (folder / REST).is_file() and (folder / INDEX).is_file()


def read_sharded(folder: Path) -> Any:
    """What the checkpoint holds, on the CPU, with its weights as `state_dict` and without the states of optimizers.

    Args:
        folder: for which `is_sharded` holds.

    Raises:
        OSError: if a file may not be read.
        ValueError: in one line, if one is damaged or missing, or carries pickled code (which is refused, not run).
    """
    # They come with most of torch's distributed training.
    from torch.distributed.checkpoint import (
        CheckpointException,
        FileSystemReader,
        Metadata,
        TensorStorageMetadata,
        load,
    )

    class Reader(FileSystemReader):
        def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
            index: Metadata = _index(folder / INDEX)
            return index

    contents = read_torch(folder / REST)
    try:
        described = _index(folder / INDEX).state_dict_metadata.items()
        weights = {
            name: torch.empty(tensor.size, dtype=tensor.properties.dtype)
            for name, tensor in described
            if name.startswith(MODEL) and isinstance(tensor, TensorStorageMetadata)
        }
        with warnings.catch_warnings():
            # One process reads them here, as it should.
            warnings.simplefilter("ignore")
            load(weights, storage_reader=Reader(folder))
    except (PermissionError, ValueError):
        raise
    except (CheckpointException, Exception):
        raise ValueError(f"{folder} is damaged, or a part of it is missing") from None
    return {**contents, "state_dict": {name.removeprefix(MODEL): tensor for name, tensor in weights.items()}}


class _Index(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        number = getattr(torch, name, None) if module == "torch" else None
        if isinstance(number, torch.dtype):
            return number
        if (module, name) not in KNOWN:
            raise _Refused
        return super().find_class(module, name)


class _Refused(Exception):
    """The index asks for more than data."""


def _index(path: Path) -> Any:
    require_readable(path)
    try:
        with path.open("rb") as file:
            index = _Index(file).load()
    except _Refused:
        raise ValueError(f"{path} carries pickled code and was refused; nothing in it was executed") from None
    return index
