"""Images to ids and back."""

from lightgen.registry import exports

globals().update(exports(__name__))
