"""KID alone."""

from __future__ import annotations

from torch import Tensor

from lightgen.functional.distances import kernel_distance
from lightgen.metrics.base import FeatureMetric


class KID(FeatureMetric):
    """KID and its standard error: `lightgen.functional.distances.kernel_distance`.

    Args:
        features: the protocol to compare by, or just the network that pictures are compared through.

    Raises:
        ValueError: in `compute`, if there are fewer than two real or generated pictures, or other numbers than the
            protocol's.
    """

    def compute(self) -> dict[str, Tensor]:
        """Value and standard error by name."""
        real, fake = self.gathered()
        self.rules.check(len(real), len(fake))
        found = kernel_distance(real, fake)
        name = f"KID({self.rules.features.name})"
        return {name: found.value, f"{name} standard error": found.standard_error}
