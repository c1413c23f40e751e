"""Networks that are told which cells of a picture are known, and trained to fill holes."""

import copy

import pytest
import torch
from stubs import TableNetwork
from test_cli_errors import mistake
from test_init_from import QUIET, trained

import lightgen
from lightgen.condition import KNOWN, Condition
from lightgen.conditioners import ClassLabel, KnownCells, Mixed
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.layout import Layout
from lightgen.modules import PriorModule
from lightgen.modules.prior import Knowing, with_holes
from lightgen.networks import Transformer
from lightgen.networks.base import Interface
from lightgen.prior import Prior
from lightgen.processes import SUNDAE as SUNDAEProcess
from lightgen.processes import Absorbing, MaskGIT, MaskReplace, Uniform
from lightgen.processes.base import DENOISER
from lightgen.recipe import Recipe
from lightgen.samplers import Ancestral, RandomOrder
from lightgen.tokenizers import PixelTokenizer
from lightgen.windows import Windowed

PROCESSES = [SUNDAEProcess, Absorbing, MaskGIT, Uniform, MaskReplace]
V, GRID = 5, (3, 4)


def network_of(layout, conditioner, num_ids):
    torch.manual_seed(0)
    asked = Interface(layout, num_ids, None, False, conditioner)
    made = Transformer(asked, dim=16, depth=1, heads=1, dim_head=16)
    for part in conditioner.modules():
        if isinstance(part, torch.nn.Embedding):
            torch.nn.init.normal_(part.weight)
    torch.nn.init.normal_(made.to_logits[-1].weight)
    return made.eval()


@pytest.mark.parametrize("grid", [(8, 8), (3, 4), (4, 4), (16, 10)])
def test_holes_are_of_all_kinds_and_a_function_of_the_picture(grid):
    noise = Noise.of(3, 400)
    known = KnownCells(whole=0.2).holes(grid, noise)
    assert known.shape == (400, grid[0] * grid[1]) and known.dtype == torch.bool
    whole = ~known.any(1)
    assert 0.13 < whole.float().mean() < 0.27 and not known.all(1).any()
    assert torch.equal(KnownCells(0.2).holes(grid, noise.select(torch.tensor([7, 2]))), known[[7, 2]])
    assert not torch.equal(KnownCells(0.2).holes(grid, Noise.of(4, 400)), known)
    assert KnownCells(1.0).holes(grid, noise).sum() == 0 and KnownCells(0.0).holes(grid, noise).any(1).all()
    assert 0.3 < known[~whole].float().mean() < 0.7
    # No cell is always on one side.
    share = known[~whole].float().mean(0)
    assert share.min() > 0.2 and share.max() < 0.8
    if grid == (8, 8):
        holes = (~known[~whole]).view(-1, *grid)
        full = holes.any(2).sum(1) * holes.any(1).sum(1) == holes.sum((1, 2))
        inverse = (~holes).any(2).sum(1) * (~holes).any(1).sum(1) == (~holes).sum((1, 2))
        assert 0.15 < full.float().mean() < 0.45 and 0.15 < inverse.float().mean() < 0.45


def test_where_nothing_is_known_nothing_is_added():
    conditioner = KnownCells()
    network = network_of(Layout(GRID, V), conditioner, V)
    ids = Noise.of(0, 3).integers(0, 0, 12, V)
    plain = network(ids)
    known = torch.zeros(3, 12, dtype=torch.bool)
    assert torch.equal(network(ids, None, network.context(Condition({KNOWN: known}), 3)), plain)
    known[1, 4:] = True
    told = network(ids, None, network.context(Condition({KNOWN: known}), 3))
    assert torch.equal(told[[0, 2]], plain[[0, 2]]) and not torch.allclose(told[1], plain[1])
    torch.nn.init.zeros_(conditioner.embedding.weight)
    assert torch.equal(network(ids, None, network.context(Condition({KNOWN: known}), 3)), plain)


@pytest.mark.parametrize("process", PROCESSES)
def test_known_tokens_are_read_and_give_no_gradient(process):
    """Whatever a process does to them: it is not asked to know of holes."""
    made, ids, noise = process(V), Noise.of(1, 6).integers(0, 0, 12, V), Noise.of(2, 6)
    known = Noise.of(5, 6).uniform(0, 0, 12) < 0.5
    table, asked = TableNetwork(V + 1, V), []

    def run(part):
        # One table for the known positions and another for the unknown.
        tables = [copy.deepcopy(table) for _ in range(2)]

        class Both(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.tables = torch.nn.ModuleList(tables)

            def forward(self, noisy, time=None):
                asked.append(noisy.clone())
                return torch.where(part[..., None], tables[0](noisy), tables[1](noisy))

        made.loss({DENOISER: Knowing(Both(), ids, known)}, ids, noise).loss.backward()
        return [one.table.grad for one in tables]

    of_known, of_unknown = run(known)
    assert not of_known.any() and of_unknown.any()
    assert all(torch.equal(noisy[known], ids[known]) for noisy in asked)
    assert any((noisy != ids).any() for noisy in asked)


@pytest.mark.parametrize("process", [SUNDAEProcess, Absorbing, Uniform, MaskReplace])
def test_the_loss_of_what_is_known_is_nothing(process):
    made, ids = process(V), Noise.of(1, 6).integers(0, 0, 12, V)
    everything = torch.ones_like(ids, dtype=torch.bool)
    network = Knowing(TableNetwork(V + 1, V), ids, everything)
    assert made.loss({DENOISER: network}, ids, Noise.of(2, 6)).loss.item() == pytest.approx(0, abs=1e-6)


def test_the_sampler_tells_what_is_known_in_all_branches_of_guidance():
    layout = Layout(GRID, V, num_codes=2)
    network = network_of(layout, Mixed([ClassLabel(3), KnownCells()]), V + 1)
    process, noise = Absorbing(V), Noise.of(0, 2)
    known = (torch.arange(24) < 9).expand(2, 24)
    label = Condition({"label": torch.tensor([0, 2])})
    denoise = Denoiser(network, layout, label, guidance=ConstantGuidance(3.0), process=process)
    ids = process.initial(24, noise)
    loop = Ancestral(4).iterate(denoise, ids, known, noise, watch=True)

    def expected(ids, cells):
        told = [label.replace(**{KNOWN: cells}), Condition({KNOWN: cells})]
        towards, away = (network(ids, None, network.context(one, 2)).log_softmax(-1) for one in told)
        return (away + 3 * (towards - away)).softmax(-1)

    cells = (torch.arange(12) < 4).expand(2, 12)
    before = loop.ids
    next(loop)
    torch.testing.assert_close(loop._denoise.own.softmax(-1), expected(before, cells))
    # And what becomes known on the way.
    loop.edit(known_BN=(torch.arange(24) < 20).expand(2, 24))
    before = loop.ids
    next(loop)
    torch.testing.assert_close(loop._denoise.own.softmax(-1), expected(before, (torch.arange(12) < 10).expand(2, 12)))


def test_a_window_of_a_canvas_is_told_of_its_own_cells():
    network = network_of(Layout((2, 3), V), KnownCells(), V)
    canvas = Layout((2, 5), V)
    windowed, known = Windowed(network, canvas, overlap=0.0), torch.tensor([[1, 0, 0, 0, 1, 1, 0, 0, 0, 1]]).bool()
    ids = Noise.of(0, 1).integers(0, 0, 10, V)
    found = windowed(ids, None, windowed.context(Condition({KNOWN: known}), 1)).softmax(-1)
    parts = []
    for first in (0, 2):
        cells = (torch.arange(2)[:, None] * 5 + first + torch.arange(3)).flatten()
        context = network.context(Condition({KNOWN: known[:, cells]}), 1)
        parts.append(network(ids[:, cells], None, context).softmax(-1).view(2, 3, V))
    left, right = parts
    expected = torch.cat([left[:, :2], (left[:, 2:] + right[:, :1]) / 2, right[:, 1:]], 1)
    torch.testing.assert_close(found.view(2, 5, V), expected)


def test_known_tokens_never_change_and_pictures_do_not_depend_on_the_batch():
    tokenizer, process = PixelTokenizer(4), Absorbing(256)
    network = network_of(tokenizer.layout, KnownCells(), 257)
    prior = Prior(tokenizer, network, process, Recipe(RandomOrder(4)))
    ids = Noise.of(9, 4).integers(0, 0, 16, 256)
    known = Noise.of(8, 4).uniform(0, 0, 16) < 0.5
    found = prior.sample_ids(Noise.of(0, 4), ids_BN=ids, known_BN=known).ids
    assert torch.equal(found[known], ids[known]) and not torch.equal(found, ids)
    alone = prior.sample_ids(Noise.of(0, 1, 2), ids_BN=ids[2:3], known_BN=known[2:3]).ids
    assert torch.equal(alone[0], found[2])
    torch.nn.init.zeros_(network.conditioner.embedding.weight)
    untold = prior.sample_ids(Noise.of(0, 4), ids_BN=ids, known_BN=known).ids
    assert not torch.equal(untold, found)


def test_training_begins_as_the_prior_that_it_goes_on_from(prior_checkpoint, tmp_path, capsys):
    overlay = ["--config", "method/inpainting.yaml"]
    before, after = lightgen.load(prior_checkpoint), trained(prior_checkpoint, tmp_path, *overlay)
    rows = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert ["conditioner.parts.1.embedding.weight", "2x16", "-", "begins", "anew"] in rows
    conditioner = after.network.conditioner
    assert isinstance(conditioner, Mixed) and conditioner.parts[0].num_classes == before.network.conditioner.num_classes
    assert not conditioner.parts[1].embedding.weight.any()
    image, hole = before.sample(1)[0], torch.zeros(16, 16, dtype=torch.bool)
    hole[4:10, 4:16] = True
    for how in ({}, {"label": 1, "guidance": 3.0}):
        expected = before.inpaint(image, hole, 3, margin=0, **how)
        assert torch.equal(after.inpaint(image, hole, 3, margin=0, **how), expected)
        assert torch.equal(after.sample(3, **how), before.sample(3, **how))
    # A step with a learning rate moves what is told.
    moved = trained(prior_checkpoint, tmp_path / "moved", *overlay, "--model.optimizer.lr", "0.1")
    assert moved.network.conditioner.parts[1].embedding.weight.any(1).all()
    assert moved.inpaint(image, hole, 3, margin=0).shape == (3, 3, 16, 16)


def test_validation_has_the_loss_of_holes_and_the_bits_of_whole_pictures():
    tokenizer, process = PixelTokenizer(4), Absorbing(256)
    prior = Prior(tokenizer, network_of(tokenizer.layout, KnownCells(0.0), 257), process, Recipe(Ancestral(4)))
    ids, noise = Noise.of(9, 8).integers(0, 0, 16, 256), Noise.of(1, 8)
    networks = with_holes(prior, Condition(), ids, noise)
    cells = prior.network.conditioner.holes((4, 4), noise)
    assert torch.equal(networks[DENOISER].known, cells) and cells.any(1).all()
    assert torch.equal(networks[DENOISER].denoise.condition.tensors[KNOWN], cells)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--model.known.whole", "2"], "whole must be in [0, 1], not 2"),
        (["--config", "method/causal.yaml"], "known: a network trained with causal noise sees only what comes before"),
    ],
)
def test_what_cannot_be_told_is_refused(args, message, tokenizer_checkpoint, capsys, tmp_path):
    common = ["fit", "--config", "tiny.yaml", "--config", "method/inpainting.yaml", *QUIET]
    given = ["--model.tokenizer", str(tokenizer_checkpoint), "--trainer.default_root_dir", str(tmp_path)]
    assert message in mistake(capsys, [*common, *given, *args])


def test_nothing_is_told_twice(tokenizer_checkpoint):
    again, how = KnownCells(), (Transformer, Absorbing, Recipe(Ancestral(4)), KnownCells())
    with pytest.raises(ValueError, match="the conditioner is told the known cells already"):
        PriorModule(str(tokenizer_checkpoint), *how, known=again)
