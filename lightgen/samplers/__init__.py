"""The inference half of a method: the loop that turns noise into ids."""

from lightgen.registry import exports

globals().update(exports(__name__))
