from lightgen.networks.base import Network
from lightgen.registry import exports

globals().update(exports(__name__, Network))
