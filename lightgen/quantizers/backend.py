"""`vector_quantize_pytorch`, without waiting for `einx`.

The library uses `einx` for masks and beams alone, which nothing here asks for; importing it takes as long as importing
torch.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

EINX = "einx"


class _Later(ModuleType):
    """Stands for a module whose functions import it when they are called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: getattr(importlib.import_module(self.__name__), name)(*args, **kwargs)


if EINX in sys.modules:
    import vector_quantize_pytorch
else:
    sys.modules[EINX] = _Later(EINX)
    try:
        import vector_quantize_pytorch
    finally:
        del sys.modules[EINX]

FSQ, LFQ = vector_quantize_pytorch.FSQ, vector_quantize_pytorch.LFQ
ResidualVQ, VectorQuantize = vector_quantize_pytorch.ResidualVQ, vector_quantize_pytorch.VectorQuantize
Codebook = vector_quantize_pytorch.vector_quantize_pytorch.Codebook
