"""Ids to logits."""

from lightgen.registry import exports

globals().update(exports(__name__))
