from lightgen.importers import Taming, VQGANImporter


class Outside(VQGANImporter):
    """VQ-GANs of an outside project.

    Args:
        averaged: take the moving averages of the weights
    """

    name = "outside"
    source = "Outside, 2026"
    keys = Taming.keys

    def __init__(self, averaged: bool = False, **sizes) -> None:
        super().__init__(**sizes)
        self.inside = "ema." if averaged else "net."
