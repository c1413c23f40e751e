"""`--from F.png`: the options that made a picture, at the front of a command line, where those after them win."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightgen.again import lacking, options, read
from lightgen.asking import TEXT
from lightgen.checkpoint import fingerprint
from lightgen.cli.asked import PROMPTS
from lightgen.pretrained import located
from lightgen.prior import Prior
from lightgen.settings import GRID, SAMPLE, Settings, asked

OPTION = "--from"
HELP = "a PNG that lightgen made, whose settings are the defaults of the other options"


def expanded(args: Sequence[str], command: str) -> tuple[list[str], Settings | None]:
    """A command line without `--from`, and the settings whose checkpoint it uses.

    Args:
        args: as it was given.
        command: the one that reads it.

    Raises:
        ValueError: in one line, if there is no such file, it carries no settings, or they are of another command.
    """
    words, path = list(args), ""
    for place, word in enumerate(args):
        option, equals, value = word.partition("=")
        if option == OPTION:
            if not equals and place + 1 == len(args):
                raise ValueError(f"{OPTION} needs a value")
            path = value if equals else args[place + 1]
            del words[place : place + (1 if equals else 2)]
            break
    else:
        return words, None
    settings = read(Path(path))
    # A sheet may begin with the settings of a picture.
    if (made := settings["command"]) not in (command, SAMPLE if command == GRID else command):
        raise ValueError(f"{path} was made by `lightgen {made}`; give it to `lightgen {made} {OPTION}`")
    own = not any(word.partition("=")[0] == "--ckpt_path" for word in words)
    if own and settings["ckpt_path"] is not None and not located(settings["ckpt_path"]).exists():
        raise ValueError(f"{path} was made with {settings['ckpt_path']}, which is not there; say where it is now "
                         "with --ckpt_path")  # fmt: skip
    given = {word.partition("=")[0].removeprefix("--") for word in words if word.startswith("--")}
    given |= {TEXT} if PROMPTS in given else set()
    if without := lacking(settings, given):
        raise ValueError(f"{path} was made in Python: {without}")
    # What is asked for may be given several times, which then counts for several pictures.
    left = {name: None if name in given & asked(settings).keys() else value for name, value in settings.items()}
    return [*options(left), *words], settings if own else None


def require_weights(settings: Settings | None, prior: Prior) -> None:
    """Refuse a checkpoint that has changed since.

    Raises:
        ValueError: in one line.
    """
    weights = None if settings is None else settings.get("weights")
    if settings is not None and weights not in (None, found := fingerprint(prior)):
        raise ValueError(f"{settings['ckpt_path']} holds other weights now ({found}) than when the picture was made "
                         f"({weights}); name a checkpoint with --ckpt_path, this one to take it as it is")  # fmt: skip
