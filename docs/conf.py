"""The documentation: `make docs` builds it into docs/_build/html. Its pages fetch nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

import lightgen

project = "lightgen"
author = "The lightgen developers"
copyright = "2026, The lightgen developers"
version = release = lightgen.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

# Docstrings are prose with code between single backticks.
default_role = "code"
autosummary_generate = True
autosummary_imported_members = True
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = "lightgen"
html_static_path = ["_static"]
html_css_files = ["lightgen.css"]
html_show_sourcelink = False
html_sidebars = {"**": ["sidebar.html"]}
html_theme_options: dict[str, Any] = {
    "logo": {"text": "lightgen"},
    "navbar_center": [],
    "primary_sidebar_end": [],
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}

MARKUP = re.compile(r"(`[^`]*`)|([*_|\\])")
"""Code between backticks, or a sign that would be markup to docutils."""


def as_prose(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Take stars, bars and underscores of a docstring for what they are: `*`, |x| and a_BN are no markup there."""
    lines[:] = [
        line
        if line.lstrip().startswith((">>>", "...", ":"))
        else MARKUP.sub(lambda found: found[1] or "\\" + found[2], line)
        for line in lines
    ]


def setup(app: Sphinx) -> None:
    # Before napoleon, which adds markup of its own.
    app.connect("autodoc-process-docstring", as_prose, priority=100)
