"""The recipe of an imported prior makes what the original's sampler makes, where nothing is left to chance."""

import math

import pytest
import torch
from peers import PEERS
from published import MaskBit as PublishedMaskBit
from published import pictures
from stubs import interface
from test_cli_errors import mistake
from test_published_priors import imported, peer, tokenizers  # noqa: F401 (fixtures)

import lightgen
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.functional.random import Noise
from lightgen.importers.rar import RARImporter
from lightgen.layout import Layout
from lightgen.networks import RAR, MaskBit, VQDiffusion
from lightgen.processes import MaskReplace
from lightgen.quantizers import LFQ, Codebook, Remapped
from lightgen.registry import changed
from lightgen.tokenizers import MaskGITVQGAN
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
    kind = PEERS["RAR"]
    sizes = next(sizes for sizes, _ in kind.published.values() if sizes["dim"] == dim)
    recipe = RARImporter().plan(kind.of_sizes(**sizes).tensors, None).recipe
    assert (recipe.warps.temperature, recipe.guidance.scale, recipe.guidance.power) == (temperature, scale, power)


def test_vq_diffusion_is_destroyed_as_in_the_released_code(imported):  # noqa: F811
    """`alpha1`: what is kept and what is masked are linear in the number of the step."""
    prior = lightgen.load(imported("VQDiffusionLearnedNull"))
    num, step = 20, torch.arange(20, dtype=torch.float64)
    level = prior.process.noise_level((step + 1) / num)
    way = step / (num - 1)
    torch.testing.assert_close(level.kept, 0.99999 + way * (0.000009 - 0.99999), rtol=0, atol=1.2e-5)
    torch.testing.assert_close(level.masked, 0.000009 + way * (0.99999 - 0.000009), rtol=0, atol=1.2e-5)
    assert prior.process.noise_level(torch.zeros(1).double()).kept == 1
    recipe = prior.recipe
    assert (recipe.sampler.steps, recipe.warps.top_p, recipe.guidance.scale) == (num, 0.94, 1.5)
    assert (prior.sample_ids(Noise.of(0, 8)).ids < 48).all()


def test_vq_diffusion_joins_a_tokenizer_of_more_codes_by_its_mapping(tmp_path, tokenizers, capsys):  # noqa: F811
    reference, whole = peer("VQDiffusion"), tokenizers(60, (4, 4))
    numbers = torch.randint(48, (60,), generator=torch.Generator().manual_seed(2))
    numbers[5:53] = torch.randperm(48)
    torch.save(numbers, tmp_path / "mapping.pt")
    args = ["import", "--kind", "vq-diffusion", "--weights", str(reference.save(tmp_path)), *reference.options,
            "--tokenizer", str(whole), "--out", str(tmp_path / "prior.ckpt")]  # fmt: skip
    assert "give --mapping, the table" in mistake(capsys, args)
    assert main([*args, "--mapping", str(tmp_path / "mapping.pt")]) == 0
    prior, full = lightgen.load(tmp_path / "prior.ckpt"), lightgen.load(whole)
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    ids = prior.tokenizer.encode(images)
    assert torch.equal(ids, numbers[full.encode(images)])
    first = torch.stack([(numbers == number).nonzero()[0, 0] for number in range(48)])
    assert torch.equal(prior.tokenizer.decode(ids), full.decode(first[ids]))
    for wrong, said in (
        (numbers[:50], "must have 60 whole numbers"),
        (numbers.clamp_max(46), "every number from 0 to 47"),
    ):
        torch.save(wrong.clone(), tmp_path / "mapping.pt")
        assert said in mistake(capsys, [*args, "--mapping", str(tmp_path / "mapping.pt")])
    torch.save({"mapping": numbers}, tmp_path / "mapping.pt")
    assert "holds no single tensor" in mistake(capsys, [*args, "--mapping", str(tmp_path / "mapping.pt")])


@torch.no_grad()
def test_maskbit_decodes_greedily_as_in_the_released_code(imported):  # noqa: F811
    """Of all codes of all cells together the least sure are masked again, floor(2 N arccos(r) / (pi / 2)) of them."""
    reference, prior = peer("MaskBit"), lightgen.load(imported("MaskBit"))
    guidance, sampler, num = prior.recipe.guidance, prior.recipe.sampler, reference.num_tokens
    assert (sampler.steps, sampler.choice_temperature, guidance.scale, guidance.power) == (64, 7.8, 8.1, 3.0)
    label, steps = torch.tensor([0, 3, 5]), 8
    nothing, ids = torch.full_like(label, reference.num_classes), torch.full((3, num), reference.vocab_size)
    for i in range(steps):
        towards, away = reference.logits(ids, label), reference.logits(ids, nothing)
        g = 7.1 * (1 - math.cos(math.pi * (i / steps) ** 3)) / 2
        probs = (towards + g * (towards - away)).softmax(-1)
        masked = ids == reference.vocab_size
        drawn = torch.where(masked, probs.argmax(-1), ids)
        sure = probs.gather(-1, drawn[..., None])[..., 0].masked_fill(~masked, torch.inf)
        left = min(max(1, math.floor(num * math.acos((i + 1) / steps) / (math.pi / 2))), int(masked[0].sum()) - 1)
        ids = torch.where(sure <= sure.sort(-1).values[:, left - 1, None], reference.vocab_size, drawn)
    own = greedy(prior, label, sampler=changed(sampler, steps=steps, choice_temperature=0.0))
    assert torch.equal(own, drawn)


def test_maskbit_and_its_tokenizer_are_read_in_one_call(tmp_path):
    reference, stage_one = peer("MaskBit"), PublishedMaskBit(dim=8, multipliers=(1, 1, 1, 1, 1))
    stage_one(pictures(1, 64))
    torch.save(stage_one.tensors, tmp_path / "tokenizer.bin")
    args = ["import", "--kind", "maskbit", "--weights", str(reference.save(tmp_path)), *reference.options]
    assert main([*args, "--tokenizer", str(tmp_path / "tokenizer.bin"), "--out", str(tmp_path / "prior.ckpt")]) == 0
    prior = lightgen.load(tmp_path / "prior.ckpt")
    assert prior.tokenizer.layout == prior.network.layout == Layout((4, 4), 16, 2)
    assert prior.sample(1, steps=2).shape == (1, 3, 64, 64)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RAR(interface(17, 16, (4, 4)), 32, heads=3), "heads must divide dim, 32, and 3 does not"),
        (lambda: VQDiffusion(interface(17, 16, (4, 4)), 32, heads=3), "heads must divide dim, 32, and 3 does not"),
        (lambda: VQDiffusion(interface(17, 16, (4, 4)), positions=(3, 5)), "positions must be of 16 tokens, not 3x5"),
        (lambda: VQDiffusion(interface(17, 16, (4, 4)), num_steps=0), "num_steps must be at least 1, not 0"),
        (lambda: MaskBit(interface(13, 12, (4, 4))), "the codes must be 2, 4, 8 and so on, not 12"),
        (lambda: MaskReplace(16, schedule="cosine"), "schedule must be linear or alpha1, not cosine"),
        (lambda: MaskGITVQGAN(LFQ(4), downsample="max"), "downsample must be average or convolution, not max"),
        (lambda: LFQ(10, num_codes=3), r"num_codes must be at least 1 and divide bits \(10\), not 3"),
        (lambda: Remapped(Codebook(16, 4), 17), r"vocab_size must be in \[2, 16\], not 17"),
    ],
)
def test_sizes_that_do_not_fit(make, said):
    with pytest.raises(ValueError, match=said):
        make()
