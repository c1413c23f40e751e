"""A run as somebody watches it: the picture after each step, a slider through them, stop and go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from lightgen.app.plain import plain
from lightgen.app.run import Run

EVERY = 0.15
"""Seconds between two pictures that are sent."""
Album = list[tuple[str, str]]
"""Paths and captions of the pictures that somebody has made."""


class Live:
    """What shows a run, and the buttons that stop it and go on.

    Args:
        name: of the tab, for the ids of its parts.
        folder: where pictures are written.
        album: of whoever looks at the page.
    """

    def __init__(self, name: str, folder: Path, album: gr.State) -> None:
        self.folder, self.album = folder, album
        self.run = gr.State()
        with gr.Row():
            self.start = gr.Button(name.capitalize(), variant="primary", elem_id=f"{name}-start")
            self.stop = gr.Button("Stop", elem_id=f"{name}-stop")
            self.go_on = gr.Button("Go on", elem_id=f"{name}-on")
        self.status = gr.Markdown(elem_id=f"{name}-status")
        self.picture = gr.Image(
            label="Pictures",
            format="png",
            elem_id=f"{name}-picture",
            elem_classes="picture",
            interactive=False,
            height=460,
            buttons=["fullscreen"],
        )
        with gr.Row():
            self.step = gr.Slider(0, 1, 0, step=1, label="Look back at step", elem_id=f"{name}-step", scale=3)
            self.heat = gr.Checkbox(False, label="Glow where the network is not sure", elem_id=f"{name}-heat", scale=2)
        self.files = gr.Files(label="Files; each knows what made it", elem_id=f"{name}-files", visible=False)
        self.outputs: list[Any] = [self.run, self.picture, self.status, self.step, self.files, album]
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.stop.click(_stop, self.run, queue=False, **quiet)
        self.go_on.click(plain(self._go_on), [self.run, self.heat, album], self.outputs, **quiet)
        # One event for both, which runs again with what is there at its end: the last word wins.
        look = [self.run, self.step, self.heat]
        turns = [self.step.input, self.heat.input]
        gr.on(turns, _look, look, [self.picture, self.status], trigger_mode="always_last", **quiet)

    def watched(self, run: Run, heat: bool, album: Album) -> Iterator[tuple[Any, ...]]:
        """What the outputs show, step by step; at the end the pictures are in files and in the album."""
        yield self._shown(run, heat, album)
        sent = time.monotonic()
        for _ in run.steps():
            if time.monotonic() - sent > EVERY:
                yield self._shown(run, heat, album)
                sent = time.monotonic()
        made = run.save(self.folder) if run.finished else []
        yield self._shown(run, heat, [*made, *album], [path for path, _ in made])

    def _shown(self, run: Run, heat: bool, album: Album, files: list[str] | None = None) -> tuple[Any, ...]:
        last = len(run.frames) - 1
        step = gr.update(maximum=max(last, 1), value=last)
        shown = gr.update(value=files, visible=bool(files))
        return run, run.picture(last, heat), run.described(last), step, shown, album

    def _go_on(self, run: Run | None, heat: bool, album: Album) -> Iterator[tuple[Any, ...]]:
        if run is None or run.finished:
            raise ValueError("there is nothing to go on with")
        yield from self.watched(run, heat, album)


def _stop(run: Run | None) -> None:
    if run is not None:
        run.stopped = True


def _look(run: Run | None, step: float, heat: bool) -> tuple[Any, Any]:
    return (gr.skip(), gr.skip()) if run is None else (run.picture(int(step), heat), run.described(int(step)))
