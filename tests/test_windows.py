"""Canvases larger than a network was trained on: which windows cover them, and what comes of their probabilities."""

import itertools
import json

import pytest
import torch
from stubs import OfLabel, denoiser, interface

import lightgen
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.figures import read_png
from lightgen.functional.random import Noise
from lightgen.functional.tiling import canvas_grid, canvas_offset, starts, window_positions
from lightgen.guidance import ConstantGuidance
from lightgen.layout import Layout
from lightgen.networks import Transformer
from lightgen.networks.base import Network
from lightgen.processes import SUNDAE as SUNDAEProcess
from lightgen.processes import Absorbing, MaskReplace, Uniform
from lightgen.registry import components
from lightgen.samplers import Halton
from lightgen.schedules import Power
from lightgen.windows import Sliding, Windowed, on_canvas

V, WINDOW, CANVAS = 5, (2, 3), (4, 5)
N = CANVAS[0] * CANVAS[1]
LAYOUT = Layout(CANVAS, V)
FITTING = [
    (sampler, process)
    for sampler in components("sampler")
    for process in (SUNDAEProcess, Absorbing, Uniform, MaskReplace)
    if process.family in sampler.accepts
]


class _Stub(Network):
    """A network given by a function of (ids, time, label)."""

    def __init__(self, function, grid=WINDOW, num_codes=1, num_outputs=V, null=-1):
        super().__init__(interface(V + 1, num_outputs, grid, num_codes=num_codes))
        self.function, self.context, self.rows = function, OfLabel(function, null).context, []

    def forward(self, ids_BN, time=None, context=None):
        assert ids_BN.shape[1] == self.layout.num_tokens
        self.rows.append(len(ids_BN))
        return self.function(ids_BN, time, None if context is None else context.vector[:, 0, 0])


def table(ids_BN, time=None, label=None):
    """Logits by id alone."""
    return torch.randn(V + 1, V, generator=torch.Generator().manual_seed(0))[ids_BN]


def contextual(ids_BN, time=None, label=None):
    """Logits by id, place in the window, and the window's sum."""
    places = torch.randn(ids_BN.shape[1], V, generator=torch.Generator().manual_seed(1))
    return table(ids_BN) + places * (1 + ids_BN.sum(1) % 3)[:, None, None]


def ids(batch=2, num=N, seed=0):
    return Noise.of(seed, batch).integers(0, 0, num, V)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("length", "window"), [(4, 4), (5, 4), (16, 4), (17, 5), (7, 1), (48, 16)])
def test_windows_go_from_end_to_end_and_overlap_enough(length, window, overlap):
    found = starts(length, window, overlap)
    assert found[0] == 0 and found[-1] == length - window
    for first, second in itertools.pairwise(found):
        assert 0 < second - first <= max(1, window * (1 - overlap))


@pytest.mark.parametrize("num_codes", [1, 2, 3])
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_every_position_is_covered_and_the_codes_of_a_cell_stay_together(overlap, num_codes):
    positions = window_positions(CANVAS, WINDOW, overlap, num_codes)
    assert set(positions.flatten().tolist()) == set(range(N * num_codes))
    for window in positions:
        by_cell = window.view(*WINDOW, num_codes)
        assert torch.equal(by_cell % num_codes, torch.arange(num_codes).expand_as(by_cell))
        cell = by_cell[..., 0] // num_codes
        row, column = cell // CANVAS[1], cell % CANVAS[1]
        assert torch.equal(row, row[:1, :1] + torch.arange(WINDOW[0])[:, None].expand(WINDOW))
        assert torch.equal(column, column[:1, :1] + torch.arange(WINDOW[1]).expand(WINDOW))


def test_the_average_is_one_of_probabilities():
    first, second = torch.tensor([0.7, 0.1, 0.1, 0.05, 0.05]), torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2])
    network = _Stub(lambda ids, time, label: torch.stack([first, second]).log().expand(len(ids), 2, V) + 3.0, (1, 2))
    found = Windowed(network, Layout((1, 3), V))(ids(2, 3)).exp()
    torch.testing.assert_close(found, torch.stack([first, (first + second) / 2, second]).expand(2, 3, V))


@pytest.mark.parametrize("max_rows", [1, 3, 256])
def test_every_row_gets_its_own_context_label_and_time(max_rows):
    """Against windows evaluated one by one, averaged as the formula says."""

    def function(ids_BN, time, label):
        return contextual(ids_BN) * (1 + time)[:, None, None] + torch.nn.functional.one_hot(label, V)[:, None]

    network, ids_BN = _Stub(function), ids(3)
    time, label = torch.tensor([0.1, 0.5, 0.9]), torch.tensor([2, 0, 1])
    told = network.context(Condition({"label": label}), 3)
    found = Windowed(network, LAYOUT, max_rows=max_rows)(ids_BN, time, told)
    assert max(network.rows) <= max(max_rows, 3) and len(network.rows) == (9 if max_rows < 6 else 1)
    total, count = torch.zeros(3, N, V), torch.zeros(N)
    for window in window_positions(CANVAS, WINDOW, 0.5):
        count[window] += 1
        for row in range(3):
            logits = function(ids_BN[row : row + 1, window], time[row : row + 1], label[row : row + 1])
            total[row, window] += logits[0].softmax(-1)
    torch.testing.assert_close(found, (total / count[:, None]).log())


def test_a_network_that_sees_no_positions_gives_the_same_logits_on_any_canvas():
    found = Windowed(_Stub(table), LAYOUT)(ids())
    torch.testing.assert_close(found, table(ids()).log_softmax(-1))
    two_codes = Windowed(_Stub(table, num_codes=2), Layout(CANVAS, V, 2))(ids(2, 2 * N))
    torch.testing.assert_close(two_codes, table(ids(2, 2 * N)).log_softmax(-1))


def test_a_canvas_of_one_window_is_the_network_to_the_bit():
    network = Transformer(interface(V, V, WINDOW), dim=16, heads=2, dim_head=8, depth=1)
    given = ids(2, 6)
    assert torch.equal(Windowed(network, network.layout)(given), network(given))


def test_the_average_of_yes_or_no_is_one_of_probabilities():
    logits = torch.tensor([[2.0], [-1.0]])
    network = _Stub(lambda ids, time, label: logits.expand(len(ids), 2, 1), (1, 2), num_outputs=1)
    first, second = logits.squeeze(1).sigmoid()
    found = Windowed(network, Layout((1, 3), V))(ids(2, 3))
    assert found.shape == (2, 3, 1)
    torch.testing.assert_close(found[0, :, 0].sigmoid(), torch.stack([first, (first + second) / 2, second]))


class _Causal(_Stub):
    """Logits by place, class, and the ids before; one pair of codes a cell."""

    causal = True

    def __init__(self):
        super().__init__(None, num_codes=2)
        self.causal_order = torch.arange(12)

    def forward(self, ids_BN, time=None, context=None):
        before = torch.nn.functional.one_hot(ids_BN, V + 1).cumsum(1).roll(1, 1)[..., :V].double()
        before[:, 0] = context.vector[:, 0]
        return before.sin() + torch.arange(ids_BN.shape[1])[:, None]


def test_a_causal_network_draws_each_token_by_the_window_around_it():
    """The rows and columns as written in the released code of arXiv 2012.09841, for each axis on its own."""

    def local(i, length, window):
        half = window // 2
        return i if i <= half else window - (length - i) if length - i < window - half else half

    network, num_codes = _Causal(), 2
    canvas = Layout(CANVAS, V, num_codes)
    sliding, ids_BN = on_canvas(network, canvas), ids(2, num_codes * N)
    assert isinstance(sliding, Sliding) and sliding.num_windows == 1
    told = sliding.context(Condition({"label": torch.tensor([1, 2])}), 2)
    read, whole = sliding.reader(2, told), sliding(ids_BN, None, told)
    cells = ids_BN.view(2, *CANVAS, num_codes)
    for step, position in enumerate(sliding.causal_order.tolist()):
        cell, code = position // num_codes, position % num_codes
        i, j = cell // CANVAS[1], cell % CANVAS[1]
        at = local(i, CANVAS[0], WINDOW[0]), local(j, CANVAS[1], WINDOW[1])
        window = cells[:, i - at[0] :, j - at[1] :][:, : WINDOW[0], : WINDOW[1]]
        expected = network(window.flatten(1), None, told)[:, (at[0] * WINDOW[1] + at[1]) * num_codes + code]
        assert torch.equal(read(ids_BN, step), expected) and torch.equal(whole[:, position], expected)
        undrawn = torch.where(torch.arange(num_codes * N) >= position, V, ids_BN)
        assert torch.equal(read(undrawn, step), expected)
    given = ids(2, 12)
    assert torch.equal(Sliding(network, network.layout)(given, None, told), network(given, None, told))
    network.causal_order = network.causal_order.flip(0)
    with pytest.raises(ValueError, match="row by row"):
        Sliding(network, canvas)


def test_probabilities_that_underflow_do_not_break_guidance():
    def function(ids, time, label):
        return torch.nn.functional.one_hot(ids, V) * 500.0 * (1 + label)[:, None, None]

    network, label = Windowed(_Stub(function, null=1), LAYOUT), torch.zeros(2).long()
    denoise = denoiser(network, V, CANVAS, label, guidance=ConstantGuidance(3.0))
    assert denoise.bind(torch.arange(2))(ids()).logits.isfinite().all()


def test_wrong_canvases_are_refused():
    network = _Stub(table)
    for grid in ((1, 5), (4, 2)):
        with pytest.raises(ValueError, match="at least one window of 2x3 cells, not"):
            Windowed(network, Layout(grid, V))
    with pytest.raises(ValueError, match=r"overlap must be in \[0, 1\), not 1"):
        Windowed(network, LAYOUT, overlap=1)
    with pytest.raises(ValueError, match="max_rows must be at least 1, not 0"):
        Windowed(network, LAYOUT, max_rows=0)


def test_canvases_are_counted_in_windows():
    assert canvas_grid((16, 12), (2, 3)) == (32, 36)
    assert canvas_grid((16, 12), (1.5, 1.333)) == (24, 16)
    for canvas in ((0.5, 2), (1, 0), (float("nan"), 1), (1, float("inf"))):
        with pytest.raises(ValueError, match="at least one window"):
            canvas_grid((16, 12), canvas)
    with pytest.raises(ValueError, match=r"whole cells, 1/16 of a window down and 1/12 across, not 1\.03,1"):
        canvas_grid((16, 12), (1.03, 1))
    assert canvas_offset((4, 4), (8, 6)) == (2, 1)
    assert canvas_offset((4, 4), (8, 6), (1, 0.25)) == (4, 1)
    with pytest.raises(ValueError, match=r"place must be in \[0, 1\], \[0, 0.5\] on this canvas, not 0,1"):
        canvas_offset((4, 4), (8, 6), (0, 1))


def sampled(sampler, process, index, known=None, given=None):
    made, noise = process(V), Noise(0, index)
    start = made.initial(N, noise)
    if known is not None:
        start = torch.where(known, given, start)
    network = Windowed(_Stub(contextual), LAYOUT)
    # Any function of the ids will do for a critic.
    critic = lambda ids, time, context: network(ids, time, context)[..., :1]  # noqa: E731
    denoise = denoiser(network, V, CANVAS, process=made, critic=critic)
    return sampler(denoise, start, known, noise)


@pytest.mark.parametrize(("sampler", "process"), FITTING)
def test_every_sampler_works_on_a_canvas(sampler, process):
    made, known, given = sampler(4), Noise.of(8, 3).uniform(0, 0, N) < 0.4, ids(3, seed=5)
    whole = sampled(made, process, torch.arange(3), known, given)
    assert torch.equal(whole.ids[known], given[known])
    assert whole.ids.min() >= 0 and whole.ids.max() < V and whole.trace.evaluations.max() <= 8
    alone = [sampled(made, process, torch.tensor([i]), known[i : i + 1], given[i : i + 1]).ids for i in range(3)]
    assert torch.equal(torch.cat(alone), whole.ids)


def test_evaluations_count_the_canvas_not_its_windows():
    assert sampled(Halton(7, schedule=Power()), Absorbing, torch.arange(2)).trace.evaluations.tolist() == [7, 7]


@pytest.fixture(scope="module")
def prior(prior_checkpoint):
    return lightgen.load(prior_checkpoint)


def test_a_prior_on_a_canvas_of_one_window_samples_the_same_pictures(prior):
    noise = Noise.of(2, 3)
    assert torch.equal(prior.sample_ids(noise, canvas=(1, 1)).ids, prior.sample_ids(noise).ids)


def test_pictures_of_a_canvas_do_not_depend_on_the_batch(prior):
    whole = prior.sample(3, seed=3, canvas=(1.5, 2))
    assert whole.shape == (3, 3, 24, 32)
    # Where a convolution rounds depends on the number of rows, so that a value can come to lie a grey level off.
    alone = prior.sample(3, seed=3, batch_size=1, canvas=(1.5, 2))
    assert (whole.int() - alone.int()).abs().max() <= 1
    ids = [prior.sample_ids(Noise.of(3, 1, i), canvas=(1.5, 2)).ids for i in range(3)]
    assert torch.equal(torch.cat(ids), prior.sample_ids(Noise.of(3, 3), canvas=(1.5, 2)).ids)


def test_sample_command(prior, prior_checkpoint, tmp_path, capsys):
    args = ["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "2", "--canvas", "2x1.5", "--animate"]
    assert main([*args, "--out", str(tmp_path)]) == 0
    expected = prior.sample(2, canvas=(2, 1.5))
    for i in range(2):
        assert torch.equal(read_png(tmp_path / f"{i:06d}.png"), expected[i])
    record = json.loads((tmp_path / "samples.json").read_text())
    assert record["canvas"] == {"rows": 2.0, "columns": 1.5, "cells": [8, 6], "windows": 6}
    assert "network evaluations of 6 windows each" in capsys.readouterr().out
