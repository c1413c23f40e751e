from lightgen.losses.perceptual import Perceptual
from lightgen.registry import exports

globals().update(exports(__name__, Perceptual))
