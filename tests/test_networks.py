"""The hourglass and the flat transformer."""

import pytest
import torch
import yaml
from stubs import interface

from lightgen.cli.configs import shipped
from lightgen.condition import Condition, Context
from lightgen.networks import BERT, Hourglass, Transformer, UViT
from lightgen.networks.resamplers import AttentionResampler, LinearResampler, NaiveResampler
from lightgen.networks.rotary import Rotary

K, V, GRID = 12, 11, (4, 8)
SMALL = {"dim": 16, "heads": 2, "dim_head": 8}
NETWORKS = {
    "flat": lambda: Transformer(interface(K, V, GRID, 3), depth=2, **SMALL),
    "attention": lambda: Hourglass(interface(K, V, GRID, 3), depth=(1, 2, 1), **SMALL),
    "linear": lambda: Hourglass(interface(K, V, GRID, 3), depth=(1, 2, 1), resampler=LinearResampler(), **SMALL),
    "naive": lambda: Hourglass(interface(K, V, GRID, 3), depth=(1, 2, 1), resampler=NaiveResampler(), **SMALL),
    "1-D": lambda: Hourglass(interface(K, V, GRID, 3), depth=(1, 2, 1), resampler=AttentionResampler(axes=1), **SMALL),
    "as released": lambda: Hourglass(
        interface(K, V, GRID, 3), depth=(1, 2, 1), resampler=AttentionResampler(1, LinearResampler(2)), **SMALL
    ),
    "learned": lambda: Hourglass(interface(K, V, GRID, 3), depth=(1, 2, 1), positions="learned", **SMALL),
    "nested": lambda: Hourglass(interface(K, V, GRID, 3), depth=(1, (1, 2, 1), 1), factors=((2, 2), (1, 2)), **SMALL),
    "BERT": lambda: BERT(interface(K, V, GRID, 3), 16, depth=2, heads=2),
    "BERT with a linear head": lambda: BERT(interface(K, V, GRID, 3), 16, depth=2, heads=2, tied=False),
    "U-ViT": lambda: UViT(interface(K, V, GRID, 3), 16, depth=3, heads=2),
    "U-ViT with BERT's head": lambda: UViT(interface(K, V, GRID, 3), 16, depth=3, heads=2, tied=True),
}


def of_label(network, label):
    return network.context(Condition({"label": label}), len(label))


def ids(batch=2, seed=0):
    return torch.randint(K, (batch, GRID[0] * GRID[1]), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_gets_a_gradient(name):
    torch.manual_seed(0)
    network = NETWORKS[name]()
    logits = network(ids(8), None, of_label(network, torch.arange(8) % 4))
    assert logits.shape == (8, 32, V)
    (logits * torch.randn_like(logits)).sum().backward()
    # Ids and classes that the batch lacks have no gradient in their own rows.
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("name", NETWORKS)
def test_rows_of_a_batch_do_not_see_each_other(name):
    network = NETWORKS[name]().eval()
    batch, context = ids(3), of_label(network, torch.tensor([0, 1, 2]))
    alone = torch.cat([network(batch[i : i + 1], None, context.select(torch.tensor([i]))) for i in range(3)])
    torch.testing.assert_close(network(batch, None, context), alone)


def test_learned_positions_are_all_that_tells_cells_apart():
    torch.manual_seed(0)
    network, order = (
        Transformer(interface(K, V, GRID, 3), depth=2, positions="learned", **SMALL).eval(),
        torch.randperm(32),
    )
    assert not torch.allclose(network(ids()[:, order]), network(ids())[:, order], atol=1e-3)
    torch.nn.init.zeros_(network.cell)
    torch.testing.assert_close(network(ids()[:, order]), network(ids())[:, order])
    with pytest.raises(ValueError, match="positions must be rotary or learned, not none"):
        Transformer(interface(K, V, GRID, 3), depth=2, positions="none", **SMALL)


PAPER = {
    "ffhq256": ((16, 16), 1024, 178.4), "ffhq1024": ((32, 32), 8192, 671.4), "celeba256": ((16, 16), 1024, 199.4),
    "imagenet256": ((16, 16), 1024, 200.4), "mnist": ((28, 28), 256, 155.9), "fashionmnist": ((28, 28), 256, 155.9),
}  # fmt: skip
"""Grid, codes, and parameters in millions of the networks that arXiv 2206.12351 was released with."""


@pytest.mark.parametrize("config", PAPER)
def test_a_config_of_the_paper_builds_its_network(config):
    text = yaml.safe_load((shipped() / "prior" / f"{config}.yaml").read_text())
    given = dict(text["model"]["init_args"]["network"]["init_args"])
    arguments = given.pop("resampler")["init_args"]
    base = LinearResampler(**arguments.pop("base")["init_args"])
    grid, codes, millions = PAPER[config]
    classes = (text["model"]["init_args"]["conditioner"] or {"init_args": {"num_classes": 0}})["init_args"][
        "num_classes"
    ]
    with torch.device("meta"):
        network = Hourglass(
            interface(codes, codes, grid, classes), resampler=AttentionResampler(base=base, **arguments), **given
        )
    # The released code has no row for "no class".
    extra = given["dim"] if classes else 0
    assert (sum(p.numel() for p in network.parameters()) - extra) / 1e6 == pytest.approx(millions, abs=0.05)


def test_every_position_sees_every_other():
    torch.manual_seed(0)
    network = NETWORKS["nested"]()
    embedded = network.token(ids(1)).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.body(embedded, Context())[0, 0].square().sum(), embedded)
    assert (gradient[0].abs().sum(-1) > 0).all()


def test_no_label_means_the_null_class():
    network = NETWORKS["attention"]().eval()
    null = torch.full((2,), 3)
    torch.testing.assert_close(network(ids()), network(ids(), None, of_label(network, null)))
    assert not torch.allclose(network(ids()), network(ids(), None, of_label(network, torch.zeros_like(null))))


def test_the_valley_is_coarse():
    network = NETWORKS["nested"]()
    assert network.level.valley.grid == (2, 4)
    assert len(network.level.valley.valley.rotary.rotation) == 2 * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": (1, 2)}, "depth must be"),
        ({"depth": (1, 2, 1), "factors": ()}, "one pair for each valley"),
        ({"depth": (1, (1, 1, 1), 1), "factors": ((2, 2),)}, "one pair for each valley"),
        ({"depth": (1, 2, 1), "factors": ((2, 2), (2, 2))}, "one pair for each valley"),
        ({"depth": (1, 2, 1), "factors": ((3, 2),)}, "cannot be divided"),
        ({"depth": (1, 2, 1), "dim_head": 6}, "divisible by 4"),
    ],
)
def test_bad_shapes(arguments, message):
    with pytest.raises(ValueError, match=message):
        Hourglass(interface(K, V, GRID, 0), dim=16, **arguments)


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        (UViT, {"depth": 4}, "depth must be an odd number, not 4"),
        (UViT, {"heads": 3}, "heads must divide dim, 16, and 3 does not"),
        (BERT, {"heads": 0}, "heads must divide dim, 16, and 0 does not"),
        (BERT, {"heads": 2, "hidden": 0}, "hidden must be at least 1, not 0"),
    ],
)
def test_sizes_that_do_not_fit(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        network(interface(K, V, GRID, 0), dim=16, **arguments)


def test_rotary_turns_every_head_and_keeps_lengths():
    rotary, x = Rotary((3, 5), 8), torch.randn(1, 15, 4, 8)
    turned = rotary(x)
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    assert ((turned - x).abs().amax((0, 1, 3)) > 0.1).all()


def test_rotary_products_depend_on_the_displacement_only():
    rotary = Rotary((4, 6), 16)
    q, k = torch.randn(16), torch.randn(16)
    same = [rotary(v.expand(1, 24, 1, 16))[0, :, 0].view(4, 6, 16) for v in (q, k)]
    products = torch.einsum("abd,efd->abef", *same)
    torch.testing.assert_close(products[1, 2, 2, 4], products[0, 1, 1, 3])
    torch.testing.assert_close(products[3, 5, 1, 0], products[2, 5, 0, 0])
    assert not torch.allclose(products[0, 0, 0, 1], products[0, 0, 1, 0])


def test_time_is_an_input_where_a_process_reads_it():
    torch.manual_seed(0)
    network = Transformer(interface(K, V, GRID, 0, reads_time=True), depth=1, **SMALL).eval()
    early, late = (network(ids(), torch.full((2,), time)) for time in (0.1, 0.9))
    assert not torch.allclose(early, late)
    mixed = network(ids(), torch.tensor([0.1, 0.9]))
    torch.testing.assert_close(mixed, torch.cat([early[:1], late[1:]]))
    with pytest.raises(ValueError, match="must be told"):
        network(ids())
    without = Transformer(interface(K, V, GRID, 0), depth=1, **SMALL).eval()
    assert torch.equal(without(ids(), torch.full((2,), 0.1)), without(ids()))


def test_the_codes_of_a_cell_are_summed_and_have_a_head_each():
    torch.manual_seed(0)
    network = Hourglass(interface(K, V, GRID, 0, num_codes=3), depth=(1, 1, 1), **SMALL).eval()
    given = torch.randint(K, (2, network.layout.num_tokens))
    assert network.layout.num_tokens == 3 * 32 and network(given).shape == (2, 96, V)
    cell = sum(network.token.weight[book * K + given[1, 5 * 3 + book]] for book in range(3))
    torch.testing.assert_close(network.embed(given)[1, 5], cell)
    vectors = torch.randn(2, 32, 16)
    heads = network.to_logits(vectors)[1, 5].view(3, V)
    torch.testing.assert_close(network.logits(vectors)[1, 15:18], heads)
