"""The tab that makes pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from lightgen.app.form import Form
from lightgen.app.live import Live
from lightgen.app.plain import plain
from lightgen.app.run import Run


def tab(form: Form, folder: Path, album: gr.State) -> None:
    """Lay it out."""
    live = Live("generate", folder, album)

    def generate(*values: Any) -> Iterator[tuple[Any, ...]]:
        *fields, heat, there = values
        wish, prior = form.wish(*fields)
        yield from live.watched(Run(prior, wish), heat, there)

    live.start.click(plain(generate), [*form.inputs, live.heat, album], live.outputs, api_name="generate",
                     show_progress="hidden")  # fmt: skip
