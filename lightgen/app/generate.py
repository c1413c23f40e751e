"""The tab that makes pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from lightgen.app.form import Form
from lightgen.app.live import Live
from lightgen.app.plain import plain
from lightgen.app.run import Run
from lightgen.app.wish import MOST_EACH


def tab(form: Form, folder: Path, album: gr.State) -> gr.Slider:
    """Lay it out; gives what says among how many draws of each picture the judge chooses, if there is one."""
    shelf = form.shelf
    best_of = gr.Slider(
        1, MOST_EACH, 1, step=1, label="Draws of each picture, of which the judge keeps the best", elem_id="best-of",
        visible=shelf.judge is not None,
    )  # fmt: skip
    live = Live("generate", folder, album)

    def generate(*values: Any) -> Iterator[tuple[Any, ...]]:
        *fields, heat, there, num = values
        wish, prior = form.wish(*fields)
        wish, best = replace(wish, best_of=num), shelf.best_of(num)
        yield from live.watched(Run(prior, wish, best_of=best), heat, there)

    live.start.click(plain(generate), [*form.inputs, live.heat, album, best_of], live.outputs, api_name="generate",
                     show_progress="hidden")  # fmt: skip
    return best_of
