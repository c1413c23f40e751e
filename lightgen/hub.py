"""Checkpoints on the Hugging Face Hub: `hf:USER/NAME` stands for one wherever a checkpoint is asked for."""

from __future__ import annotations

from pathlib import Path

PREFIX = "hf:"
FILES = ("model.safetensors", "config.json", "card.json")
"""What is fetched: no code, nothing pickled."""


def downloaded(checkpoint: str) -> Path:
    """The folder of `hf:USER/NAME`, or of `hf:USER/NAME@REVISION`, fetched unless it is there already.

    A file that has not changed is not fetched again; without a connection, what was fetched before is taken.

    Raises:
        ValueError: in one line, if there is no such model or it cannot be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    name, _, revision = checkpoint.removeprefix(PREFIX).partition("@")
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=list(FILES)))
    except HFValidationError:
        raise ValueError(f"{checkpoint} must be {PREFIX}USER/NAME, as the Hugging Face Hub has models") from None
    except RepositoryNotFoundError:
        raise ValueError(f"the Hub has no model {name}, or it is private: `hf auth login` shows who you are") from None
    except LocalEntryNotFoundError:
        raise ValueError(f"{checkpoint} was not fetched before, and the Hub cannot be reached") from None
    except OSError as error:
        raise ValueError(f"{checkpoint} cannot be had: {_line(error)}") from None


def upload(folder: Path, name: str, private: bool) -> str:
    """Put the files of a folder into the model USER/NAME of the Hub, which is made if need be; its address.

    Raises:
        ValueError: in one line, if nobody is logged in, or the Hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError

    api = HfApi()
    try:
        made = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=made.repo_id, folder_path=folder, commit_message="lightgen push")
    except HFValidationError:
        raise ValueError(f"{name} must be USER/NAME, as the Hugging Face Hub has models") from None
    except LocalTokenNotFoundError:
        raise ValueError("the Hub must know who you are: `hf auth login`, or HF_TOKEN in the environment") from None
    except OSError as error:
        raise ValueError(f"the Hub did not take {name}: {_line(error)}") from None
    return str(made)


def _line(error: OSError) -> str:
    return " ".join(str(error).split())[:200]
