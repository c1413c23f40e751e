"""Other people's weights."""

from lightgen.registry import exports

globals().update(exports(__name__))
