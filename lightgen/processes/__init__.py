from lightgen.processes.base import Process
from lightgen.registry import exports

globals().update(exports(__name__, Process))
