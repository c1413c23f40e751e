"""Tensors out of other people's checkpoints, without running anything that is in them."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lightgen.functional.files import require_readable
from lightgen.importers.flax import is_msgpack, read_msgpack

HOLDERS = ("ema", "model_state_dict", "model", "state_dict", "net", "module")
"""Where checkpoints keep their tensors, if not at the top; averaged ones first."""

WRAPPERS = ("module.", "_orig_mod.", "params.")
"""What training on several devices, compiling, and flax put before the names of all tensors."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, on the CPU.

    Safetensors, torch and flax files; of Lightning's checkpoints those of the `state_dict`. A file that also holds
    objects of foreign classes is read without importing the classes. Tensors stay in the file until they are used, so
    that what is beside them, the state of an optimizer say, takes no memory.

    Raises:
        OSError: if the file may not be read.
        ValueError: in one line, if the file is missing, is no checkpoint, or holds no named tensors.
    """
    contents = _held(_contents(path))
    if not isinstance(contents, Mapping):
        raise ValueError(f"{path} holds no tensors by name")
    tensors = {_unwrapped(name): value.detach() for name, value in contents.items() if isinstance(value, Tensor)}
    if not tensors:
        raise ValueError(f"{path} holds no tensors by name")
    return tensors


def read_tensor(path: Path) -> Tensor:
    """The one tensor that a torch file holds, without a name.

    Raises:
        OSError: if the file may not be read.
        ValueError: in one line, if the file is missing, or holds anything else.
    """
    contents = _contents(path)
    if not isinstance(contents, Tensor):
        raise ValueError(f"{path} holds no single tensor")
    return contents


def _contents(path: Path) -> Any:
    if not path.is_file():
        raise ValueError(f"there is no weights file {path}")
    require_readable(path)
    read = _safetensors if path.suffix == ".safetensors" else read_msgpack if is_msgpack(path) else _torch
    return read(path)


def _held(contents: Any) -> Any:
    """The mapping that has the tensors, which may be inside of another, and that in a third."""
    while isinstance(contents, Mapping):
        inner = [contents[name] for name in HOLDERS if isinstance(contents.get(name), Mapping)]
        if not inner:
            break
        contents = inner[0]
    return contents


def _unwrapped(name: Any) -> str:
    # Flax joins names by slashes where it cannot nest them.
    name = str(name).replace("/", ".")
    while name.startswith(WRAPPERS):
        name = name.partition(".")[2]
    return name


class Inert:
    """Stands for every foreign class and function: takes anything, keeps nothing, does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        """A pickled list of a foreign class appends its items."""

    def extend(self, items: Any) -> None:
        """A pickled list of a foreign class appends its items."""


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    return torch.empty(0, dtype=storage.dtype).set_(storage.untyped(), offset, tuple(size), tuple(stride))


def _parameter(data: Tensor, requires_grad: bool, *_: Any) -> nn.Parameter:
    return nn.Parameter(data, requires_grad)


class InertUnpickler(pickle.Unpickler):
    """Knows how tensors are put together. Every other name in the file becomes `Inert`; none is imported."""

    KNOWN: ClassVar[dict[tuple[str, str], Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch", "Size"): torch.Size,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): _parameter,
    }

    def find_class(self, module: str, name: str) -> Any:
        return self.KNOWN.get((module, name), Inert)


class InertPickle:
    """In place of the module `pickle`, for `torch.load`."""

    Unpickler = InertUnpickler

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        """One pickled object of a file."""
        return InertUnpickler(file, **options).load()


def _safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from None


def _torch(path: Path) -> Any:
    # Files of torch before 1.6 are no archives, and cannot be mapped.
    mapped = zipfile.is_zipfile(path)
    try:
        with warnings.catch_warnings():
            # torch wonders about pickles that it is about to refuse.
            warnings.simplefilter("ignore")
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
            except pickle.UnpicklingError:
                return torch.load(path, "cpu", InertPickle, weights_only=False, mmap=mapped)
    except Exception:
        # A damaged pickle can fail in any way.
        raise ValueError(f"{path} is not a checkpoint that torch can read, or is damaged") from None
