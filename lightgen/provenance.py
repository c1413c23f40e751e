"""Where a number comes from: versions, git state, machine."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import torch

import lightgen


def provenance(device: torch.device | None = None) -> dict[str, str]:
    """What must be known, besides the arguments, to make a result again.

    Args:
        device: that was used; None for the accelerator where there is one.
    """
    return {
        "lightgen": lightgen.__version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "git": git_state(),
        "device": name_of(device or torch.device("cuda" if torch.cuda.is_available() else "cpu")),
    }


def name_of(device: torch.device) -> str:
    """The accelerator's name, or the number of CPU threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type


def git_state() -> str:
    """The commit of the checkout that lightgen runs from, with `-dirty` if it was changed; "installed" elsewhere."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    root = Path(lightgen.__file__).parent.parent
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        return "installed"
    return done.stdout.strip() if (root / "pyproject.toml").is_file() else "installed"
