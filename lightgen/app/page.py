"""The page: the form on the left, a tab for each thing to do on the right."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from lightgen.app import compare, gallery, generate, paint
from lightgen.app.form import Form
from lightgen.app.shelf import Shelf

CSS = """
#generate-picture img, #paint-picture img, #gallery img { image-rendering: pixelated; }
.gradio-container { max-width: 1400px !important; margin: 0 auto; }
footer { display: none !important; }
"""
FONTS = ["system-ui", "sans-serif"]
MOST_WAITING, AT_ONCE = 32, 2


def theme() -> gr.themes.Base:
    """Gradio's, with the fonts of the machine: those of the theme would be fetched from elsewhere."""
    return gr.themes.Soft(
        primary_hue="orange", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "monospace"]
    )


def page(shelf: Shelf, folder: Path) -> gr.Blocks:
    """The page.

    Args:
        shelf: the priors that it offers.
        folder: for pictures; somewhere under the folder of temporary files, which gradio may read.
    """
    with gr.Blocks(title="lightgen", analytics_enabled=False, delete_cache=(3600, 86400)) as made:
        album = gr.State([])
        gr.Markdown("## lightgen\nOne prior, many samplers.")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                form = Form(shelf)
            with gr.Column(scale=5), gr.Tabs():
                with gr.Tab("Generate"):
                    generate.tab(form, folder, album)
                with gr.Tab("Inpaint and outpaint"):
                    paint.tab(form, folder, album)
                with gr.Tab("Compare"):
                    compare.tab(form, folder)
                with gr.Tab("Gallery"):
                    gallery.tab(form, album)
    made.queue(max_size=MOST_WAITING, default_concurrency_limit=AT_ONCE)
    return made
