from lightgen.data.base import ImageData
from lightgen.registry import exports

globals().update(exports(__name__, ImageData))
