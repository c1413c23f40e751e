from lightgen.networks.resamplers.base import Resampler
from lightgen.registry import exports

globals().update(exports(__name__, Resampler))
