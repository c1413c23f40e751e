"""lightgen: image generation on discrete tokens, one prior and many samplers, on equal footing.

>>> prior = lightgen.load("zoo:icons64-sundae")
>>> images = prior.sample(4, steps=8)
>>> images.shape, images.dtype
(torch.Size([4, 3, 64, 64]), torch.uint8)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightgen import (
        bench,
        callbacks,
        conditioners,
        data,
        guidance,
        importers,
        losses,
        metrics,
        modules,
        networks,
        processes,
        quantizers,
        samplers,
        scorers,
        tokenizers,
    )
    from lightgen.cascade import Cascade
    from lightgen.checkpoint import load
    from lightgen.functional.pictures import to_pil
    from lightgen.pretrained import zoo
    from lightgen.prior import Prior
    from lightgen.recipe import Recipe
    from lightgen.warps import Warps

__version__ = "0.2.0"

__all__ = ["Cascade", "Prior", "Recipe", "Warps", "bench", "callbacks", "conditioners", "data", "guidance", "importers",
           "load", "losses", "metrics", "modules", "networks", "processes", "quantizers", "samplers", "scorers",
           "to_pil", "tokenizers", "zoo"]  # fmt: skip

_HOMES = {"Cascade": "cascade", "Prior": "prior", "Recipe": "recipe", "Warps": "warps", "load": "checkpoint",
          "to_pil": "functional.pictures", "zoo": "pretrained"}  # fmt: skip
"""Where the names live that are no packages."""


def __getattr__(name: str) -> object:
    # All of it loads torch; `lightgen --help` must not wait for it.
    if name in _HOMES:
        return getattr(importlib.import_module(f"lightgen.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"lightgen.{name}")
    raise AttributeError(f"module 'lightgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
