from lightgen.samplers.base import Sampler
from lightgen.registry import exports

globals().update(exports(__name__, Sampler))
