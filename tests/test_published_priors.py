"""Published priors compute with lightgen what they computed before, and are as good as any prior afterwards."""

import re
from functools import cache
from pathlib import Path

import published
import pytest
import torch
import yaml
from peers import PEERS
from test_cli_errors import mistake

import lightgen
from lightgen.checkpoint import fingerprint, save
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.denoiser import Recomputing
from lightgen.functional.lookup import Lookup
from lightgen.functional.random import Noise, Stream
from lightgen.functional.text import to_bytes
from lightgen.guidance import ConstantGuidance
from lightgen.importers.base import importers, kind_of
from lightgen.importers.reading import read_tensors
from lightgen.importers.renaming import fill
from lightgen.layout import Layout
from lightgen.networks.styled import StyledAttention
from lightgen.quantizers import Codebook, ProductVQ
from lightgen.registry import changed
from lightgen.text_encoders import CLIPText
from lightgen.tokenizers import VQGAN
from lightgen.types import NoiseFamily, to_uint8

SAMPLERS = {
    NoiseFamily.ABSORBING: ("MaskGIT", "Halton", "Ancestral"),
    NoiseFamily.MASK_REPLACE: ("Ancestral", "Purity", "PredictorCorrector"),
    NoiseFamily.CAUSAL: ("Autoregressive",),
}


@cache
def peer(name):
    return PEERS[name]()


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """A small tokenizer of lightgen for a vocabulary, a grid and a number of codes at a cell."""
    folder = tmp_path_factory.mktemp("tokenizers")

    @cache
    def made(vocab_size, grid, num_codes=1):
        torch.manual_seed(0)
        quantizer = Codebook(vocab_size, 8) if num_codes == 1 else ProductVQ(vocab_size, num_codes, 8)
        tokenizer = VQGAN(quantizer, tuple(4 * side for side in grid), width=8, multipliers=(1, 1, 1),
                          num_res_blocks=1, attention_resolutions=())  # fmt: skip
        path = folder / f"{vocab_size}-{grid}-{num_codes}.ckpt"
        save(tokenizer.eval(), path)
        return path

    return made


@pytest.fixture(scope="module")
def imported(tmp_path_factory, tokenizers):
    """The checkpoint that `lightgen import` makes of a peer."""

    @cache
    def made(name) -> Path:
        folder = tmp_path_factory.mktemp(name)
        assert main([*command(peer(name), folder, tokenizers), "--out", str(folder / "prior.ckpt")]) == 0
        return folder / "prior.ckpt"

    return made


def command(reference, folder, tokenizers):
    given = ["import", "--kind", reference.kind, "--weights", str(reference.save(folder)), *reference.options]
    given += reference.beside(folder)
    if reference.brings_tokenizer:
        return given
    return [*given, "--tokenizer", str(tokenizers(reference.vocab_size, reference.grid, reference.num_codes))]


def questions(reference):
    """Ids, with MASK among them where it is read; and classes, no class among them where there is such."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(reference.vocab_size, (6, reference.num_tokens), generator=generator)
    hidden = torch.rand(ids.shape, generator=generator) < torch.linspace(0, 1, len(ids))[:, None]
    label = torch.arange(len(ids)) % max(reference.num_classes, 1)
    if reference.num_classes and reference.has_null:
        label[::3] = reference.num_classes
    return ids if reference.causal else torch.where(hidden, reference.vocab_size, ids), label


def asked(reference, label):
    """Classes, or the texts of these numbers, as a condition."""
    if reference.captions:
        texts = [(*reference.captions, "")[number] for number in label.tolist()]
        return Condition({"caption": torch.from_numpy(to_bytes(texts))})
    return Condition({"label": label} if reference.num_classes else {})


def in_words(reference):
    """What may be asked of a prior that knows no picture without a condition, or is only interesting with one."""
    return {"text": reference.captions[0]} if reference.captions else {}


def told(network, reference, label):
    return network.context(asked(reference, label), len(label))


@pytest.mark.parametrize("name", PEERS)
def test_logits_are_those_of_the_original(name, imported):
    reference, network = peer(name), lightgen.load(imported(name)).network
    ids, label = questions(reference)
    time, steps = None, ()
    if reference.num_steps:
        steps = (torch.linspace(0, reference.num_steps - 1, len(ids)).long(),)
        time = (steps[0] + 1) / reference.num_steps
    expected = reference.logits(ids, label, *steps)
    assert expected.std() > 0.3, "the reference must say something"
    with torch.no_grad():
        torch.testing.assert_close(network(ids, time, told(network, reference, label)), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in PEERS if peer(name).decoded(torch.zeros(1).long(), 1.0) is not None])
def test_a_whole_run_of_the_likeliest_codes(name, imported):
    """Ids of the prior's own sampler, which draws nothing at temperature 0, are those of the original's."""
    reference, prior = peer(name), lightgen.load(imported(name))
    label = torch.arange(5) % max(reference.num_classes, 1)
    scale = 1.8 if reference.num_classes and reference.has_null else 1.0
    expected = reference.decoded(label, scale)
    steps = None if reference.causal else 8
    recipe = prior.recipe.replace(warps=lightgen.Warps(temperature=0))
    recipe = recipe.changed(steps=steps, guidance=ConstantGuidance(scale) if scale > 1 else None)
    recipe = recipe if reference.causal else recipe.replace(sampler=changed(recipe.sampler, randomize=False))
    assert torch.equal(prior.sample_ids(Noise.of(0, 5), recipe, asked(reference, label)).ids, expected)
    assert len(expected.unique()) > 5


def test_absorbing_diffusion_fed_the_same_noise(imported):
    """At t = S, ..., 1 each place is chosen with probability 1 / t, and takes its likeliest code if it has none."""
    reference, noise = peer("UnleashingAbsorbing"), Noise.of(0, 5)
    prior = lightgen.load(imported("UnleashingAbsorbing"))
    ids = torch.full((5, reference.num_tokens), reference.vocab_size)
    for step in range(8):
        chosen = noise.uniform(step, Stream.CHOICE, reference.num_tokens) > 1 - 1 / (8 - step)
        likeliest = reference.logits(ids, torch.zeros(5).long()).argmax(-1)
        ids = torch.where(chosen & (ids == reference.vocab_size), likeliest, ids)
    recipe = prior.recipe.replace(warps=lightgen.Warps(temperature=0)).changed(steps=8)
    assert torch.equal(prior.sample_ids(noise, recipe).ids, ids) and len(ids.unique()) > 5


@pytest.mark.parametrize("name", PEERS)
def test_every_tensor_of_the_original_matters(name, tmp_path, tokenizers):
    """What the reference computes depends on every tensor, so that equal logits mean that each went to its place."""
    reference = peer(name)
    ids, label = questions(reference)
    tensors = {name: tensor for name, tensor in reference.tensors.items() if tensor.is_floating_point()}
    for tensor in tensors.values():
        tensor.requires_grad_()
    reference.logits(ids, label).square().mean().backward()
    idle = [name for name, tensor in tensors.items() if tensor.grad is None or not tensor.grad.abs().sum() > 0]
    for tensor in tensors.values():
        tensor.requires_grad_(False)
        tensor.grad = None
    assert idle == []


@pytest.mark.parametrize("name", [name for name, kind in PEERS.items() if kind.causal])
@torch.no_grad()
def test_cache_equals_no_cache(name, imported):
    reference, network = peer(name), lightgen.load(imported(name)).network
    ids, label = questions(reference)
    context = told(network, reference, label)
    reader, plain = network.reader(len(ids), context), Recomputing(network, context, Lookup(network.causal_order))
    kept = torch.tensor([True, False] * 3)
    for step in range(reference.num_tokens):
        if step == reference.num_tokens // 2:
            # Half of the pictures go on alone.
            reader, plain, ids = reader.select(kept), plain.select(kept), ids[kept]
        torch.testing.assert_close(reader(ids, step), plain(ids, step), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", PEERS)
def test_every_sampler_that_fits_and_inpainting(name, imported, tmp_path, capsys):
    reference, path = peer(name), imported(name)
    words = in_words(reference)
    options = [option for name, value in words.items() for option in (f"--{name}", value)]
    for sampler in SAMPLERS[lightgen.load(path).process.family]:
        assert main(["sample", "--ckpt_path", str(path), "--num_images", "2", "--sampler", sampler, "--out",
                     str(tmp_path / sampler), *options]) == 0  # fmt: skip
    prior = lightgen.load(path)
    picture, hole = prior.sample(1)[0], torch.zeros(*prior.tokenizer.image_size, dtype=torch.bool)
    hole[: len(hole) // 2] = True
    painted = prior.inpaint(picture, hole, composite=True, **words)
    assert torch.equal(painted[0][:, ~hole], picture[:, ~hole])
    other = "MaskGIT" if reference.causal else "Autoregressive"
    assert "noise" in mistake(
        capsys, ["sample", "--ckpt_path", str(path), "--sampler", other, "--out", str(tmp_path / "other")]
    )


@pytest.mark.parametrize("name", PEERS)
def test_guidance_goes_by_whether_there_is_no_class(name, imported):
    reference, prior = peer(name), lightgen.load(imported(name))
    if reference.num_classes and reference.has_null:
        assert prior.sample(1, guidance=2.0, **(in_words(reference) or {"label": 0})).shape[0] == 1
        return
    with pytest.raises(ValueError, match="guidance needs a prior"):
        prior.sample(1, guidance=2.0)
    if reference.num_classes:
        with pytest.raises(ValueError, match=rf"label must be in \[0, {reference.num_classes - 1}\], not"):
            prior.sample(1, label=reference.num_classes)
        hidden = Condition({"label": torch.zeros(1).long()}, {"label": torch.ones(1).bool()})
        with pytest.raises(ValueError, match="label cannot be hidden"):
            prior.sample_ids(Noise.of(0, 1), condition=hidden)


@pytest.mark.parametrize("name", [name for name, kind in PEERS.items() if hasattr(kind, "generate")])
def test_a_whole_run_by_the_recipe_that_comes_along(name, imported):
    """Fed the same random numbers, the original writes the same tokens."""
    reference, prior = peer(name), lightgen.load(imported(name))
    label, noise = torch.arange(6) % reference.num_classes, Noise.of(0, 6)

    def uniforms(step):
        return (noise.uniform(step, stream, reference.num_tokens) for stream in (Stream.TOKEN, Stream.CHOICE))

    expected = reference.generate(label, uniforms)
    assert torch.equal(prior.sample_ids(noise, condition=asked(reference, label)).ids, expected)
    assert len(expected.unique(dim=0)) > 4


@pytest.mark.parametrize("name", PEERS)
def test_missing_surplus_and_misshapen_tensors(name, tmp_path, tokenizers, capsys):
    reference = PEERS[name]()
    inside = [key for key in reference.tensors if re.search(r"(?i)(layer|block)s?[._]1\.", key)]
    norm = next(key for key in inside if reference.tensors[key].ndim == 1)
    last = next(key for key in inside if reference.tensors[key].ndim > 1)
    del reference.tensors[norm]
    reference.tensors["surplus.weight"] = torch.zeros(1)
    reference.tensors[last] = torch.cat([reference.tensors[last]] * 2)
    line = mistake(capsys, [*command(reference, tmp_path, tokenizers), "--out", str(tmp_path / "out.ckpt")])
    assert f"missing: {norm}" in line and "surplus: surplus.weight" in line and f"of another shape: {last}" in line
    assert f"cannot be imported as {reference.kind}" in line and not (tmp_path / "out.ckpt").exists()


@pytest.mark.parametrize("name", PEERS)
def test_a_file_of_another_kind_names_its_own(name, tmp_path, capsys):
    reference = peer(name)
    path = str(reference.save(tmp_path))
    # A file that has the tokenizer too is of that kind as well.
    stages = ("taming", "ldm") if reference.brings_tokenizer else ()
    others = [other for other in importers() if other != reference.kind and other not in stages]
    found = kind_of(reference.tensors)
    assert found[0] == reference.kind
    for other in others[:: max(1, len(others) // 3)]:
        line = mistake(capsys, ["import", "--kind", other, "--weights", path, "--out", str(tmp_path / "o.ckpt")])
        assert stages or f"it has {found[1]}, as files of --kind {reference.kind} do" in line


@pytest.mark.parametrize("name", [name for name, kind in PEERS.items() if not kind.brings_tokenizer])
def test_the_tokenizer_must_fit(name, tmp_path, tokenizers, capsys):
    reference = peer(name)
    args = ["import", "--kind", reference.kind, "--weights", str(reference.save(tmp_path)), *reference.options]
    args += [*reference.beside(tmp_path), "--out", str(tmp_path / "o.ckpt")]
    assert "give it with --tokenizer" in mistake(capsys, args)
    wrong = tokenizers(reference.vocab_size + 1, reference.grid, reference.num_codes)
    assert f"is of {reference.vocab_size} codes, and the tokenizer of {reference.vocab_size + 1}" in mistake(
        capsys, [*args, "--tokenizer", str(wrong)]
    )
    if reference.options:
        needed = "--heads" if "--heads" in reference.options else reference.options[0]
        assert f"give {needed}" in mistake(
            capsys, [a for a in args if a not in reference.options] + ["--tokenizer", str(wrong)]
        )


TOKENIZERS = {"HaltonMaskGIT": published.LlamaGen, "UnleashingAbsorbing": published.Unleashing}
"""References of the tokenizers that priors were published with, of files of their own."""


@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_published_tokenizer_with_a_prior_in_one_call(name, tmp_path):
    reference, tokenizer = peer(name), TOKENIZERS[name](vocab_size=48)
    ids, images = tokenizer(published.pictures())
    torch.save(tokenizer.tensors, tmp_path / "vq.pt")
    weights, out = reference.save(tmp_path), tmp_path / "prior.ckpt"
    assert main(["import", "--kind", reference.kind, "--weights", str(weights), *reference.options, "--tokenizer",
                 str(tmp_path / "vq.pt"), "--out", str(out)]) == 0  # fmt: skip
    prior = lightgen.load(out)
    assert prior.tokenizer.image_size == (16, 16) and torch.equal(prior.tokenizer.encode(published.pictures()), ids)
    torch.testing.assert_close(prior.tokenizer.decode(ids), images, rtol=0, atol=1e-4)


def test_the_first_stage_comes_out_of_the_same_file(imported):
    stage = published.Published(dim=6, latent=6)
    ids, _ = stage(torch.zeros(1, 3, 16, 16))
    ids, _ = stage(published.pictures())
    tokenizer = lightgen.load(imported("TamingByClass")).tokenizer
    assert tokenizer.image_size == (16, 16) and torch.equal(tokenizer.encode(published.pictures()), ids)


def test_one_kind_reads_priors_and_tokenizers_of_unleashing(tmp_path):
    vqgan = published.Unleashing()
    vqgan(published.pictures())
    torch.save(vqgan.tensors, tmp_path / "vqgan_ema.th")
    tokenizer = importers()["unleashing"]()(tmp_path / "vqgan_ema.th").component
    assert tokenizer.image_size == (256, 256) and tokenizer.layout.cells == (64, 64)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory, tokenizers):
    """The checkpoint of a prior with the classes of ImageNet."""
    folder = tmp_path_factory.mktemp("thousand")
    reference = type("Thousand", (PEERS["HaltonMaskGIT"],), {"num_classes": 1000})()
    assert main([*command(reference, folder, tokenizers), "--out", str(folder / "prior.ckpt")]) == 0
    return folder / "prior.ckpt"


def test_classes_of_imagenet_have_names(thousand, tmp_path, capsys):
    prior = lightgen.load(thousand)
    assert len(set(prior.classes)) == 1000 and prior.classes[1:3] == ("goldfish", "great white shark")
    assert prior.classes[134] == "crane n02012849" and prior.classes[517] == "crane n03126707"
    ask = ["sample", "--ckpt_path", str(thousand), "--sampler.steps", "2", "--num_images", "1", "--out"]
    assert main([*ask, str(tmp_path / "named"), "--label", "goldfish"]) == 0
    assert torch.equal(prior.sample(1, steps=2, label="goldfish"), prior.sample(1, steps=2, label=1))
    assert "did you mean 'goldfish'" in mistake(capsys, [*ask, str(tmp_path / "no"), "--label", "goldfisch"])
    line = mistake(capsys, [*ask, str(tmp_path / "no"), "--label", "1001"])
    assert "label must be in [0, 999], or 1000 for no class, not 1001" in line and "and 980 more" in line
    assert len(mistake(capsys, [*ask, str(tmp_path / "no"), "--label", "zzzzzzzz"])) < 1500


def test_a_larger_canvas(imported):
    for name in ("HaltonMaskGIT", "UnleashingAutoregressive"):
        assert lightgen.load(imported(name)).sample(1, canvas=(1, 1.5)).shape == (1, 3, 16, 24)


RECIPES = {
    "HaltonMaskGIT": "Recipe(sampler=Halton(steps=32, randomize=True, floor='written'), warps=Warps(temperature=1.0), "
    "guidance=ConstantGuidance(scale=1.5))",
    "LlamaGen": "Recipe(sampler=Autoregressive(), warps=Warps(temperature=1.0), guidance=ConstantGuidance(scale=2.0))",
    "TamingByClass": "Recipe(sampler=Autoregressive(), warps=Warps(temperature=1.0, top_k=600, top_p=0.92))",
    "TamingUnconditional": "Recipe(sampler=Autoregressive(), warps=Warps(temperature=1.0, top_k=250))",
    "UnleashingAbsorbing": "Recipe(sampler=Ancestral(steps=256, leave_one_out=True), warps=Warps(temperature=0.9))",
    "UnleashingAutoregressive": "Recipe(sampler=Autoregressive(), warps=Warps(temperature=1.0))",
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_published_recipe_comes_along(name, imported):
    assert repr(lightgen.load(imported(name)).recipe) == RECIPES[name]


def test_scales_of_the_published_models():
    """s = 1 + w of Halton-MaskGIT's table, and LlamaGen's s."""
    found = {}
    for name in ("HaltonMaskGIT", "LlamaGen"):
        for model, (sizes, _) in PEERS[name].published.items():
            tensors = PEERS[name].of_sizes(**{**sizes, "depth": min(sizes["depth"], 1)}).tensors
            importer = importers()[PEERS[name].kind](heads=sizes["heads"])
            found[model] = importer.plan(tensors, Path("c2i_384.pt")).recipe.guidance.scale
    assert found == {"256_tiny": 2.5, "256_small": 2.0, "256_base": 1.7, "384_large": 1.5, "B": 2.0, "L": 2.0,
                     "XL": 1.75, "XXL": 1.75, "3B": 1.65}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "name", "said"),
    [
        ((), "c2i_B_64.pt", "no shape tells how large the pictures are: give --image_size"),
        ((), "c2i_B_256.pt", "the prior is of 256 tokens a picture, and the tokenizer of 16"),
        (("--image_size", "128"), "c2i_B_256.pt", "the prior is of 64 tokens a picture, and the tokenizer of 16"),
        (("--heads", "5"), "c2i_B.pt", "--heads must divide the width of the attention, 32, and 5 does not"),
    ],
)
def test_what_no_shape_tells_is_asked_for(options, name, said, tmp_path, tokenizers, capsys):
    path, reference = tmp_path / name, peer("LlamaGen")
    torch.save(reference.contents(), path)
    tokenizer = tokenizers(reference.vocab_size, reference.grid)
    if "how large" in said:
        vq = published.LlamaGen(vocab_size=reference.vocab_size)
        vq(published.pictures())
        tokenizer = tmp_path / "vq.pt"
        torch.save(vq.tensors, tokenizer)
    args = ["import", "--kind", "llamagen-gpt", "--weights", str(path), "--heads", "4", "--tokenizer", str(tokenizer)]
    assert said in mistake(capsys, [*args, *options, "--out", str(tmp_path / "o.ckpt")])


def taming_config(**changes):
    params = {
        "transformer_config": {"params": {"n_head": 4, "n_layer": 2, "n_embd": 32, "vocab_size": 64, "block_size": 16}},
        "cond_stage_config": {"target": "taming.modules.util.Labelator", "params": {"n_classes": 7}},
        "first_stage_config": {"params": {"embed_dim": 6, "n_embed": 64, "ddconfig": {
            "double_z": False, "z_channels": 6, "resolution": 16, "in_channels": 3, "out_ch": 3, "ch": 32,
            "ch_mult": [1, 1, 2], "num_res_blocks": 2, "attn_resolutions": [4]}}},
    }  # fmt: skip
    return {"model": {"params": {**params, **changes}}}


@pytest.mark.parametrize(
    ("changes", "classes"),
    [({}, 7), ({"cond_stage_config": "__is_unconditional__"}, 0), ({"unconditional": True}, 0)],
)
def test_a_config_of_taming_tells_heads_and_classes(changes, classes, tmp_path, imported):
    reference = peer("TamingByClass" if classes else "TamingUnconditional")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(taming_config(**changes)))
    weights, out = reference.save(tmp_path), tmp_path / "out.ckpt"
    assert main(["import", "--kind", "taming-gpt", "--weights", str(weights), "--config", str(tmp_path / "config.yaml"),
                 "--out", str(out)]) == 0  # fmt: skip
    other = imported("TamingByClass" if classes else "TamingUnconditional")
    assert fingerprint(lightgen.load(out)) == fingerprint(lightgen.load(other))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cond_stage_config": {"target": "taming.Depth", "params": {}}}, "a condition that is no class: taming.Depth"),
        ({"permuter_config": {"target": "taming.modules.transformer.permuter.ZCurve"}}, "ZCurve"),
        ({"transformer_config": None}, "is no config of taming-gpt"),
    ],
)
def test_a_config_of_taming_that_does_not_fit(changes, said, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(taming_config(**changes)))
    args = ["import", "--kind", "taming-gpt", "--weights", str(peer("TamingByClass").save(tmp_path)), "--config"]
    assert said in mistake(capsys, [*args, str(tmp_path / "config.yaml"), "--out", str(tmp_path / "o.ckpt")])


def test_weights_are_not_copied_and_an_optimizer_is_not_read(tmp_path, tokenizers):
    """What is only called otherwise stays in the file, and so does what is beside it."""
    reference = peer("LlamaGen")
    torch.save({"model": reference.tensors, "optimizer": {"exp_avg": torch.zeros(50_000_000)}}, tmp_path / "c2i_B.pt")
    before = anonymous_kilobytes()
    tensors = read_tensors(tmp_path / "c2i_B.pt")
    plan = importers()["llamagen-gpt"](heads=4).plan(tensors, tmp_path / "c2i_B.pt")
    with torch.device("meta"):
        network = plan.make(Layout((4, 4), 48))
    fill(network, tensors, plan.names, plan.unused)
    assert (
        network.blocks[1].feed_forward.gate.weight.data_ptr() == tensors["layers.1.feed_forward.w1.weight"].data_ptr()
    )
    assert anonymous_kilobytes() - before < 20_000


def anonymous_kilobytes():
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("no such file on this system")
    return int(status.read_text().partition("RssAnon:")[2].split()[0])


@pytest.mark.parametrize("name", PEERS)
def test_a_folder_of_safetensors_holds_the_same_prior(name, imported, tmp_path):
    assert main(["export", "--ckpt_path", str(imported(name)), "--out", str(tmp_path / "exported")]) == 0
    before, after = lightgen.load(imported(name)), lightgen.load(tmp_path / "exported")
    assert repr(after) == repr(before) and after.classes == before.classes
    for (key, tensor), found in zip(before.state_dict().items(), after.state_dict().values(), strict=True):
        assert torch.equal(found, tensor), key


@pytest.mark.parametrize("name", [name for name, kind in PEERS.items() if kind.exports])
def test_export_is_the_original_bit_for_bit(name, imported, tmp_path, capsys):
    reference, out = peer(name), tmp_path / "again.pt"
    assert main(["export", "--ckpt_path", str(imported(name)), "--kind", reference.kind, "--out", str(out)]) == 0
    again = read_tensors(out)
    assert again.keys() == reference.tensors.keys()
    assert all(torch.equal(again[key], tensor) for key, tensor in reference.tensors.items())
    args = ["export", "--ckpt_path", str(imported(name)), "--out", str(out), "--kind"]
    other = next(kind.kind for kind in PEERS.values() if kind.exports and kind.kind != reference.kind)
    assert f"cannot be written as {other}" in mistake(capsys, [*args, other])
    assert "cannot be written as taming" in mistake(capsys, [*args, "taming"])
    assert "--kind must be one of" in mistake(capsys, [*args, "nothing"])
    assert "bit for bit" in mistake(capsys, [*args, reference.kind, "--half"])


PUBLISHED = [(name, model) for name, kind in PEERS.items() for model in kind.published]


@pytest.mark.parametrize(("name", "model"), PUBLISHED)
def test_published_sizes_have_the_published_number_of_parameters(name, model, tmp_path, monkeypatch):
    """On the meta device, with all that no shape tells taken from the table of published models."""
    monkeypatch.setattr(CLIPText, "nothing", lambda self: torch.zeros(self.max_length, self.dim))
    kind = PEERS[name]
    sizes, millions = kind.published[model]
    original = kind.of_sizes(**sizes)
    options = original.beside(tmp_path)
    given = {option[2:]: value for option, value in zip(options[::2], options[1::2], strict=True)}
    plan = importers()[kind.kind](**given).plan(original.tensors, tmp_path / kind.file)
    assert plan.num_tokens in (None, original.num_tokens) and plan.vocab_size == original.vocab_size
    with torch.device("meta"):
        network = plan.make(Layout(original.grid, plan.vocab_size, original.num_codes))
    fill(network, original.tensors, plan.names, plan.unused)
    counted = [tensor for tensor in original.tensors.values() if tensor.is_floating_point()]
    count = sum({id(tensor): tensor.numel() for tensor in counted}.values())
    assert count / 1e6 == pytest.approx(millions, rel=1e-3, abs=0.05)
    assert heads_in(network) == {sizes["heads"]}
    # Rows of MASK and of no class that the original does without.
    more = sum(parameter.numel() for parameter in network.parameters()) - count + original.idle
    assert 0 <= more <= (sizes.get("num_classes", 0) + 2) * sizes["dim"]


def heads_in(network):
    return {module.style.heads for module in network.modules() if isinstance(module, StyledAttention)}


def test_flax_files_are_read_and_run_nothing(tmp_path, tokenizers, imported, capsys):
    msgpack = pytest.importorskip("msgpack")
    reference = peer("MaskGITTransformer")
    tree, path = {}, tmp_path / "maskgit_imagenet256_checkpoint"
    for name, tensor in reference.tensors.items():
        inner = tree
        for part in name.split(".")[:-1]:
            inner = inner.setdefault(part, {})
        array = msgpack.packb((list(tensor.shape), "float32", tensor.numpy().tobytes()))
        inner[name.split(".")[-1]] = msgpack.ExtType(1, array)
    contents = msgpack.packb({"params": tree, "step": msgpack.ExtType(3, b"anything"), "note": "text"})
    path.write_bytes(contents)
    given = ["import", "--kind", reference.kind, "--num_classes", "7", "--out", str(tmp_path / "prior.ckpt")]
    given += ["--tokenizer", str(tokenizers(reference.vocab_size, reference.grid)), "--weights"]
    assert main([*given, str(path)]) == 0
    expected = lightgen.load(imported("MaskGITTransformer")).state_dict()
    assert all(
        torch.equal(tensor, expected[k]) for k, tensor in lightgen.load(tmp_path / "prior.ckpt").state_dict().items()
    )
    for length in (1, 40, len(contents) // 2, len(contents) - 1):
        path.write_bytes(contents[:length])
        assert "is no file of flax, or is damaged" in mistake(capsys, [*given, str(path)])
    path.write_bytes(b"\x81\xa1a\xdd\xff\xff\xff\xff")  # A list that says it has four billion items.
    assert "is no file of flax, or is damaged" in mistake(capsys, [*given, str(path)])


@pytest.mark.parametrize("name", ["HaltonMaskGIT", "RAR", "TamingByClass", "VQDiffusionLearnedNull"])
def test_a_published_prior_is_trained_on(name, imported, tmp_path):
    """A step with a learning rate of 0 on pictures without classes leaves all weights but those of the classes."""
    before = lightgen.load(imported(name))
    height, width = before.tokenizer.image_size
    data = ["--data", "ImageFolder", "--data.root", str(tmp_path / "pictures"), "--data.batch_size", "4"]
    (tmp_path / "pictures").mkdir()
    for i, picture in enumerate(published.pictures()):
        for j in range(4):
            image = lightgen.to_pil(to_uint8(picture[None]))[0].rotate(90 * j).resize((width, height))
            image.save(tmp_path / "pictures" / f"{i}-{j}.png")
    args = ["fit", "--init_from", str(imported(name)), *data, "--data.image_size", f"[{height},{width}]"]
    args += ["--model.optimizer.lr", "0", "--trainer.max_steps", "1", "--trainer.limit_val_batches", "0"]
    assert main([*args, "--trainer.default_root_dir", str(tmp_path), "--trainer.enable_progress_bar", "false"]) == 0
    after = lightgen.load(tmp_path / "last.ckpt").network.state_dict()
    own = before.network.state_dict()
    # Without classes, VQ-Diffusion has plain norms in place of modulated ones.
    kept = [key for key in own if key in after and "conditioner" not in key]
    assert len(kept) > len(own) / 2 and all(torch.equal(after[key], own[key]) for key in kept)
