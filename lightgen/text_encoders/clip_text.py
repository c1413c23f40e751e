"""CLIP's text model, as models read it that were trained on its states before the last layer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.text_encoders.pretrained import PretrainedText, config_of, read_model


class CLIPText(PretrainedText):
    """What a CLIP compares with pictures, then its states before the last layer, padding among them; not trained.

    The first row of a text's features is its embedding in the space that pictures share, the others are of its tokens,
    filled up to the length that the tokenizer pads to.

    Args:
        name: see `PretrainedText`; a folder may have its tokenizer beside it, as pipelines of diffusers do.
        max_length: L, one more than the tokens of a text that are read.

    Raises:
        ValueError: as `PretrainedText`, or if it is no CLIP, or the embedding is of another width than the states.
    """

    reader: ClassVar[str] = "CLIPTextModelWithProjection"
    source: ClassVar[str] = "Radford et al., 2021, arXiv 2103.00020; Patil et al., 2024, arXiv 2401.01808"

    def __init__(self, name: str = "openai/clip-vit-large-patch14", max_length: int = 78) -> None:
        super().__init__(name, max_length - 1)
        self.max_length = max_length
        config = config_of(self.folder)
        if config["projection"] != self.dim:
            raise ValueError(f"{self.folder} must hold a CLIP whose embeddings are as wide as its states, {self.dim}, "
                             f"not {config['projection'] or 'another model'}")  # fmt: skip

    @torch.no_grad()
    def nothing(self) -> Tensor:
        """(L, C): the features of the text that says nothing, which guidance goes away from."""
        return self._states([""], torch.device("cpu"))[0]

    def pieces(self, text: str, whole: bool = True) -> list[int]:
        found = super().pieces(text, whole)
        # The first row is of no token.
        return [-1, *found] if whole else found

    def _states(self, texts: list[str], device: torch.device) -> Tensor:
        model, tokenizer = read_model(self.folder, device, self.reader)
        length = self.max_length - 1
        self.report_cut(sum(len(tokens) > length for tokens in tokenizer(texts, verbose=False)["input_ids"]))
        tokens = tokenizer(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
        with torch.autocast(device.type, enabled=False):
            # Not told which tokens are padding: so it was when others were trained on it.
            output = model(tokens["input_ids"].to(device), output_hidden_states=True)
        states: Tensor = torch.cat([output.text_embeds.unsqueeze(1), output.hidden_states[-2]], 1).float()
        return states
