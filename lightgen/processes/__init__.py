"""The training half of a method: corruption and loss."""

from lightgen.registry import exports

globals().update(exports(__name__))
