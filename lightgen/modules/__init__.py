"""Training steps, optimizers and logging."""

from lightgen.modules.optim import WarmupCosine
from lightgen.modules.prior import PriorModule
from lightgen.modules.scorer import ScorerModule
from lightgen.modules.tokenizer import TokenizerModule

__all__ = ["PriorModule", "ScorerModule", "TokenizerModule", "WarmupCosine"]
