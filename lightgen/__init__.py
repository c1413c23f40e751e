"""lightgen: image generation on discrete tokens, one prior and many samplers, on equal footing."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.2.0"

_LAZY = ("bench", "callbacks", "data", "guidance", "losses", "metrics", "modules", "networks", "processes",
         "quantizers", "samplers", "tokenizers")  # fmt: skip


def __getattr__(name: str) -> Any:
    # Submodules load torch; `lightgen --help` must not wait for it.
    if name in _LAZY:
        return importlib.import_module(f"lightgen.{name}")
    if name == "load":
        return importlib.import_module("lightgen.checkpoint").load
    raise AttributeError(f"module 'lightgen' has no attribute {name!r}")
