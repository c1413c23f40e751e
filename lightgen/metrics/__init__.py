from lightgen.metrics.features import FeatureNetwork
from lightgen.registry import exports

globals().update(exports(__name__, FeatureNetwork))
