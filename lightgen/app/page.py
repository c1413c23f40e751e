"""The page: the form on the left, a tab for each thing to do on the right."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from lightgen.app import compare, gallery, generate, paint
from lightgen.app.form import Form
from lightgen.app.shelf import Shelf

CSS = """
.picture img, #gallery img { image-rendering: pixelated; }
.picture img { width: 100% !important; height: 100% !important; object-fit: contain; }
.gradio-container { width: 100%; max-width: 1400px !important; margin: 0 auto; }
h1 { font-size: 1.3rem !important; margin: 0 !important; }
footer { display: none !important; }
"""
FONTS, MONO = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
UPLOAD = "20mb"
MOST_WAITING, AT_ONCE = 32, 2


def theme() -> gr.themes.Base:
    """Gradio's, with the fonts of the machine: those of the theme would be fetched from elsewhere."""
    made = gr.themes.Soft(primary_hue="orange", neutral_hue="slate", font=FONTS, font_mono=MONO)
    plain = {"background_fill": "none", "text_color": "*body_text_color", "border_width": "0"}
    # Labels without boxes around them.
    return made.set(
        **{
            f"block_{part}_{name}{mode}": value
            for part in ("label", "title")
            for name, value in plain.items()
            for mode in ("", "_dark")
        },
        block_label_shadow="none",
    )


def page(shelf: Shelf, folder: Path) -> gr.Blocks:
    """The page.

    Args:
        shelf: the priors that it offers.
        folder: for pictures; somewhere under the folder of temporary files, which gradio may read.
    """
    with gr.Blocks(title="lightgen", analytics_enabled=False, delete_cache=(3600, 86400)) as made:
        album = gr.State([])
        gr.Markdown("# lightgen: one prior, many samplers")
        with gr.Row():
            with gr.Column(scale=2, min_width=300):
                form = Form(shelf)
            with gr.Column(scale=5), gr.Tabs():
                with gr.Tab("Generate"):
                    best_of = generate.tab(form, folder, album)
                with gr.Tab("Inpaint and outpaint"):
                    paint.tab(form, folder, album)
                with gr.Tab("Compare"):
                    compare.tab(form, folder)
                with gr.Tab("Gallery"):
                    gallery.tab(form, album, best_of)
    made.queue(max_size=MOST_WAITING, default_concurrency_limit=AT_ONCE)
    return made


def opened(made: gr.Blocks, host: str, port: int, share: bool = False) -> str:
    """Serve a page, in threads of their own; its address.

    No file of the machine can be asked for but those that the page made itself.
    """
    _, local, public = made.launch(
        server_name=host, server_port=port, share=share, quiet=True, prevent_thread_lock=True, css=CSS, theme=theme(),
        max_file_size=UPLOAD, allowed_paths=[], footer_links=[], ssr_mode=False,
    )  # fmt: skip
    return str(public or local)
