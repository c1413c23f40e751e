"""The page that a published checkpoint is met with: what it is, what it makes, how good it is, how it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from lightgen.prior import Prior

PICTURES = "samples.png"


def model_card(component: Any, name: str, licence: str, scores: Mapping[str, float], about: str | None = None) -> str:
    """The text of README.md, in the form of the Hugging Face Hub: YAML between dashes, then markdown.

    Args:
        component: a prior or a tokenizer.
        name: what `lightgen.load` takes.
        licence: by the Hub's word, e.g. `apache-2.0`.
        scores: by name; may be empty.
        about: a line that says what it is; None describes the component.
    """
    is_prior = isinstance(component, Prior)
    head: dict[str, Any] = {"library_name": "lightgen", "license": licence, "tags": ["lightgen", component.kind]}
    if is_prior:
        head["pipeline_tag"] = _task(component)
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {name.rpartition('/')[2]}",
        about or repr(component),
    ]
    if is_prior:
        parts.append(f"![Pictures it makes]({PICTURES})")
    parts.append(f"```python\nimport lightgen\n\nmodel = lightgen.load({name!r})\n{_use(is_prior)}\n```")
    if is_prior:
        parts.append(f"```sh\nlightgen sample --ckpt_path {name} --num_images 16\n```")
    if scores:
        parts.append(
            "\n".join(["| score | |", "|---|---:|", *(f"| {key} | {value:.4g} |" for key, value in scores.items())])
        )
    return "\n\n".join(parts) + "\n"


def _task(prior: Prior) -> str:
    conditioner = prior.network.conditioner
    asked = () if conditioner is None else conditioner.names
    return "text-to-image" if "caption" in asked else "unconditional-image-generation"


def _use(is_prior: bool) -> str:
    return "images = model.sample(4)" if is_prior else "ids = model.encode(images)    # (B, C, H, W) in [-1, 1]"
