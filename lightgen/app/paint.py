"""The tab that fills holes and continues pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from lightgen.app.form import Form
from lightgen.app.live import Live
from lightgen.app.plain import plain
from lightgen.app.run import Run
from lightgen.inpainting import KnownRegion, known_pixels, known_region
from lightgen.prior import Prior

MOST_WINDOWS = 4.0


def tab(form: Form, folder: Path, album: gr.State) -> None:
    """Lay it out."""
    # In pixels of the picture; gradio's own choice covers small ones at a stroke.
    brush = max(form.shelf.prior(form.shelf.names[0]).tokenizer.image_size) // 8
    with gr.Row():
        editor = gr.ImageEditor(
            label="A picture; draw over what is to be painted", type="pil", image_mode="RGBA",
            elem_id="paint-editor", format="png",
            brush=gr.Brush(default_size=brush, colors=["#ff5000"], color_mode="fixed"), transforms=("crop",),
            sources=("upload", "clipboard"), height=420, canvas_size=(400, 400),
        )  # fmt: skip
        with gr.Column():
            margin = gr.Slider(0, 4, 1, step=1, label="Token cells around the strokes that are redrawn too")
            composite = gr.Checkbox(True, label="Put the known pixels back, to the bit")
            rows = gr.Slider(1, 3, 1, step=0.5, label="Canvas, rows of the picture's size")
            columns = gr.Slider(1, 3, 1, step=0.5, label="Canvas, columns", elem_id="paint-columns")
    live = Live("paint", folder, album)

    def paint(*values: Any) -> Iterator[tuple[Any, ...]]:
        *fields, drawn, around, keep, down, across, heat, there = values
        wish, prior = form.wish(*fields)
        known = region(prior, drawn, around, (down, across))
        yield from live.watched(Run(prior, wish, known, keep, margin=around, image=None, mask=None), heat, there)

    inputs = [*form.inputs, editor, margin, composite, rows, columns, live.heat, album]
    live.start.click(plain(paint), inputs, live.outputs, api_name="paint", show_progress="hidden")


def region(prior: Prior, drawn: Any, margin: int, canvas: tuple[float, float]) -> KnownRegion:
    """What is known where somebody drew on a picture, which may lie in the middle of a larger canvas.

    Args:
        prior: that paints.
        drawn: as gradio's ImageEditor gives it: a `background`, and strokes on transparent `layers`.
        margin: see `lightgen.inpainting.known_region`.
        canvas: rows and columns; 1 and 1 is none.

    Raises:
        ValueError: if there is no picture, or nothing to paint.
    """
    picture = (drawn or {}).get("background")
    if picture is None or picture.getextrema()[-1] == (0, 0):
        raise ValueError("give a picture, and draw over what is to be painted")
    if canvas[0] * canvas[1] > MOST_WINDOWS:
        raise ValueError(
            f"a canvas has room for {MOST_WINDOWS:.0f} pictures here; `lightgen inpaint` takes larger ones"
        )
    strokes = [np.asarray(layer.convert("RGBA"))[..., 3] > 0 for layer in drawn.get("layers") or ()]
    mask = np.any(strokes, axis=0) if strokes else np.zeros(picture.size[::-1], bool)
    larger = None if canvas == (1, 1) else canvas
    if not mask.any() and larger is None:
        raise ValueError("draw over what is to be painted, or choose a larger canvas")
    hole = Image.fromarray(mask.astype(np.uint8) * 255)
    image, pixels = known_pixels(picture, hole, prior.tokenizer.image_size, prior.tokenizer.channels)
    return known_region(prior, image, pixels, int(margin), larger)
