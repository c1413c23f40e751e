"""What tokenizers are trained by."""

from lightgen.registry import exports

globals().update(exports(__name__))
