"""Published priors at a small size, one file a family; `PEERS` has them all, by the name of their class.

Each is written down from what is published of it, in the plainest way, under the published names. Nothing here knows
lightgen.
"""

import importlib
import pkgutil

from peers.base import Peer


def _all(base: type[Peer]) -> list[type[Peer]]:
    return [found for child in base.__subclasses__() for found in (child, *_all(child))]


for _module in pkgutil.iter_modules(__path__, "peers."):
    importlib.import_module(_module.name)

PEERS = {peer.__name__: peer for peer in _all(Peer) if not peer.__name__.startswith("_")}
