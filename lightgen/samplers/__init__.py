from lightgen.registry import exports
from lightgen.samplers.base import Sampler

globals().update(exports(__name__, Sampler))
