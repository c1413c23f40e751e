"""CLIP as transformers keeps it: a folder of configuration, weights, tokenizer and picture processor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize
from torchvision.transforms.functional import center_crop

from lightgen.functional.text import to_texts
from lightgen.scorers.base import Scorer, pixels

WEIGHTS, PICTURES = "model.safetensors", "preprocessor_config.json"
FILTERS = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""torch's words for Pillow's numbers."""


class CLIPScorer(Scorer):
    """A CLIP model in a folder of transformers, as it is; only safetensors are read. Needs `lightgen[text]`.

    Pictures are resized, cropped and normalised as the folder says, but not rounded between, so that gradients flow.

    Args:
        folder: of the model.

    Raises:
        ValueError: in one line, if transformers is missing, or the folder holds no whole CLIP.
    """

    mean: Tensor
    std: Tensor
    source: ClassVar[str] = "Radford et al., 2021, arXiv 2103.00020"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.ckpt_path = folder
        self.model, self.tokenizer = read_clip(Path(folder))
        self.model.eval().requires_grad_(False)
        self.dim = self.model.config.projection_dim
        self.pictures = json.loads((Path(folder) / PICTURES).read_text(encoding="utf-8"))
        # Pictures come in [-1, 1], these are for [0, 1].
        for name, factor, offset in (("mean", 2, -1), ("std", 2, 0)):
            values = torch.tensor(self.pictures[f"image_{name}"]).view(3, 1, 1)
            self.register_buffer(name, values * factor + offset, persistent=False)

    def train(self, mode: bool = True) -> Self:
        """It is never trained, and stays in eval mode."""
        return super().train(False)

    @property
    def scale(self) -> Tensor:
        found: Tensor = self.model.logit_scale.exp()
        return found

    def embed_images(self, images: Tensor) -> Tensor:
        sized = (resized(pixels(images), self.pictures) - self.mean) / self.std
        hidden = self.model.vision_model(pixel_values=sized).pooler_output
        return normalize(self.model.visual_projection(hidden), dim=1)

    def embed_texts(self, texts: Tensor) -> Tensor:
        asked = self.tokenizer(
            to_texts(texts.cpu().numpy()), padding=True, truncation=True, return_tensors="pt",
            max_length=self.model.config.text_config.max_position_embeddings,
        ).to(texts.device)  # fmt: skip
        hidden = self.model.text_model(asked.input_ids, attention_mask=asked.attention_mask).pooler_output
        return normalize(self.model.text_projection(hidden), dim=1)


def is_clip(path: Path) -> bool:
    """Whether a path is that of a folder of transformers, by its configuration."""
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "model_type" in config


def read_clip(folder: Path) -> tuple[Any, Any]:
    """Model and tokenizer.

    Raises:
        ValueError: see `CLIPScorer`.
    """
    for name in ("config.json", WEIGHTS, PICTURES):
        if not (folder / name).is_file():
            raise ValueError(f"the folder {folder} holds no CLIP of transformers: it has no {name}")
    try:
        from transformers import AutoTokenizer, CLIPModel
    except ImportError:
        raise ValueError('a CLIP folder needs transformers: pip install "lightgen[text]"') from None
    try:
        model = CLIPModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise ValueError(
            f"the folder {folder} holds no CLIP of transformers: {' '.join(str(error).split())[:200]}"
        ) from None


def resized(images: Tensor, how: dict[str, Any]) -> Tensor:
    """Pictures (B, 3, H, W) in [-1, 1], resized and cropped as a picture processor of transformers says."""
    if how.get("do_resize", True):
        height, width = images.shape[-2:]
        size = how["size"]
        if "shortest_edge" in size:
            edge = size["shortest_edge"]
            long = int(edge * max(height, width) / min(height, width))
            sides = (edge, long) if height <= width else (long, edge)
        else:
            sides = (size["height"], size["width"])
        if sides != (height, width):
            mode = FILTERS.get(how.get("resample", 3), "bicubic")
            images = interpolate(images, sides, mode=mode, antialias=mode != "nearest").clamp(-1, 1)
    if how.get("do_center_crop", True):
        crop = how["crop_size"]
        images = center_crop(images, [crop["height"], crop["width"]])
    return images
