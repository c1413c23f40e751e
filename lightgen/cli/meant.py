"""Which option was meant by one that is not there."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

SYNONYMS = {
    "accelerator": ("trainer.accelerator",),
    "checkpoint": ("ckpt_path",),
    "device": ("trainer.accelerator",),
    "epochs": ("trainer.max_epochs",),
    "gpus": ("trainer.devices",),
    "lr": ("model.optimizer.lr",),
    "learning_rate": ("model.optimizer.lr",),
    "model": ("ckpt_path",),
    "num_samples": ("num_images",),
    "scale": ("guidance.scale",),
    "steps": ("sampler.steps", "trainer.max_steps"),
}
"""What other programs call an option whose name here neither resembles nor ends in that."""
VALUES = {"cuda": "gpu"}


def meant(words: Iterable[str], options: Collection[str]) -> str:
    """What to say of words that no option took.

    Args:
        words: of the command line, the option first.
        options: all that there are, as `--name`.
    """
    option, *rest = words
    if not option.startswith("-"):
        return f"{option!r} belongs to no option"
    option, equals, value = option.partition("=")
    if not equals:
        value = rest[0] if rest and not rest[0].startswith("-") else ""
    near = nearest(option, options)
    if near is None:
        return f"there is no option {option}"
    if near == "--trainer.accelerator":
        value = VALUES.get(value, value)
    return f"there is no option {option}; did you mean {f'{near} {value}'.strip()}?"


def nearest(option: str, options: Collection[str]) -> str | None:
    """The option that was most likely meant: by another name, cut short, without its group, or misspelt."""
    name = option.lstrip("-").replace("-", "_").lower()
    if f"--{name}" in options:
        return f"--{name}"
    for candidate in SYNONYMS.get(name, ()):
        # An argument of a component is no option of the parser's own; the component is.
        if f"--{candidate}" in options or f"--{candidate.split('.')[0]}" in options:
            return f"--{candidate}"
    beginning = [known for known in options if known.startswith(f"--{name}")]
    ending = [known for known in options if known.endswith(f".{name}")]
    if found := beginning or ending:
        return min(found, key=len)
    close = difflib.get_close_matches(f"--{name}", options, n=1, cutoff=0.75)
    return close[0] if close else None
