"""What is said of an error, and whose it is: the user's, or lightgen's and the machine's."""

from __future__ import annotations

import errno
import re
from pathlib import Path

from lightgen.functional.files import NotWritten

USERS = {
    errno.ENOTDIR: "is a file, where a folder is needed",
    errno.EEXIST: "is a file, where a folder is needed",
    errno.EISDIR: "is a folder, where a file is needed",
    errno.ENOENT: "is not there",
    errno.EACCES: "may not be read or written by you",
    errno.EPERM: "may not be read or written by you",
    errno.EROFS: "is on a disk that cannot be written to",
    errno.ENAMETOOLONG: "is too long a name",
}
"""What the system refuses because of what it was asked for."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

NO_MEMORY = ("there is not enough memory; smaller batches (--batch_size, --data.batch_size) or a smaller --canvas "
             "take less")  # fmt: skip
NO_GPU = "there is no GPU here; leave out --trainer.accelerator, or give it cpu"
LIGHTNINGS = (
    (
        r"No supported gpu backend found!|.*CUDAAccelerator.* can not run on your system.*",
        NO_GPU,
    ),
    (r".*You requested gpu: (.*) But your machine only has: (.*)", r"there are no GPUs \1 here, only \2"),
    (
        r"You selected an invalid accelerator name: `accelerator='(.*)'`\. Available names are: (.*)\.",
        r"--trainer.accelerator must be one of \2, not \1",
    ),
    (r"`Trainer\((\w+)='?(.*?)'?\)` value is not a valid input using (\w+) accelerator\.",
     r"--trainer.\1 must be at least 1 on a \3, not \2"),
    (r"`devices` selected with `CPUAccelerator` should be an int > 0.",
     "--trainer.devices must be at least 1 on a CPU"),
    (r"You selected an invalid strategy name: `strategy='?(.*?)'?`.*",
     r"--trainer.strategy must be one of auto, ddp, fsdp and the others of Lightning, not \1"),
    (r"`Timer\(duration='?(.*?)'?\)` is not a valid duration. Expected .* format (\S+)\.",
     r"--trainer.max_time must be of the form \2, not \1"),
)  # fmt: skip
"""Errors of Lightning about options of the trainer, in our words."""


def explained(error: Exception) -> tuple[str, int]:
    """The line about an error, and the exit code: 2 for a user's mistake, else 1."""
    text = " ".join(str(error).split())
    if text.startswith("Caught ") and "DataLoader worker" in text:
        # The traceback of another process; its last line is what happened.
        text = str(error).strip().splitlines()[-1].partition(": ")[2]
    if isinstance(error, OSError) and error.errno in USERS and error.filename is not None:
        path = Path(error.filename)
        # Of what is in a closed folder the system does not even say whether it is a file.
        return f"{path if isinstance(error, PermissionError) else _culprit(path)} {USERS[error.errno]}", 2
    if isinstance(error, OSError) and error.errno in FULL:
        where = f" for {error.filename}" if error.filename is not None else ""
        return f"there is no room left{where}: {error.strerror}; make some, and give the same command again", 1
    if isinstance(error, MemoryError) or re.search("can't allocate memory|out of memory", text):
        return NO_MEMORY, 1
    for pattern, plain in LIGHTNINGS:
        if match := re.fullmatch(pattern, text):
            return match.expand(plain), 2
    # By its name, since this module must not wait for Lightning.
    if type(error).__name__ == "MisconfigurationException":
        return re.sub(r"`Trainer\((\w+)=(.*?)\)`", r"--trainer.\1 \2", text), 2
    if isinstance(error, ValueError):
        return text or "a value is wrong", 2
    if isinstance(error, (FloatingPointError, NotWritten)):
        return text, 1
    return f"{type(error).__name__}: {text} (add --debug for the traceback)", 1


def _culprit(path: Path) -> Path:
    """The file in a path that is taken for a folder; the whole path where there is none."""
    return next((part for part in (path, *path.parents) if part.is_file()), path)
