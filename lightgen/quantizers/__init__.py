from lightgen.quantizers.base import Quantizer
from lightgen.registry import exports

globals().update(exports(__name__, Quantizer))
