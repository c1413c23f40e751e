"""What the network is asked at each step, and how its answers are mixed."""

from lightgen.registry import exports

globals().update(exports(__name__))
