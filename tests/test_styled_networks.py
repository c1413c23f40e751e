"""The networks of published priors, trained and asked like any other."""

import pytest
import torch
from stubs import interface

from lightgen.cli.main import main
from lightgen.condition import Condition, Context
from lightgen.conditioners import ClassLabel
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.networks import BidirectionalMinGPT, HaltonMaskGIT, Llama, MinGPT
from lightgen.networks.base import Interface
from lightgen.networks.styled import (
    FeedForward,
    KeyValues,
    Places,
    Style,
    StyledAttention,
    StyledBlock,
    fixed,
    multiple_of_256,
)
from lightgen.processes import Absorbing, Causal, Uniform

V, GRID, CLASSES = 11, (2, 4), 3
NUM = GRID[0] * GRID[1]
CAUSAL = {"llama": Llama, "mingpt": MinGPT}
NETWORKS = {**CAUSAL, "bidirectional": BidirectionalMinGPT, "halton": HaltonMaskGIT}


def network(name, num_classes=CLASSES, reads_time=False):
    torch.manual_seed(0)
    made = NETWORKS[name](interface(V + 1, V, GRID, num_classes, reads_time=reads_time), dim=16, depth=2, heads=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made


def ids(batch=4):
    return torch.randint(V, (batch, NUM), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient_from_its_process(name):
    made = network(name)
    process = (Causal if made.causal else Absorbing)(V)
    context = made.context(Condition({"label": torch.arange(8) % 4}), 8)
    loss = process.loss({"denoiser": lambda ids, time=None: made(ids, time, context)}, ids(8), Noise.of(0, 8)).loss
    loss.backward()
    assert [n for n, p in made.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_new_weights_are_finite_and_rows_are_their_own(name):
    torch.manual_seed(0)
    fresh = NETWORKS[name](interface(V + 1, V, GRID, CLASSES), dim=16, depth=2, heads=2).eval()
    assert fresh(ids()).isfinite().all() and fresh(ids()).abs().max() < 3
    made, labels = network(name).eval(), torch.arange(4) % 4
    context = made.context(Condition({"label": labels}), 4)
    alone = [made(ids()[i : i + 1], None, context.select(torch.tensor([i]))) for i in range(4)]
    torch.testing.assert_close(made(ids(), None, context), torch.cat(alone), rtol=1e-4, atol=1e-4)
    hidden = made.context(Condition({"label": labels}).hide(rows=labels < 4), 4)
    torch.testing.assert_close(made(ids(), None, hidden), made(ids()))


@pytest.mark.parametrize("name", CAUSAL)
def test_a_causal_network_sees_what_is_before(name):
    made, context = network(name).eval(), Context(vector=torch.randn(1, 1, 16))
    logits = made(ids(1), None, context)
    for place in range(NUM):
        other = ids(1)
        other[:, place:] = V
        changed = (made(other, None, context) - logits).abs().amax((0, 2)) > 1e-3
        assert not changed[: place + 1].any() and changed[place + 1 :].all()


@pytest.mark.parametrize("name", ["bidirectional", "halton"])
def test_another_sees_everything(name):
    made = network(name).eval()
    for place in (0, NUM - 1):
        other = ids(1)
        other[:, place] = V
        assert ((made(other) - made(ids(1))).abs().amax((0, 2)) > 1e-3).all()


@pytest.mark.parametrize("name", CAUSAL)
@torch.no_grad()
def test_the_cache_knows_vectors_of_cells_too(name):
    made = network(name, num_classes=0).eval()
    for context in (Context(), Context(cells=torch.randn(4, NUM, 16)), Context(vector=torch.randn(4, 1, 16))):
        reader = made.reader(4, context)
        steps = torch.stack([reader(ids(), step) for step in range(NUM)], 1)
        torch.testing.assert_close(steps, made(ids(), None, context), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["bidirectional", "halton"])
def test_time_is_read_where_a_process_tells_it(name):
    made = NETWORKS[name](Uniform(V).interface(Layout(GRID, V), ClassLabel(CLASSES)), dim=16, depth=1, heads=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    early, late = (made(ids(), torch.full((4,), time)) for time in (0.1, 0.9))
    assert not torch.allclose(early, late, atol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_made_without_weights_it_has_its_tables(name):
    with torch.device("meta"):
        made = NETWORKS[name](interface(V + 1, V, GRID, CLASSES), dim=16, depth=1, heads=2)
    assert all(parameter.is_meta for parameter in made.parameters())
    assert not any(buffer.is_meta for buffer in made.buffers())


def test_what_does_not_fit_is_refused():
    class Words(Conditioner):
        attended = True

        @property
        def names(self):
            return ("text",)

        def attach(self, dim): ...

        def forward(self, condition, num_rows):
            return Context()

    for made in (Llama, HaltonMaskGIT, MinGPT):
        with pytest.raises(ValueError, match=f"{made.__name__} takes one code at a cell, not 2"):
            made(interface(V + 1, V, GRID, num_codes=2), dim=16, heads=2)
        with pytest.raises(ValueError, match="has no attention to the tokens that Words gives"):
            made(Interface(Layout(GRID, V), V + 1, conditioner=Words()), dim=16, heads=2)
    with pytest.raises(ValueError, match="heads must divide dim, 16, and 3 does not"):
        MinGPT(interface(V + 1, V, GRID), dim=16, heads=3)
    with pytest.raises(ValueError, match="into multiples of 4, and 8 does not"):
        Llama(interface(V + 1, V, GRID), dim=16, heads=8)
    with pytest.raises(ValueError, match="hidden must be at least 1"):
        HaltonMaskGIT(interface(V + 1, V, GRID), dim=16, heads=2, hidden=0)


@pytest.mark.parametrize(
    ("switches", "parts"),
    [
        ({"post": True, "eps": 1e-12}, 0),
        ({"query_norm": "head"}, 2),
        ({"feed_forward": "gelu_tanh", "affine": False}, 0),
    ],
)
def test_the_other_switches(switches, parts):
    """What no network of these four uses, against the formulas."""
    torch.manual_seed(0)
    block, x = StyledBlock(Style(16, 2, 8, 32, **switches)), torch.randn(2, 5, 16)
    attention = block.attention
    assert sum(norm is not None for norm in (attention.query_norm, attention.key_norm)) == parts
    norm = torch.nn.LayerNorm(16, switches.get("eps", 1e-5), elementwise_affine=False)

    def attended(y):
        q, k, v = attention.to_qkv(y).chunk(3, -1)
        q, k, v = (part.unflatten(-1, (2, 8)).transpose(1, 2) for part in (q, k, v))
        if parts:
            q, k = (part - part.mean(-1, keepdim=True) for part in (q, k))
            q, k = (part / (part.square().mean(-1, keepdim=True) + 1e-5).sqrt() for part in (q, k))
        scores = (q @ k.transpose(-1, -2) / 8**0.5).softmax(-1)
        return attention.to_out((scores @ v).transpose(1, 2).flatten(2))

    def fed(y):
        up, _, down = block.feed_forward
        y = up(y)
        tanh = (1 + torch.tanh((2 / torch.pi) ** 0.5 * (y + 0.044715 * y**3))) / 2
        return down(y * (tanh if "feed_forward" in switches else (1 + torch.erf(y / 2**0.5)) / 2))

    if "post" in switches:
        expected = norm(x + attended(x))
        expected = norm(expected + fed(expected))
    else:
        expected = x + attended(norm(x))
        expected = expected + fed(norm(expected))
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)
    assert isinstance(block.feed_forward, FeedForward) and isinstance(attention, StyledAttention)


def test_modulation_may_differ_by_place():
    torch.manual_seed(0)
    block = StyledBlock(Style(16, 2, 8, 32, modulated=True, causal=True))
    torch.nn.init.normal_(block.modulation[1].weight)
    x, told = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    whole, memory = block(x, told), KeyValues(5)
    parts = []
    for a, b in ((0, 2), (2, 3), (3, 4), (4, 5)):
        memory.places = Places(slice(a, b))
        parts.append(block(x[:, a:b], told[:, a:b], memory=memory))
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    assert not torch.allclose(block(x, told[:, :1]), whole)


def test_widths():
    """Those of LLaMA's models of the published sizes."""
    assert [multiple_of_256(8 * dim / 3) for dim in (384, 512, 768, 1024, 1280, 1536, 3200)] == [
        1024, 1536, 2048, 2816, 3584, 4096, 8704,
    ]  # fmt: skip
    module = torch.nn.Module()
    with torch.device("meta"):
        fixed(module, "table", lambda: torch.arange(3))
    assert module.table.tolist() == [0, 1, 2] and not module.state_dict()


def test_training_from_a_config(tokenizer_checkpoint, tmp_path):
    args = ["fit", "--config", "tiny.yaml", "--model.tokenizer", str(tokenizer_checkpoint), "--trainer.max_steps", "2",
            "--model.network", "HaltonMaskGIT", "--model.network.dim", "16", "--model.network.depth", "1",
            "--model.network.heads", "2", "--trainer.enable_progress_bar", "false"]  # fmt: skip
    assert main([*args, "--trainer.default_root_dir", str(tmp_path)]) == 0
    assert (
        main(["sample", "--ckpt_path", str(tmp_path / "last.ckpt"), "--num_images", "2", "--out", str(tmp_path / "s")])
        == 0
    )
