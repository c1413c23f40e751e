"""Scores, the networks that they look through, and the protocols that fix the rest."""

from lightgen.registry import exports

globals().update(exports(__name__))
