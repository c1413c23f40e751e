"""Other people's tokenizers, by the name of what wrote the checkpoint."""

from lightgen.importers.base import Imported, Importer
from lightgen.importers.diffusers import Diffusers
from lightgen.importers.llamagen import LlamaGen
from lightgen.importers.maskgit import MaskGIT
from lightgen.importers.taming import Taming

IMPORTERS: dict[str, Importer] = {
    "taming": Taming(),
    "ldm": Taming(),
    "diffusers": Diffusers(),
    "llamagen": LlamaGen(),
    "maskgit": MaskGIT(),
}

__all__ = ["IMPORTERS", "Imported", "Importer"]
