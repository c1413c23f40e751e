"""Checkpoints of 0.1, in the form that they had, load as what they were."""

import inspect

import pytest
import torch
from stubs import interface

import lightgen
from lightgen.checkpoint import KEY, export, save
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.migration import ADDED
from lightgen.networks import Transformer
from lightgen.prior import Prior
from lightgen.processes import Absorbing, Uniform
from lightgen.recipe import Recipe
from lightgen.registry import describe, find
from lightgen.samplers import SUNDAE, MaskGIT, TokenCritic
from lightgen.tokenizers import PixelTokenizer
from lightgen.warps import Warps

SMALL = {"dim": 16, "depth": 1, "heads": 1, "dim_head": 16}


def prior(with_critic):
    torch.manual_seed(0)
    process = Absorbing(256)
    network = Transformer(interface(257, 256, (4, 4), 3), **SMALL)
    critic = Transformer(interface(256, 1, (4, 4), 3), **SMALL)
    for made in (network, critic):
        torch.nn.init.normal_(made.conditioner.embedding.weight, std=3.0)
        made.conditioner.dropout = 0.25
    sampler = MaskGIT(5, confidence="warped")
    recipe = Recipe(TokenCritic(5) if with_critic else sampler, Warps(0.6), ConstantGuidance(2.0))
    return Prior(PixelTokenizer(4), network, process, recipe, {"critic": critic} if with_critic else {}).eval()


def as_of_0_1(made, path):
    """Write a prior as 0.1 did."""

    def old_network(num_ids, vocab_size):
        sizes = {"num_ids": num_ids, "vocab_size": vocab_size, "grid": [4, 4], "num_classes": 3, "num_codes": 1}
        return {"kind": "network", "name": "Transformer", "arguments": {**sizes, "reads_time": False, **SMALL}}

    recipe = describe(made.recipe)["arguments"]
    recipe["sampler"]["arguments"].pop("confidence", None)
    critic = old_network(256, 1) if made.others else None
    arguments = {"tokenizer": describe(made.tokenizer), "network": old_network(257, 256),
                 "process": describe(made.process), **recipe, "label_dropout": 0.25, "critic": critic}  # fmt: skip
    weights = {}
    for name, tensor in made.state_dict().items():
        name = name.replace("others.critic.", "critic.").replace("conditioner.embedding.weight", "label.weight")
        weights[name] = tensor
    entry = {"version": "0.1.0", "component": {"kind": "prior", "name": "Prior", "arguments": arguments}, "prefix": "",
             "config": None}  # fmt: skip
    torch.save({KEY: entry, "state_dict": weights}, path)


@pytest.mark.parametrize("with_critic", [False, True])
def test_a_prior_of_0_1_draws_the_same_pictures(with_critic, tmp_path):
    made, noise = prior(with_critic), Noise.of(0, 6)
    as_of_0_1(made, tmp_path / "old.ckpt")
    loaded = lightgen.load(tmp_path / "old.ckpt", "prior")
    assert describe(loaded.recipe) == describe(made.recipe)
    assert loaded.network.conditioner.dropout == 0.25 and set(loaded.others) == set(made.others)
    found, expected = (p.sample_ids(noise, condition=p.condition(1, len(noise.index))).ids for p in (loaded, made))
    assert torch.equal(found, expected)
    # Written again, it is a checkpoint of this version.
    save(loaded, tmp_path / "new.ckpt")
    export(tmp_path / "old.ckpt", tmp_path / "exported")
    for path in ("new.ckpt", "exported"):
        again = lightgen.load(tmp_path / path)
        assert torch.equal(again.sample_ids(noise, condition=again.condition(1, len(noise.index))).ids, expected)


def test_what_a_component_did_before_it_had_an_argument_it_goes_on_to_do(tmp_path):
    """Those that 0.2 wrote too: a checkpoint names every argument that there was."""
    network = Transformer(interface(256, 256, (4, 4), reads_time=True), **SMALL)
    save(Prior(PixelTokenizer(4), network, Uniform(256, schedule="cosine"), Recipe(SUNDAE(3))), tmp_path / "new.ckpt")
    loaded = lightgen.load(tmp_path / "new.ckpt")
    assert (loaded.process.schedule, loaded.recipe.sampler.unchanged) == ("cosine", "written")
    contents = torch.load(tmp_path / "new.ckpt", weights_only=True)
    arguments = contents[KEY]["component"]["arguments"]
    del arguments["process"]["arguments"]["schedule"]
    del arguments["recipe"]["arguments"]["sampler"]["arguments"]["unchanged"]
    torch.save(contents, tmp_path / "old.ckpt")
    loaded = lightgen.load(tmp_path / "old.ckpt")
    assert (loaded.process.schedule, loaded.recipe.sampler.unchanged) == ("squared_cosine", "proposal")
    for (kind, name), added in ADDED.items():
        assert added.keys() <= inspect.signature(find(kind, name)).parameters.keys()
