"""Statistics of reference pictures in a file that says what they are of."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from lightgen.functional.distances import Statistics
from lightgen.functional.files import atomic
from lightgen.metrics.protocols import EvaluationProtocol

KEY = "lightgen.reference"


def save_statistics(statistics: Statistics, path: Path, rules: EvaluationProtocol, data: str) -> None:
    """Write statistics to a safetensors file, whole or not at all.

    Args:
        statistics: of the pictures' features.
        path: of the file.
        rules: the protocol they were made by.
        data: what names the pictures, e.g. `ImageData.fingerprint` and the split.
    """
    tensors = {"mean": statistics.mean.cpu().contiguous(), "covariance": statistics.covariance.cpu().contiguous()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(tensors, {KEY: json.dumps({"num": statistics.num, **_identity(rules, data)})}))


def load_statistics(path: Path, rules: EvaluationProtocol, data: str) -> Statistics:
    """Read them again.

    Raises:
        ValueError: in one line, if there is no such file, or it is of other data or another protocol.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no file of reference statistics {path}")
    try:
        with safe_open(path, framework="pt") as file:
            stored = json.loads((file.metadata() or {})[KEY])
            mean, covariance = file.get_tensor("mean"), file.get_tensor("covariance")
    except (SafetensorError, OSError, KeyError, ValueError):
        raise ValueError(f"{path} does not hold reference statistics") from None
    for name, wanted in _identity(rules, data).items():
        if stored.get(name) != wanted:
            raise ValueError(f"{path} holds statistics of {name} {stored.get(name)}, not {wanted}")
    if mean.shape != (rules.features.dim,) or covariance.shape != (rules.features.dim, rules.features.dim):
        raise ValueError(f"{path} holds statistics of {len(mean)} features, not {rules.features.dim}")
    return Statistics(mean.to(torch.float64), covariance.to(torch.float64), stored["num"])


def _identity(rules: EvaluationProtocol, data: str) -> dict[str, str | None]:
    return {"data": data, "protocol": rules.name, "split": rules.split, **rules.identity()}
