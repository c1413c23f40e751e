"""Pictures and ids to train on."""

from lightgen.registry import exports

globals().update(exports(__name__))
