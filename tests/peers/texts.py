"""Small random text models of transformers, and what published priors read of them."""

from __future__ import annotations

import json
from functools import cache

import torch

WORDS = ["<pad>", "<unk>", "<s>", "</s>", "a", "red", "heart", "black", "cat"]
CAPTIONS = ("a red heart", "black cat", "a", "a black cat", "red")


@cache
def words(padding: str, ends: bool):
    """A tokenizer, with or without a token before and behind a text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    if ends:
        core.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    return PreTrainedTokenizerFast(tokenizer_object=core, pad_token=padding, unk_token="<unk>")


@cache
def t5(width: int):
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(3)
    config = T5Config(vocab_size=len(WORDS), d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval()


@cache
def clip(width: int, length: int):
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    torch.manual_seed(4)
    config = CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=width, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=length, projection_dim=width, bos_token_id=2, eos_token_id=3, pad_token_id=3,
    )  # fmt: skip
    return CLIPTextModelWithProjection(config).eval()


def save(folder, model, tokenizer):
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)
    logging.enable_progress_bar()
    tokenizer.save_pretrained(folder)


def save_without_weights(folder, **config):
    """What is read of a folder before the first text."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").touch()


@cache
@torch.no_grad()
def t5_states(text: str, width: int):
    """(n, width) of the n tokens of a text."""
    tokens = words("<pad>", False)(text, return_tensors="pt")["input_ids"]
    return t5(width)(input_ids=tokens).last_hidden_state[0]


@cache
@torch.no_grad()
def clip_states(text: str, width: int, length: int):
    """The pooled embedding (width,), and the states before the last layer (length, width) of the padded text."""
    tokens = words("</s>", True)(text, padding="max_length", max_length=length, return_tensors="pt")["input_ids"]
    output = clip(width, length)(input_ids=tokens, output_hidden_states=True)
    return output.text_embeds[0], output.hidden_states[-2][0]
