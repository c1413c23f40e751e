"""The left side of the page: which prior, what is asked of it, and how it decodes. All tabs share it."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from lightgen.app.options import NONE, Option, options
from lightgen.app.plain import plain
from lightgen.app.shelf import Shelf
from lightgen.app.wish import ANY, MOST_IMAGES, MOST_STEPS, Wish, first_wish, questions, samplers
from lightgen.asking import NEGATIVE_TEXT, TEXT
from lightgen.prior import Prior
from lightgen.registry import find

LABELS = {"label": "Class", TEXT: "Text", NEGATIVE_TEXT: "Negative text"}
HINTS = {TEXT: "what is to be seen", NEGATIVE_TEXT: "what guidance goes away from, at a scale above 1"}


class Form:
    """The fields of a `Wish`, in its order.

    What pictures are asked for and the sampler's own options differ from prior to prior and sampler to sampler: their
    fields are made anew when these change, and keep their values in `told` and `options`.

    Args:
        shelf: the priors to choose from.
    """

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        name = shelf.names[0]
        prior = shelf.prior(name)
        first = first_wish(name, prior)
        self.prior = gr.Dropdown(shelf.names, value=name, label="Prior", elem_id="prior")
        # Each on its own, so that another sampler leaves alone what somebody is about to ask for.
        self.asked_fields = gr.State({"prior": name, "values": {}})
        self.option_fields = gr.State({"sampler": first.sampler, "values": first.options})
        asked_here = gr.Column()
        with gr.Row():
            self.num_images = gr.Slider(1, MOST_IMAGES, first.num_images, step=1, label="Pictures", elem_id="num")
            self.seed = gr.Number(first.seed, precision=0, label="Seed", elem_id="seed", min_width=90)
        # Which samplers fit follows from the prior, and gradio would check it against those of the first one.
        self.sampler = gr.Dropdown(
            samplers(prior), value=first.sampler, label="Sampler", elem_id="sampler", allow_custom_value=True
        )
        self.steps = gr.Number(
            first.steps, precision=0, minimum=1, maximum=MOST_STEPS, label="Steps", elem_id="steps",
            visible=first.steps is not None,
        )  # fmt: skip
        with gr.Row():
            self.temperature = gr.Slider(0, 2, first.temperature, step=0.05, label="Temperature", elem_id="temperature")
            self.guidance = gr.Slider(0, 10, first.guidance, step=0.1, label="Guidance", elem_id="guidance")
        options_here = gr.Accordion("Options of the sampler", open=False)
        self.told = gr.JSON({}, visible=False)
        self.options = gr.JSON(first.options, visible=False)
        with asked_here:
            gr.render([self.asked_fields])(self._questions)
        with options_here:
            gr.render([self.option_fields])(self._options)
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        self.prior.input(plain(self._another_prior), self.prior, self.outputs, **quiet)
        of_sampler = [self.steps, self.options, self.option_fields]
        self.sampler.input(
            plain(self._another_sampler), [self.prior, self.sampler, self.option_fields], of_sampler, **quiet
        )

    @property
    def inputs(self) -> list[Any]:
        """What `wish` takes."""
        return [self.prior, self.sampler, self.steps, self.temperature, self.guidance, self.seed, self.num_images,
                self.told, self.options]  # fmt: skip

    @property
    def outputs(self) -> list[Any]:
        """What `filled` gives."""
        return [*self.inputs, self.asked_fields, self.option_fields]

    def wish(self, *values: Any) -> tuple[Wish, Prior]:
        """What the fields say, and the prior.

        Raises:
            ValueError: if it makes no sense.
        """
        name, sampler, steps, temperature, guidance, seed, num_images, told, options = values
        prior = self.shelf.prior(name)
        return Wish(name, sampler, steps, temperature, guidance, seed, num_images, told or {}, options or {}), prior

    def filled(self, wish: Wish, prior: Prior) -> list[Any]:
        """The fields as a wish has them."""
        steps = gr.update(value=wish.steps, visible=wish.steps is not None)
        sampler = gr.update(choices=samplers(prior), value=wish.sampler)
        return [wish.prior, sampler, steps, wish.temperature, wish.guidance, wish.seed, wish.num_images, wish.told,
                wish.options, {"prior": wish.prior, "values": wish.told},
                {"sampler": wish.sampler, "values": wish.options}]  # fmt: skip

    def _another_prior(self, name: str) -> list[Any]:
        prior = self.shelf.prior(name)
        filled = self.filled(first_wish(name, prior), prior)
        # Seed and number of pictures stay.
        filled[5:7] = [gr.skip(), gr.skip()]
        return filled

    def _another_sampler(self, name: str, sampler: str, fields: dict[str, Any]) -> list[Any]:
        # Gradio calls it also when somebody only passes by with the tab key.
        if sampler == fields["sampler"]:
            return [gr.skip(), gr.skip(), gr.skip()]
        first = first_wish(name, self.shelf.prior(name), sampler)
        steps = gr.update(value=first.steps, visible=first.steps is not None)
        return [steps, first.options, {"sampler": first.sampler, "values": first.options}]

    def _questions(self, fields: dict[str, Any]) -> None:
        for name, values in questions(self.shelf.prior(fields["prior"])).items():
            live: dict[str, Any] = {"interactive": True, "elem_id": f"asked-{name}"}
            label, value = LABELS.get(name, name.capitalize()), fields["values"].get(name)
            if values:
                field: Any = gr.Dropdown([ANY, *values], value=value or ANY, label=label, **live)
            else:
                field = gr.Textbox(value or "", label=label, placeholder=HINTS.get(name, "a number"), **live)
            _keep(field, name, self.told)

    def _options(self, fields: dict[str, Any]) -> None:
        found = options(find("sampler", fields["sampler"]))
        if not found:
            gr.Markdown("It has none.")
        for option in found:
            field = _field(option, fields["values"].get(option.name, option.default))
            _keep(field, option.name, self.options)


def _field(option: Option, value: Any) -> Any:
    common: dict[str, Any] = {"label": option.name, "info": option.about, "elem_id": f"option-{option.name}",
                              "interactive": True}  # fmt: skip
    if option.kind == "flag":
        return gr.Checkbox(bool(value), **common)
    if option.kind == "choice":
        return gr.Dropdown(list(option.choices), value=value or NONE, **common)
    if option.kind == "text":
        return gr.Textbox(value or "", **common)
    return gr.Number(value, precision=0 if option.kind == "whole" else None, **common)


def _keep(field: Any, name: str, values: Any) -> None:
    """Have a field put its value among others.

    In the browser, as a server's answer to one letter would come after the next; on `change`, as `input` misses what is
    pasted.
    """
    put = f"(value, there) => ({{...there, {json.dumps(name)}: value}})"
    field.change(None, [field, values], values, js=put, show_progress="hidden", api_visibility="private")
