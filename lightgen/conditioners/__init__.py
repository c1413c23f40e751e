"""The part of a network that turns a condition into vectors and tokens."""

from lightgen.registry import exports

globals().update(exports(__name__))
