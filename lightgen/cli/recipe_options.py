"""The recipe as options of a command line."""

from __future__ import annotations

from lightgen.cli.overrides import RULE, Overrides
from lightgen.cli.parser import Parser
from lightgen.guidance.base import Guidance
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.registry import as_config, describe
from lightgen.samplers.base import Sampler, sampler_called
from lightgen.warps import Warps


def add_recipe(made: Parser) -> None:
    """Sampler, warps and guidance."""
    made.add_subclass_arguments(Sampler, "sampler", required=False, help=RULE.format(name="sampler"))
    made.add_class_arguments(Warps, "warps", help="temperature, top-k, top-p, typical; default: the checkpoint's own")
    made.add_subclass_arguments(
        Guidance, "guidance", required=False, help=f"{RULE.format(name='guidance')}; null does without"
    )


def changed(recipe: Recipe, overrides: Overrides, prior: Prior) -> Recipe:
    """A recipe with what a command line changes of it.

    Raises:
        ValueError: in one line, if a class or an argument is not there, or a value is out of range.
    """
    if not overrides.changes:
        return recipe
    made = Parser()
    add_recipe(made)
    parts = overrides.applied(as_config(describe(recipe))["init_args"])
    if parts["sampler"] is None:
        raise ValueError("sampler must be one of those that `lightgen list sampler` names, not null")
    name = parts["sampler"].get("class_path") if isinstance(parts["sampler"], dict) else parts["sampler"]
    if isinstance(name, str) and name.isidentifier():
        sampler_called(name, prior.process.family, prior.others.keys())
    # There is one class of warps, so that their arguments stand alone.
    warps = parts["warps"] if isinstance(parts["warps"], dict) else {}
    objects = made.instantiate(made.parse_object({**parts, "warps": warps.get("init_args", {})}))
    return Recipe(objects.sampler, objects.warps, objects.guidance)
