"""The tab that shows the same pictures over two settings: `lightgen grid` on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import gradio as gr

from lightgen.app.form import Form
from lightgen.app.plain import plain
from lightgen.app.wish import checked
from lightgen.crossing import Axis, Crossing
from lightgen.figures import save_png
from lightgen.functional.files import save_text

MOST_CELLS = 36


def tab(form: Form, folder: Path) -> None:
    """Lay it out."""
    with gr.Row():
        x = gr.Textbox("steps=4,8,16", label="Columns", elem_id="compare-x", info="a setting and its values")
        y = gr.Textbox("temperature=0.5,0.7,1", label="Rows", elem_id="compare-y",
                       info="steps, sampler, temperature, guidance, seed, label, sampler.OPTION, …")  # fmt: skip
    start = gr.Button("Compare", variant="primary", elem_id="compare-start")
    picture = gr.Image(label="The same pictures", format="png", elem_id="compare-picture", interactive=False,
                       buttons=["download", "fullscreen"])  # fmt: skip
    files = gr.Files(label="The sheet, and as a page whose pictures know what made them", elem_id="compare-files")

    def compare(*values: Any) -> tuple[str, list[str]]:
        *fields, across, down = values
        wish, prior = form.wish(*fields)
        told = {"label": None, **checked(wish.told, prior)}
        how = (wish.num_images, wish.seed, 64, None, tuple(told.items()))
        crossing = Crossing(prior, wish.recipe(prior), Axis.read(across), Axis.read(down), *how)
        if (cells := len(crossing.cells())) > MOST_CELLS:
            raise ValueError(f"a sheet has {MOST_CELLS} cells at most here, not {cells}; `lightgen grid` takes more")
        sheet, there = crossing.made(), folder / uuid4().hex
        save_png(sheet.png(), there / "grid.png")
        save_text(sheet.html(), there / "grid.html")
        return str(there / "grid.png"), [str(there / "grid.png"), str(there / "grid.html")]

    start.click(plain(compare), [*form.inputs, x, y], [picture, files], api_name="compare")
