"""The recipe of an imported prior makes what the original's sampler makes, where nothing is left to chance."""

import math

import pytest
import torch
from test_published_priors import imported, peer, tokenizers  # noqa: F401 (fixtures)

import lightgen
from lightgen.condition import Condition
from lightgen.functional.random import Noise
from lightgen.warps import Warps


def greedy(prior, label, **others):
    """(B, N) ids by the prior's own recipe, the likeliest everywhere."""
    recipe = prior.recipe.replace(warps=Warps(temperature=0), **others)
    return prior.sample_ids(Noise.of(0, len(label)), recipe, Condition({"label": label})).ids


@torch.no_grad()
def test_rar_decodes_greedily_under_the_guidance_of_its_paper(imported):  # noqa: F811
    """s = 1 + (scale - 1) (1 - cos(pi r^p)) / 2 at r = i / N."""
    reference, prior = peer("RAR"), lightgen.load(imported("RAR"))
    guidance, num = prior.recipe.guidance, reference.num_tokens
    label, ids = torch.tensor([0, 3]), torch.zeros(2, num, dtype=torch.long)
    for i in range(num):
        towards = reference.logits(ids, label)[:, i]
        away = reference.logits(ids, torch.full_like(label, reference.num_classes))[:, i]
        scale = 1 + (guidance.scale - 1) * (1 - math.cos(math.pi * (i / num) ** guidance.power)) / 2
        ids[:, i] = (away + scale * (towards - away)).argmax(-1)
    assert guidance.scale > 1 and torch.equal(greedy(prior, label), ids)
    assert not torch.equal(greedy(prior, label, guidance=None), ids)


@pytest.mark.parametrize(("dim", "temperature", "scale", "power"), [(768, 1.0, 16.0, 2.75), (1408, 1.02, 8.0, 1.2)])
def test_rar_brings_the_recipe_of_its_size(dim, temperature, scale, power):
    from peers.rar import RAR

    from lightgen.importers.rar import RARImporter

    sizes = next(sizes for sizes, _ in RAR.published.values() if sizes["dim"] == dim)
    recipe = RARImporter().plan(RAR.of_sizes(**sizes).tensors, None).recipe
    assert (recipe.warps.temperature, recipe.guidance.scale, recipe.guidance.power) == (temperature, scale, power)
