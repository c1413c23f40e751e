"""Quantizers: codes, gradients, precision, and codebooks that start, follow and revive."""

import copy
import itertools

import pytest
import torch
from torch.nn.functional import normalize, one_hot
from vector_quantize_pytorch import LFQ as LibraryLFQ

from lightgen.cli.main import main
from lightgen.functional.random import Noise, Stream
from lightgen.metrics.codebook import CodebookUsage
from lightgen.quantizers import FSQ, LFQ, VQ, GradientVQ, GumbelVQ, ProductVQ, ResidualVQ
from lightgen.quantizers.lfq import entropies
from lightgen.registry import components
from lightgen.tokenizers import VQGAN

QUANTIZERS = {
    "VQ": lambda: VQ(16, 8),
    "VQ, cosine, low-dimensional": lambda: VQ(16, 8, code_dim=3, cosine=True),
    "GradientVQ": lambda: GradientVQ(16, 8),
    "FSQ": lambda: FSQ((4, 3, 5)),
    "LFQ": lambda: LFQ(5),
    "LFQ, two ids": lambda: LFQ(6, num_codes=2),
    "ResidualVQ": lambda: ResidualVQ(16, 3, 8),
    "ProductVQ": lambda: ProductVQ(16, 2, 8),
    "GumbelVQ": lambda: GumbelVQ(16, 8),
}
STATEFUL = [name for name in QUANTIZERS if name.split(",")[0] not in ("FSQ", "LFQ")]


def latent(dim, seed=0, size=(4, 6), batch=3):
    return torch.randn(batch, dim, *size, generator=torch.Generator().manual_seed(seed))


def trained(name, steps=3):
    """A quantizer after a few steps of training."""
    torch.manual_seed(0)
    quantizer = QUANTIZERS[name]()
    for step in range(steps):
        quantizer(latent(quantizer.dim, step))
    return quantizer


def rows(x):
    """(B, C, h, w) to (B * h * w, C)."""
    return x.movedim(1, -1).flatten(0, -2)


def test_every_quantizer_is_tested():
    fixed = {"Codebook", "GumbelCodebook"}  # in test_codebook.py
    fixed |= {"Remapped"}  # in test_published_recipes.py
    assert {c.__name__ for c in components("quantizer")} - fixed == {name.split(",")[0] for name in QUANTIZERS}


@pytest.mark.parametrize("name", QUANTIZERS)
def test_quantized_latents_are_those_of_the_ids(name):
    quantizer = trained(name).eval()
    x = latent(quantizer.dim, 9)
    quantized = quantizer(x)
    codebooks = (quantizer.num_codes,) if quantizer.num_codes > 1 else ()
    assert quantized.ids.shape == (3, *codebooks, 4, 6) and quantized.ids.dtype == torch.int64
    assert quantized.ids.min() >= 0 and quantized.ids.max() < quantizer.vocab_size
    torch.testing.assert_close(quantizer.lookup(quantized.ids), quantized.latent, rtol=0, atol=1e-6)
    again = quantizer(x)
    assert torch.equal(again.ids, quantized.ids) and torch.equal(again.latent, quantized.latent)
    assert quantized.loss == 0


@pytest.mark.parametrize("name", QUANTIZERS)
def test_evaluation_leaves_a_quantizer_as_it_is(name):
    quantizer = QUANTIZERS[name]().eval()
    before = copy.deepcopy(quantizer.state_dict())
    quantizer(latent(quantizer.dim))
    assert all(torch.equal(value, before[key]) for key, value in quantizer.state_dict().items())


def continuous(name, quantizer, x):
    """(n, dim): what the quantized latent is to have the gradient of."""
    if name == "FSQ":
        levels = torch.tensor([4.0, 3.0, 5.0])
        half = (levels - 1) * 1.001 / 2
        offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        return ((rows(x) + torch.atanh(offset / half)).tanh() * half - offset) / (levels // 2)
    if "cosine" in name:
        project = quantizer.implementation
        return project.project_out(normalize(project.project_in(rows(x)), dim=-1, eps=1e-6))
    return rows(x)


@pytest.mark.parametrize("name", [n for n in QUANTIZERS if n != "GumbelVQ"])
def test_straight_through_gradient_of_a_linear_function(name):
    quantizer = trained(name)
    weights = latent(quantizer.dim, 5)
    one, two = (latent(quantizer.dim, 9).requires_grad_() for _ in range(2))
    (weights * quantizer(one).latent).sum().backward()
    (rows(weights) * continuous(name, quantizer, two)).sum().backward()
    torch.testing.assert_close(one.grad, two.grad)
    assert one.grad.abs().max() > 0


@torch.no_grad()
@pytest.mark.parametrize("name", [n for n in QUANTIZERS if n != "GumbelVQ"])
def test_training_sees_the_codes_themselves(name):
    quantizer = trained(name)
    frozen = copy.deepcopy(quantizer).eval()
    x = latent(quantizer.dim, 9)
    seen, meant = quantizer(x), frozen(x)
    assert torch.equal(seen.ids, meant.ids)
    torch.testing.assert_close(seen.latent, meant.latent, rtol=0, atol=1e-6)


def test_gumbel_gradient_is_that_of_the_noisy_softmax():
    quantizer = trained("GumbelVQ")
    quantizer.temperature, step = 0.7, int(quantizer.steps)
    weights, one, two = latent(8, 5), *(latent(8, 9).requires_grad_() for _ in range(2))
    quantized = quantizer(one)
    (weights * quantized.latent).sum().backward()
    in_codes = quantizer.codes.grad.clone()
    uniform = Noise.of(0, len(rows(two))).uniform(step, Stream.TOKEN, 16)
    noisy = quantizer.to_logits(rows(two)) - (-uniform.log()).log()
    ids = noisy.argmax(1)
    assert torch.equal(quantized.ids.flatten(), ids)
    torch.testing.assert_close(rows(quantized.latent), quantizer.codes[ids], rtol=0, atol=1e-5)
    (rows(weights) * ((noisy / 0.7).softmax(1) @ quantizer.codes.detach())).sum().backward()
    torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-5)
    # Codes learn from the latents that drew them.
    torch.testing.assert_close(in_codes, one_hot(ids, 16).float().T @ rows(weights), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_gumbel_draws_codes_in_proportion_to_their_softmax(temperature):
    quantizer = GumbelVQ(4, 2, temperature=temperature)
    quantizer.to_logits.bias.copy_(torch.tensor([0.0, -1.0, -2.0, -3.0]))
    quantized = quantizer(torch.zeros(8, 2, 50, 50))
    probs = quantizer.to_logits.bias.softmax(0)
    counted = one_hot(quantized.ids.flatten(), 4).float().mean(0)
    torch.testing.assert_close(counted, probs, rtol=0, atol=0.015)
    divergence = (probs * (4 * probs).log()).sum()
    torch.testing.assert_close(quantized.loss, quantizer.kl_weight * divergence)


def test_commitment_weight_is_on_the_commitment_term():
    """Of GradientVQ's two terms the weight scales the encoder's gradient, and leaves the codebook's alone."""
    found = []
    for weight in (0.25, 1.0):
        torch.manual_seed(0)
        quantizer = GradientVQ(16, 8, weight)
        quantizer(latent(8))
        x = latent(8, 1).requires_grad_()
        quantized = quantizer(x)
        quantized.loss.backward()
        codes = quantizer.lookup(quantized.ids).detach()
        torch.testing.assert_close(x.grad, weight * 2 * (x - codes).detach() / x.numel())
        (codebook,) = quantizer.implementation.parameters()
        chosen = one_hot(quantized.ids.flatten(), 16).float()
        expected = chosen.T @ (2 * rows(codes - x).detach() / x.numel())
        torch.testing.assert_close(codebook.grad[0], expected)
        found.append(codebook.grad)
    assert torch.equal(*found)


@pytest.mark.parametrize("name", ["VQ", "ProductVQ", "LFQ"])
def test_commitment_pulls_the_latent_to_its_code(name):
    make = {"LFQ": lambda: LFQ(5, entropy_weight=0.0)}.get(name, QUANTIZERS[name])
    quantizer = make()
    quantizer(latent(quantizer.dim))
    x = latent(quantizer.dim, 1).requires_grad_()
    quantized = quantizer(x)
    quantized.loss.backward()
    torch.testing.assert_close(x.grad, 0.25 * 2 * (x - quantized.latent).detach() / x.numel(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(
    ("quantizer", "size"),
    [(FSQ((8, 8, 8)), (16, 32)), (FSQ((8, 5, 5, 5)), (20, 50)), (FSQ((60, 7)), (20, 21)), (LFQ(10), (32, 32))],
)
def test_bfloat16_autocast_reaches_every_code(quantizer, size, mode):
    """The encoder's last layer speaks bfloat16 in VQGAN.forward; the quantizer must not."""
    torch.manual_seed(0)
    vqgan = getattr(
        VQGAN(quantizer, size, width=8, multipliers=(1,), num_res_blocks=1, attention_resolutions=()), mode
    )()
    ids = torch.arange(quantizer.vocab_size).view(1, *size)
    target, given = centres(quantizer, ids), []

    def speak(module, inputs, output):
        given.append(output.dtype)
        return target.to(output.dtype)

    vqgan.encoder.register_forward_hook(speak)
    images = torch.zeros(1, 3, *size)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        _, quantized = vqgan(images)
        assert torch.equal(quantized.ids, ids)
        assert torch.equal(vqgan.encode(images), ids)
        assert torch.equal(vqgan.quantizer.lookup(ids), vqgan.quantizer.implementation.indices_to_codes(ids))
    assert given == [torch.bfloat16] * 2
    assert quantized.latent.dtype == torch.float32


def centres(quantizer, ids):
    """Latents in the middle of each code's cell."""
    codes = rows(quantizer.lookup(ids))
    if isinstance(quantizer, FSQ):
        levels = quantizer.implementation._levels
        half = (levels - 1) * 1.001 / 2
        offset = torch.where(levels % 2 == 0, 0.5, 0.0)
        # The outermost cells reach to infinity.
        bounded = ((codes * (levels // 2) + offset) / half).clamp(-0.999, 0.999)
        codes = torch.atanh(bounded) - torch.atanh(offset / half)
    return codes.view(*ids.shape, -1).movedim(-1, 1)


@torch.no_grad()
@pytest.mark.parametrize("name", QUANTIZERS)
def test_autocast_changes_nothing(name):
    one, two = trained(name), trained(name)
    x = latent(one.dim, 9).bfloat16()
    plain = one(x.float())
    with torch.autocast("cpu", torch.bfloat16):
        cast = two(x)
        looked_up = two.eval().lookup(cast.ids)
    for a, b in ((plain.latent, cast.latent), (plain.ids, cast.ids), (plain.loss, cast.loss)):
        assert torch.equal(a, b)
    assert torch.equal(looked_up, one.eval().lookup(plain.ids))


def test_fsq_has_a_code_for_every_combination_of_levels():
    quantizer = FSQ((4, 3, 5))
    codes = rows(quantizer.lookup(torch.arange(60).view(1, 6, 10)))
    assert len(codes.unique(dim=0)) == 60
    values = [sorted(codes[:, i].unique().tolist()) for i in range(3)]
    assert [len(v) for v in values] == [4, 3, 5]
    assert {tuple(c) for c in codes.tolist()} == set(itertools.product(*values))


@torch.no_grad()
def test_lfq_takes_signs():
    quantizer = LFQ(6).eval()
    codes = rows(quantizer.lookup(torch.arange(64).view(1, 8, 8)))
    assert {tuple(c) for c in codes.tolist()} == set(itertools.product((-1.0, 1.0), repeat=6))
    x = latent(6)
    assert torch.equal(quantizer(x).latent, torch.where(x > 0, 1.0, -1.0))


@pytest.mark.parametrize("bits", [1, 4, 5])
@pytest.mark.parametrize("temperature", [0.01, 0.5, 4.0])
def test_lfq_entropies_against_the_table_of_all_codes(bits, temperature):
    one, two = (torch.randn(40, bits, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    codes = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=bits)))
    probs = (-torch.cdist(two.double(), codes.double()).square() / temperature).softmax(1)
    expected = [torch.special.entr(p.clamp_min(1e-30)).sum(-1).mean() for p in (probs, probs.mean(0))]
    found = entropies(one, temperature)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b.float(), rtol=1e-4, atol=1e-5)
    (found[0] - found[1]).backward()
    (expected[0] - expected[1]).backward()
    torch.testing.assert_close(one.grad, two.grad, rtol=1e-3, atol=1e-5)


def test_lfq_loss_is_the_librarys_on_one_process():
    x = latent(5)
    ours = LFQ(5, entropy_weight=0.1, commitment_weight=0.25)(x)
    library = LibraryLFQ(dim=5, entropy_loss_weight=0.1, commitment_loss_weight=0.25)(x)
    torch.testing.assert_close(ours.loss, library.entropy_aux_loss, rtol=0, atol=1e-3)
    assert torch.equal(ours.ids, library.indices)


def test_lfq_entropy_of_certain_latents_has_a_finite_gradient():
    x = (30 * latent(8)).requires_grad_()
    LFQ(8)(x).loss.backward()
    assert x.grad.isfinite().all()


@torch.no_grad()
def test_vq_takes_the_nearest_code_and_codes_follow_the_latents():
    quantizer = VQ(4, 2, decay=0.5)
    centres = torch.tensor([[-8.0, -8.0], [-8.0, 8.0], [8.0, -8.0], [8.0, 8.0]])
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(4, (2000,), generator=generator)
    points = centres[which] + torch.randn(2000, 2, generator=generator)
    for _ in range(20):
        ids = quantizer(points.T.reshape(1, 2, 40, 50)).ids.flatten()
    codes = rows(quantizer.lookup(torch.arange(4).view(1, 2, 2)))
    assert torch.equal(ids, torch.cdist(points, codes).argmin(1))
    means = torch.stack([points[ids == code].mean(0) for code in range(4)])
    torch.testing.assert_close(codes, means, rtol=0, atol=0.02)


@torch.no_grad()
def test_cosine_vq_takes_the_code_of_the_nearest_direction():
    quantizer = trained("VQ, cosine, low-dimensional").eval()
    x = latent(8, 9)
    codes, low = quantizer.codebooks[0].embed[0], quantizer.implementation.project_in(rows(x))
    torch.testing.assert_close(codes.norm(dim=1), torch.ones(16))
    assert torch.equal(quantizer(x).ids.flatten(), (normalize(low, dim=1) @ codes.T).argmax(1))
    assert torch.equal(quantizer(latent(8, 9)).ids, quantizer(x).ids)


@torch.no_grad()
def test_residual_codes_refine_each_other():
    quantizer = trained("ResidualVQ").eval()
    x = latent(8, 9)
    ids, left = quantizer(x).ids, rows(x)
    errors = [left.square().mean()]
    for m, codebook in enumerate(quantizer.codebooks):
        assert torch.equal(ids[:, m].flatten(), torch.cdist(left, codebook.embed[0]).argmin(1))
        left = left - codebook.embed[0][ids[:, m].flatten()]
        errors.append(left.square().mean())
    assert errors == sorted(errors, reverse=True)
    torch.testing.assert_close(rows(quantizer.lookup(ids)), rows(x) - left)


@torch.no_grad()
def test_product_codes_are_those_of_their_channels():
    quantizer = trained("ProductVQ").eval()
    x = latent(8, 9)
    ids, (codebook,) = quantizer(x).ids, quantizer.codebooks
    for m, part in enumerate(x.chunk(2, dim=1)):
        assert torch.equal(ids[:, m].flatten(), torch.cdist(rows(part), codebook.embed[m]).argmin(1))


@torch.no_grad()
def test_a_book_starts_from_the_means_of_the_first_batch():
    quantizer = GradientVQ(4, 8)
    x = latent(8)
    ids, codes = quantizer(x).ids.flatten(), quantizer.codebooks[0].embed[0]
    assert len(ids.unique()) == 4
    for code in range(4):
        torch.testing.assert_close(codes[code], rows(x)[ids == code].mean(0), rtol=0, atol=1e-4)


@pytest.mark.parametrize("make", [VQ, GradientVQ, ResidualVQ, ProductVQ])
def test_codes_that_nothing_uses_are_revived(make):
    torch.manual_seed(0)
    quantizer = make(64, dim=4, decay=0.8, dead_below=0.5)
    for step in range(30):
        quantizer(latent(4, step, (16, 16)) + (10.0 if step > 5 else 0.0))
    quantizer.eval()
    ids = quantizer(latent(4, 99, (16, 16)) + 10.0).ids
    for codebook in ids.unbind(1) if quantizer.num_codes > 1 else [ids]:
        assert len(codebook.unique()) > 48


def test_replacing_a_code_does_not_change_the_loss_of_the_step():
    kept, replaced = (GradientVQ(16, 8, dead_below=dead_below) for dead_below in (0.0, 100.0))
    for quantizer in (kept, replaced):
        quantizer(latent(8))
        for codebook in quantizer.codebooks:
            codebook.embed.data.copy_(kept.codebooks[0].embed.data)
    x = latent(8, 1)
    results = [quantizer(x) for quantizer in (kept, replaced)]
    assert not torch.allclose(kept.codebooks[0].embed, replaced.codebooks[0].embed)
    torch.testing.assert_close(results[0].loss, results[1].loss)
    pairs = zip(results, (kept, replaced), strict=True)
    torch.testing.assert_close(*(torch.autograd.grad(r.loss, q.codebooks[0].embed)[0] for r, q in pairs))


@pytest.mark.parametrize("name", STATEFUL)
def test_training_does_not_depend_on_the_global_generator(name):
    torch.manual_seed(0)
    quantizers = [QUANTIZERS[name]()]
    quantizers.append(copy.deepcopy(quantizers[0]))
    for seed, quantizer in enumerate(quantizers):
        torch.manual_seed(seed)
        for step in range(4):
            quantizer(latent(8, step))
    one, two = (quantizer.state_dict() for quantizer in quantizers)
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", STATEFUL)
def test_a_resumed_book_is_that_of_an_unbroken_run(name):
    unbroken, resumed = trained(name, 6), QUANTIZERS[name]()
    resumed.load_state_dict(trained(name, 3).state_dict())
    for step in range(3, 6):
        quantized = resumed(latent(8, step))
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in unbroken.state_dict().items())
    assert quantized.ids.unique().numel() > 4


def test_usage_of_one_book_and_of_several():
    one, two = CodebookUsage(8), CodebookUsage(4, 2)
    ids = torch.tensor([[[0, 0, 1, 1]], [[2, 2, 3, 3]]])
    one.update(ids)
    assert {name: float(value) for name, value in one.compute().items()} == pytest.approx(
        {"usage": 0.5, "perplexity": 4.0, "dead": 4.0}
    )
    # (B, M, h, w): the first codebook uses all of its codes alike, the second two of four.
    two.update(torch.stack([ids.flatten(), ids.flatten() % 2])[None, :, :, None])
    assert two.counts.tolist() == [[2, 2, 2, 2], [4, 4, 0, 0]]
    assert {name: float(value) for name, value in two.compute().items()} == pytest.approx(
        {"usage": 0.75, "perplexity": 3.0, "dead": 2.0}
    )


FLAGS = {
    "VQ": ["--{}.vocab_size=16", "--{}.dim=4", "--{}.code_dim=2", "--{}.cosine=true"],
    "GradientVQ": ["--{}.vocab_size=16", "--{}.dim=4"],
    "Codebook": ["--{}.vocab_size=16", "--{}.dim=4"],
    "GumbelCodebook": ["--{}.vocab_size=16", "--{}.dim=4"],
    "Remapped": [
        "--{}.vocab_size=8",
        "--{0}.quantizer=Codebook",
        "--{0}.quantizer.vocab_size=16",
        "--{0}.quantizer.dim=4",
    ],
    "FSQ": ["--{}.levels=[4, 4]"],
    "LFQ": ["--{}.bits=4"],
    "ResidualVQ": ["--{}.vocab_size=16", "--{}.dim=4", "--{}.num_codes=3"],
    "ProductVQ": ["--{}.vocab_size=16", "--{}.dim=4", "--{}.num_codes=2"],
    "GumbelVQ": ["--{}.vocab_size=16", "--{}.dim=4"],
}


@pytest.mark.parametrize("component", components("quantizer"), ids=lambda c: c.__name__)
def test_command_line(component, tmp_path, capsys):
    name = component.__name__
    flags = [flag.format("model.tokenizer.quantizer") for flag in FLAGS[name]]
    args = ["fit", "--config", "tiny-tokenizer.yaml", "--model.tokenizer.quantizer", name, *flags]
    short = ["--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--trainer.limit_val_batches", "1"]
    assert main([*args, *short, "--trainer.default_root_dir", str(tmp_path)]) == 0
    out = tmp_path / "out"
    reconstruct = ["reconstruct", "--ckpt_path", str(tmp_path / "last.ckpt"), "--num_images", "4", "--out", str(out)]
    assert main(reconstruct) == 0
    assert (out / "reconstructions.png").is_file()
    capsys.readouterr()
    assert main(["list", "quantizer"]) == 0
    shown = capsys.readouterr().out
    assert f"  {name} " in shown and component.source in shown


BAD = {
    "levels": lambda: FSQ((4, 2)),
    "no levels": lambda: FSQ(()),
    "VQ": lambda: VQ(1),
    "GradientVQ": lambda: GradientVQ(1),
    "ResidualVQ": lambda: ResidualVQ(1),
    "ProductVQ": lambda: ProductVQ(1),
    "GumbelVQ": lambda: GumbelVQ(1),
    "codebooks": lambda: ResidualVQ(16, 1),
    "groups": lambda: ProductVQ(16, 1),
    "channels": lambda: ProductVQ(16, 3, 8),
    "code_dim": lambda: VQ(16, 8, code_dim=0),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=r"at least \d"):
        BAD[name]()


@pytest.mark.parametrize("make", [lambda: GumbelVQ(4, temperature=0.0), lambda: LFQ(4, temperature=-1.0)])
def test_temperatures_are_positive(make):
    with pytest.raises(ValueError, match="must be positive"):
        make()


@pytest.mark.parametrize("bits", [0, 25])
def test_lfq_bits(bits):
    with pytest.raises(ValueError, match="bits must be in"):
        LFQ(bits)
