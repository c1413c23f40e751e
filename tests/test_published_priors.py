"""Published priors compute with lightgen what they computed before, and are as good as any prior afterwards."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
from peers import PEERS
from test_cli_errors import mistake

import lightgen
from lightgen.checkpoint import save
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.denoiser import Recomputing
from lightgen.functional.random import Noise, Stream
from lightgen.importers.base import importers, kind_of
from lightgen.importers.renaming import fill
from lightgen.layout import Layout
from lightgen.networks.styled import StyledAttention
from lightgen.quantizers import Codebook
from lightgen.tokenizers import VQGAN

ABSORBING = ("MaskGIT", "Halton", "Ancestral")


@cache
def peer(name):
    return PEERS[name]()


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    """A small tokenizer of lightgen for a vocabulary and a grid."""
    folder = tmp_path_factory.mktemp("tokenizers")

    @cache
    def made(vocab_size, grid):
        torch.manual_seed(0)
        tokenizer = VQGAN(Codebook(vocab_size, 8), tuple(4 * side for side in grid), width=8, multipliers=(1, 1, 1),
                          num_res_blocks=1, attention_resolutions=())  # fmt: skip
        path = folder / f"{vocab_size}-{grid}.ckpt"
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
    if reference.brings_tokenizer:
        return given
    return [*given, "--tokenizer", str(tokenizers(reference.vocab_size, reference.grid))]


def questions(reference):
    """Ids, with MASK among them where it is read; and classes, no class among them where there is such."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(reference.vocab_size, (6, reference.num_tokens), generator=generator)
    hidden = torch.rand(ids.shape, generator=generator) < torch.linspace(0, 1, len(ids))[:, None]
    label = torch.arange(len(ids)) % max(reference.num_classes, 1)
    if reference.num_classes and reference.has_null:
        label[::3] = reference.num_classes
    return ids if reference.causal else torch.where(hidden, reference.vocab_size, ids), label


def told(network, reference, label):
    return network.context(Condition({"label": label} if reference.num_classes else {}), len(label))


@pytest.mark.parametrize("name", PEERS)
def test_logits_are_those_of_the_original(name, imported):
    reference, network = peer(name), lightgen.load(imported(name)).network
    ids, label = questions(reference)
    expected = reference.logits(ids, label)
    assert expected.std() > 0.3, "the reference must say something"
    with torch.no_grad():
        torch.testing.assert_close(network(ids, None, told(network, reference, label)), expected, rtol=0, atol=1e-4)


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
    reader, plain = network.reader(len(ids), context), Recomputing(network, context, list(range(reference.num_tokens)))
    kept = torch.tensor([True, False] * 3)
    for step in range(reference.num_tokens):
        if step == reference.num_tokens // 2:
            # Half of the pictures go on alone.
            reader, plain, ids = reader.select(kept), plain.select(kept), ids[kept]
        torch.testing.assert_close(reader(ids, step), plain(ids, step), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", PEERS)
def test_every_sampler_that_fits_and_inpainting(name, imported, tmp_path, capsys):
    reference, path = peer(name), imported(name)
    samplers = ("Autoregressive",) if reference.causal else ABSORBING
    for sampler in samplers:
        assert main(["sample", "--ckpt_path", str(path), "--num_images", "2", "--sampler", sampler, "--out",
                     str(tmp_path / sampler)]) == 0  # fmt: skip
    prior = lightgen.load(path)
    picture, hole = prior.sample(1)[0], torch.zeros(*prior.tokenizer.image_size, dtype=torch.bool)
    hole[: len(hole) // 2] = True
    painted = prior.inpaint(picture, hole, composite=True)
    assert torch.equal(painted[0][:, ~hole], picture[:, ~hole])
    other = "MaskGIT" if reference.causal else "Autoregressive"
    assert "noise" in mistake(
        capsys, ["sample", "--ckpt_path", str(path), "--sampler", other, "--out", str(tmp_path / "other")]
    )


@pytest.mark.parametrize("name", PEERS)
def test_guidance_goes_by_whether_there_is_no_class(name, imported):
    reference, prior = peer(name), lightgen.load(imported(name))
    if reference.num_classes and reference.has_null:
        assert prior.sample(1, guidance=2.0, label=0).shape[0] == 1
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
    assert torch.equal(prior.sample_ids(noise, condition=Condition({"label": label})).ids, expected)
    assert len(expected.unique(dim=0)) == 6


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
    others = [other for other in importers() if other != reference.kind]
    for other in others[:: max(1, len(others) // 3)]:
        line = mistake(capsys, ["import", "--kind", other, "--weights", path, "--out", str(tmp_path / "o.ckpt")])
        found = kind_of(reference.tensors)
        assert found[0] == reference.kind and found[1] in reference.tensors
        assert f"it has {found[1]}, as files of --kind {reference.kind} do" in line or reference.brings_tokenizer


@pytest.mark.parametrize("name", [name for name, kind in PEERS.items() if not kind.brings_tokenizer])
def test_the_tokenizer_must_fit(name, tmp_path, tokenizers, capsys):
    reference = peer(name)
    args = ["import", "--kind", reference.kind, "--weights", str(reference.save(tmp_path)), *reference.options]
    args += ["--out", str(tmp_path / "o.ckpt")]
    assert "give it with --tokenizer" in mistake(capsys, args)
    wrong = tokenizers(reference.vocab_size + 1, reference.grid)
    assert f"is of {reference.vocab_size} codes, and the tokenizer of {reference.vocab_size + 1}" in mistake(
        capsys, [*args, "--tokenizer", str(wrong)]
    )
    if reference.options:
        needed = "--heads" if "--heads" in reference.options else reference.options[0]
        assert f"give {needed}" in mistake(
            capsys, [a for a in args if a not in reference.options] + ["--tokenizer", str(wrong)]
        )


PUBLISHED = [(name, model) for name, kind in PEERS.items() for model in kind.published]


@pytest.mark.parametrize(("name", "model"), PUBLISHED)
def test_published_sizes_have_the_published_number_of_parameters(name, model):
    """On the meta device, with all that no shape tells taken from the table of published models."""
    kind = PEERS[name]
    sizes, millions = kind.published[model]
    original = kind.of_sizes(**sizes)
    plan = importers()[kind.kind]().plan(original.tensors, Path(kind.file))
    assert plan.num_tokens in (None, original.num_tokens) and plan.vocab_size == original.vocab_size
    with torch.device("meta"):
        network = plan.make(Layout(original.grid, plan.vocab_size))
        fill(network, original.tensors, plan.names, plan.unused)
    count = sum({id(tensor): tensor.numel() for tensor in original.tensors.values()}.values())
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
