"""A picture made again: its settings out of the file, and the command that makes it from them."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from lightgen.acceleration import AS_ASKED
from lightgen.asking import LAYOUT, LIKE
from lightgen.checkpoint import fingerprint, load
from lightgen.functional.boxes import in_short, to_boxes
from lightgen.functional.embedded import embedded
from lightgen.functional.likeness import NEIGHBOURS
from lightgen.labels import class_name
from lightgen.placing import in_few_words
from lightgen.pretrained import located
from lightgen.registry import as_config, describe, find
from lightgen.settings import (
    COUNTS,
    EDIT,
    GRID,
    IN_MEMORY,
    INPAINT,
    LIKENESS,
    NEVER_ASKED,
    OPTIONS,
    PARTS,
    PRECISION,
    SAMPLE,
    WEIGHED,
    Settings,
    asked,
    recipe_of,
)

SCALAR = str | int | float | None


def read(path: Path) -> Settings:
    """The settings in a PNG that `lightgen sample`, `inpaint` or `edit`, or a prior in Python, wrote; whoever says so.

    Raises:
        OSError: if it cannot be read.
        ValueError: in one line, if there are none, or they make no sense.
    """
    found = embedded(path, str(path))
    if not _make_sense(found):
        raise ValueError(f"the settings in {path} are damaged, or of a later version of lightgen")
    return found


def _make_sense(found: Settings) -> bool:
    counts = [found.get(name) for name in ("num_images", "batch_size")]
    index = found.get("index", 0)
    return (
        found.get("command") in (SAMPLE, INPAINT, EDIT, GRID)
        and isinstance(found.get("ckpt_path"), str | None)
        and isinstance(found.get("seed"), int)
        and all(isinstance(count, int) and count > 0 for count in counts)
        and isinstance(index, int)
        and 0 <= index < found["num_images"]
        and all(name.isidentifier() and name not in NEVER_ASKED for name in asked(found))
        and all(isinstance(value, SCALAR) for value in (*asked(found).values(), *map(found.get, OPTIONS)))
        and all(map(_can_be_shown, _texts(found)))
        and all(isinstance(found.get(name, {}), dict) for name in (IN_MEMORY, WEIGHED))
        and found.get(IN_MEMORY, {}).keys() <= {*LIKENESS}
        and all(isinstance(weight, float) for weight in found.get(WEIGHED, {}).values())
        and _is_whole(found)
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value if isinstance(value, list) else (*value, *value.values()):
            yield from _texts(part)


def _can_be_shown(text: str) -> bool:
    """Whether a terminal would not take it for orders."""
    return all(letter.isprintable() or letter in "\n\t" for letter in text)


def _is_whole(found: Settings) -> bool:
    try:
        recipe_of(found)
        words = options(found)
        # Never a path: a stranger has no say in what is read here.
        boxes = in_short(to_boxes(json.loads(found.get(LAYOUT) or "[]")))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return False
    return _can_be_shown(boxes) and all(isinstance(word, str) for word in words)


def command(settings: Settings, out: str = "again") -> str:
    """What to type into a shell for the same pictures, of which `index` is in `out/00000i.png`.

    No more are made than the batch of this picture takes, whose other pictures decide how the network rounds.
    """
    return shlex.join(["lightgen", settings["command"], *options(settings), "--out", out])


def lacking(settings: Settings, given: Collection[str] = ()) -> str:
    """What decided a picture and no option says, for it was made in Python, with the remedy; empty if there is nothing.

    Args:
        settings: of the picture.
        given: names of options that say something else.
    """
    memory, weights = settings.get(IN_MEMORY, {}), settings.get(WEIGHED, {})
    of_like = f":{weights[LIKE]:g}" if LIKE in weights else ""
    files = {
        LIKE: f"the picture that it is like had no file; give one with --{LIKE} F.png{of_like}",
        NEIGHBOURS: f"the neighbours that it was told had no folder; give a token cache with --{NEIGHBOURS}",
    }
    said = [files[name] for name in memory if name not in given]
    said += [f"its {name} had a weight of {weight:g}, which only Python takes"
             for name, weight in weights.items() if name != LIKE and name not in given]  # fmt: skip
    return "; ".join(said)


def options(settings: Settings) -> list[str]:
    """Options of `lightgen sample`, `inpaint` or `edit`, but `--out`; what a class does by default is left out."""
    words = [] if settings["ckpt_path"] is None else ["--ckpt_path", settings["ckpt_path"]]
    for name, value in (*asked(settings).items(), *((name, settings.get(name)) for name in OPTIONS)):
        words += _option(name, value)
    if (canvas := settings.get("canvas")) is not None:
        words += ["--canvas", f"{canvas['rows']}x{canvas['columns']}"]
    for name in PARTS:
        words += _component(name, settings[name])
    if (precision := settings.get("precision", PRECISION)) != PRECISION:
        words += ["--trainer.precision", precision]
    how = settings.get("accelerate")
    if how and (how["mode"] != "off" or how["dtype"] != "float32" or how["why"] == AS_ASKED):
        words += ["--accelerate", how["mode"], "--dtype", how["dtype"]]
    num_images, batch_size = settings["num_images"], settings["batch_size"]
    batches = settings.get("index", num_images - 1) // batch_size + 1
    counts = {**settings, "num_images": min(num_images, batches * batch_size)}
    return [*words, *(word for name in COUNTS for word in (f"--{name}", str(counts[name])))]


def _option(name: str, value: Any) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [f"--{name}"]
    # A text that begins so would be read as an option.
    return [f"--{name}={value}"] if str(value).startswith("-") else [f"--{name}", str(value)]


def _component(name: str, description: Any) -> list[str]:
    if description is None:
        return [f"--{name}", "null"]
    defaults = inspect.signature(find(description["kind"], description["name"])).parameters
    words = [f"--{name}", description["name"]]
    for argument, value in description["arguments"].items():
        if argument not in defaults or describe(defaults[argument].default) != value:
            words += [f"--{name}.{argument}", _yaml(as_config(value))]
    return words


def _yaml(value: Any) -> str:
    return value if isinstance(value, str) and yaml.safe_load(value) == value else json.dumps(value)


def said(settings: Settings, classes: Sequence[str] | None = None) -> str:
    """What a picture is, in a line for people.

    Args:
        settings: of the picture.
        classes: names by number; None where nobody knows them.
    """
    sampler, index = recipe_of(settings).sampler, settings.get("index")
    told = asked(settings)
    if isinstance(label := told.get("label"), int):
        told["label"] = class_name(label, classes)
    if LAYOUT in told:
        told[LAYOUT] = in_few_words(told[LAYOUT])
    parts = [
        f"{settings['num_images']} pictures of seed" if index is None else f"picture {index} of seed",
        *map(str, told.values()),
        _changed(settings),
        f"over {settings['x']} and {settings['y']}" if settings.get("x") else "",
        f"by {sampler!r}",
        f"from {settings['ckpt_path'] or 'a prior that was never saved'}",
        f"lightgen {settings.get('lightgen', 'of an unknown version')}",
    ]
    parts[0] += f" {settings['seed']}"
    return ", ".join(filter(None, parts))


def _changed(settings: Settings) -> str:
    """Which picture it was, and what was done to it."""
    if not (image := settings.get("image")):
        return ""
    return f"{image} " + (f"edited by {settings['strength']}" if settings["command"] == EDIT else "painted in part")


def held(settings: Settings) -> Any:
    """The prior in the checkpoint of a picture, if it would make the same one.

    Raises:
        ValueError: in one line, if it is not there, or holds something else by now.
    """
    path, weights = settings["ckpt_path"], settings.get("weights")
    if path is None:
        raise ValueError("its prior was never saved")
    if not located(path).exists():
        raise ValueError(f"{path} is not there")
    prior = load(path, "prior")
    if weights not in (None, found := fingerprint(prior)):
        raise ValueError(f"{path} holds other weights now ({found}) than when it was made ({weights})")
    return prior
