"""What somebody asks a page for, as plain data, and what a prior is to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lightgen.app.options import NONE, given, options
from lightgen.asking import LAYOUT, NEGATIVE_TEXT, TEXT, words
from lightgen.conditioners.class_label import ClassLabel
from lightgen.labels import class_number
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.registry import arguments, changed, describe
from lightgen.samplers.base import fitting, sampler_called
from lightgen.settings import IN_MEMORY, LIKENESS, PARTS, WEIGHED, Settings, asked, recipe_of

MOST_IMAGES, MOST_EACH, MOST_DRAWS, MOST_STEPS = 16, 8, 64, 1000
"""That a page makes at a time: pictures, draws of each, draws of all, steps."""
ANY = "any"
"""The choice that leaves open what is asked for."""
TEXTS = (TEXT, NEGATIVE_TEXT)
"""What is asked for in words of one's own."""


@dataclass(frozen=True)
class Wish:
    """The form of a page.

    Raises:
        ValueError: if a number is out of range.
    """

    prior: str
    sampler: str
    steps: int | None
    temperature: float
    guidance: float
    seed: int = 0
    num_images: int = 4
    told: dict[str, Any] = field(default_factory=dict)
    """What pictures are asked for, by name; what is left open is not there."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of the sampler, where they are not those of its class: see `lightgen.app.options`."""
    best_of: int = 1
    """Draws of each picture, of which a judge keeps one."""

    def __post_init__(self) -> None:
        for name, most in (("num_images", MOST_IMAGES), ("best_of", MOST_EACH), ("steps", MOST_STEPS)):
            value = getattr(self, name)
            if (value is not None or name != "steps") and (not isinstance(value, int) or not 1 <= value <= most):
                raise ValueError(f"{name} must be a whole number from 1 to {most}, not {value!r}")
        if self.num_images * self.best_of > MOST_DRAWS:
            raise ValueError(f"{self.num_images} pictures, the best of {self.best_of} each, are more than the "
                             f"{MOST_DRAWS} draws that a page makes at a time")  # fmt: skip
        if not isinstance(self.seed, int):
            raise ValueError(f"seed must be a whole number, not {self.seed!r}")

    def recipe(self, prior: Prior) -> Recipe:
        """What decodes.

        Raises:
            ValueError: if it does not fit the prior, or a value is out of range.
        """
        cls = sampler_called(self.sampler, prior.process.family, prior.others.keys())
        own = prior.recipe.sampler
        sampler = changed(own, **self.options_of(cls)) if type(own) is cls else cls(**self.options_of(cls))
        if sampler.takes_steps and self.steps is not None:
            sampler = changed(sampler, steps=self.steps)
        conditioner = prior.network.conditioner
        guidance = self.guidance if conditioner is not None and conditioner.hides(conditioner.names) else None
        return prior.chosen(sampler=sampler, temperature=self.temperature, guidance=guidance)

    def options_of(self, cls: Any) -> dict[str, Any]:
        """Arguments of the sampler."""
        return given(cls, self.options)


def first_wish(name: str, prior: Prior, sampler: str | None = None) -> Wish:
    """What a form begins with: the prior's own recipe, or another sampler with its own defaults."""
    cls = sampler_called(sampler or type(prior.recipe.sampler).__name__, prior.process.family, prior.others.keys())
    made = prior.recipe.sampler if type(prior.recipe.sampler) is cls else cls()
    scale = 1.0 if prior.recipe.guidance is None else arguments(prior.recipe.guidance).get("scale", 1.0)
    steps = made.steps if made.takes_steps else None
    return Wish(name, cls.__name__, steps, prior.recipe.warps.temperature, scale, options=_shown(made))


def wish_of(settings: Settings, prior: Prior) -> Wish:
    """The form as it was when a picture was made.

    Raises:
        ValueError: if the settings cannot be said in the form.
    """
    recipe, told = recipe_of(settings), asked(settings)
    if LAYOUT in told:
        raise ValueError("the page has no boxes, with which this picture was made; `lightgen show` says how")
    for name, value in told.items():
        names = prior.categories.get(name, ())
        if isinstance(value, int) and 0 <= value < len(names):
            told[name] = names[value]
    told = {name: value for name, value in told.items() if name in questions(prior)}
    scale = 1.0 if recipe.guidance is None else arguments(recipe.guidance).get("scale", 1.0)
    steps = recipe.sampler.steps if recipe.sampler.takes_steps else None
    num_images = min(settings["num_images"], MOST_IMAGES)
    best_of = min(settings.get("best_of") or 1, MOST_EACH, MOST_DRAWS // num_images)
    return Wish(settings["ckpt_path"], type(recipe.sampler).__name__, steps, recipe.warps.temperature, scale,
                settings["seed"], num_images, told, _shown(recipe.sampler), best_of)  # fmt: skip


def unsaid(settings: Settings, wish: Wish, prior: Prior) -> list[str]:
    """Options of a picture that the form has no field for, so that it would make another one.

    Args:
        settings: of the picture.
        wish: what `wish_of` makes of them.
        prior: that makes it.
    """
    said = describe(wish.recipe(prior))["arguments"]
    pairs = [(part, settings[part], said[part]) for part in PARTS if settings[part] is not None]
    found = [
        f"{part}.{argument}"
        for part, was, now in pairs
        for argument, value in was["arguments"].items()
        if (now or {"arguments": {}})["arguments"].get(argument) != value
    ]
    found += [name for name in asked(settings) if name not in wish.told]
    found += [name for name in (*LIKENESS, IN_MEMORY, WEIGHED) if settings.get(name)]
    found += ["canvas"] * (settings.get("canvas") is not None)
    return found + ["best_of"] * (wish.best_of != (settings.get("best_of") or 1))


def _shown(sampler: Any) -> dict[str, Any]:
    """Arguments of a sampler as a form shows them."""
    values = arguments(sampler)
    return {
        option.name: (NONE if values[option.name] is None else type(values[option.name]).__name__)
        if option.component
        else values[option.name]
        for option in options(type(sampler))
    }


def samplers(prior: Prior) -> list[str]:
    """Those that fit, by name."""
    return fitting(prior.process.family, prior.others.keys())


def questions(prior: Prior) -> dict[str, list[str]]:
    """What a page asks a prior for, by name, with the values that there are; none where any text goes.

    Texts and categories: it has no field for layouts and reference pictures, which might name a file of this machine.
    """
    conditioner = prior.network.conditioner
    parts = () if conditioner is None else conditioner.modules()
    names = [
        *(TEXTS if TEXT in words(conditioner) else ()),
        *(part.name for part in parts if isinstance(part, ClassLabel)),
    ]
    return {name: list(prior.categories.get(name, ())) for name in names}


def checked(told: dict[str, Any], prior: Prior) -> dict[str, Any]:
    """What is asked for, without what is left open.

    Raises:
        ValueError: if the prior knows no such thing.
    """
    found = {name: value for name, value in told.items() if value not in (None, ANY) and str(value).strip()}
    if unknown := found.keys() - questions(prior).keys():
        raise ValueError(f"this prior was trained without {min(unknown)}")
    return {
        name: value
        if name in TEXTS or value in prior.categories.get(name, ())
        else class_number(value, prior.categories.get(name), name)
        for name, value in found.items()
    }
