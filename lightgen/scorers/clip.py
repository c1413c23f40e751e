"""CLIP as transformers keeps it: a folder of configuration, tokenizer, picture processor and weights."""
