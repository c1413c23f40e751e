"""What is measured, as plain data, and what names it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

Source = Literal["sampler", "training pictures", "reconstructions", "independent tokens", "likelihood"]
FULL_PRECISION = "32-true"


@dataclass(frozen=True)
class Measurement:
    """Pictures (or a likelihood) and the rules they are scored by: all that decides every digit, as plain data."""

    source: Source
    prior: str
    """The checkpoint."""
    weights: str
    """The fingerprint of what is in it."""
    recipe: dict[str, Any] | None
    """How it is sampled; None where nothing is."""
    seed: int
    num_images: int
    data: dict[str, Any]
    """Of the reference pictures."""
    data_fingerprint: str
    protocol: dict[str, Any]
    reference: str | None
    """A file of statistics that the Frechet distance is to; None takes the reference pictures."""
    batch_size: int
    precision: str = FULL_PRECISION
    """Of the network; feature networks and likelihoods are in float32."""
    reranking: dict[str, Any] | None = None
    """How the best of several draws is chosen; None where there is one."""

    @cached_property
    def id(self) -> str:
        """Twelve hex digits; equal ones have equal scores, whatever paths and batches they come by."""
        what = {name: value for name, value in asdict(self).items() if name not in ("prior", "data", "batch_size")}
        what["reference"] = self.reference is not None
        chosen = what.pop("reranking")
        if chosen is not None:
            what["reranking"] = {name: value for name, value in chosen.items() if name != "scorer"}
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
