"""The examples in docstrings do what they say. They see the names of their module, `torch` and `lightgen`."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
import torch

import lightgen

ROOT = Path(lightgen.__file__).parent
MODULES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    done = doctest.testmod(import_module(name), extraglobs={"torch": torch, "lightgen": lightgen})
    assert done.attempted > 0 and done.failed == 0
