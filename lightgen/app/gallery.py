"""The tab of what was made: the settings of each picture, and those of a PNG that is dropped there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from lightgen.again import command, read, said
from lightgen.app.form import Form
from lightgen.app.live import Album
from lightgen.app.plain import plain
from lightgen.app.wish import unsaid, wish_of
from lightgen.settings import SAMPLE, Settings


def tab(form: Form, album: gr.State, best_of: gr.Slider) -> None:
    """Lay it out; settings come back to the form and to `best_of`."""
    gallery = gr.Gallery(label="Made here", columns=6, height=None, elem_id="gallery", format="png", preview=False)
    album.change(lambda there: there, album, gallery, show_progress="hidden", api_visibility="private")
    dropped = gr.File(label="Drop a PNG that lightgen made: its settings come back", file_types=[".png"],
                      elem_id="dropped", height=140)  # fmt: skip
    about = gr.Markdown(elem_id="about")
    how = gr.Code(label="The command that makes it again", language="shell", elem_id="command", wrap_lines=True)
    back = gr.Button("Put these settings into the form", elem_id="back")
    chosen = gr.JSON(visible=False)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}

    def picked(there: Album, event: gr.SelectData) -> list[Any]:
        return _shown(read(Path(there[event.index][0])))

    def opened(path: str | None) -> list[Any]:
        if path is None:
            return ["", "", None]
        return _shown(_named(Path(path)))

    def restored(settings: Settings | None) -> list[Any]:
        if not settings:
            raise ValueError("choose a picture, or drop one")
        if settings["ckpt_path"] is None:
            raise ValueError("this picture was made by a prior that was never saved, which no page can offer")
        prior = form.shelf.prior(settings["ckpt_path"])
        wish = wish_of(settings, prior)
        lost = unsaid(settings, wish, prior)
        if settings.get("judge") not in (None, form.shelf.judge):
            lost, wish = [*lost, f"the judge {settings['judge']}"], replace(wish, best_of=1)
        if lost:
            gr.Warning(f"this page has no field for {', '.join(lost)}; the command below has all of it")
        return [*form.filled(wish, prior), wish.best_of]

    outputs, fields = [about, how, chosen], [*form.outputs, best_of]
    gallery.select(plain(picked), album, outputs, **quiet)
    dropped.upload(plain(opened), dropped, outputs, api_name="settings").success(
        plain(restored), chosen, fields, **quiet
    )
    back.click(plain(restored), chosen, fields, **quiet)


def _named(path: Path) -> Settings:
    """The settings in a file that somebody sent, whose place on this machine is nobody's affair."""
    try:
        settings = read(path)
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from None
    if settings["command"] != SAMPLE and "index" not in settings:
        raise ValueError(f"{path.name} is a sheet of several settings; save one picture of it")
    return settings


def _shown(settings: Settings) -> list[Any]:
    return [said(settings), command(settings), settings]
