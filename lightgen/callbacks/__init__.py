"""What happens around training."""

from lightgen.callbacks.checkpoints import Checkpoints
from lightgen.callbacks.data_wait import DataWait
from lightgen.callbacks.generation import Generation
from lightgen.callbacks.interrupt import StopOnInterrupt
from lightgen.callbacks.preview import Preview
from lightgen.callbacks.reconstructions import Reconstructions
from lightgen.callbacks.refit import Refit
from lightgen.callbacks.run_folder import RunFolder
from lightgen.callbacks.step_progress import StepProgress
from lightgen.callbacks.weight_averaging import EMAWeightAveraging

__all__ = [
    "Checkpoints",
    "DataWait",
    "EMAWeightAveraging",
    "Generation",
    "Preview",
    "Reconstructions",
    "Refit",
    "RunFolder",
    "StepProgress",
    "StopOnInterrupt",
]
