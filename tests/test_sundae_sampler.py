"""The SUNDAE sampler and the loop that every sampler shares."""

import pytest
import torch
from stubs import TableNetwork, denoiser, echo, oracle

from lightgen.functional.random import Noise, Stream
from lightgen.processes import SUNDAE as SUNDAEProcess
from lightgen.processes import Uniform
from lightgen.samplers.argmax_unrolled import ArgmaxUnrolled
from lightgen.samplers.base import Sampler, require_fit
from lightgen.samplers.sundae import SUNDAE
from lightgen.types import NoiseFamily
from lightgen.warps import Warps

V, N, GRID = 6, 12, (3, 4)


def start(batch: int, seed: int = 0):
    noise = Noise.of(seed, batch)
    return noise.integers(0, 9, N, V), noise


@pytest.mark.parametrize("steps", [1, 2, N, 3 * N])
def test_oracle_is_found_at_any_number_of_steps(steps):
    ids, noise = start(3)
    answer = Noise.of(5, 3).integers(0, 0, N, V)
    sample = SUNDAE(steps, update=1.0, patience=None)(denoiser(oracle(answer, V), V, GRID), ids, None, noise)
    assert torch.equal(sample.ids, answer)
    assert sample.trace.evaluations.tolist() == [steps] * 3


@pytest.mark.parametrize(("min_steps", "patience"), [(0, 1), (10, 1), (4, 3)])
def test_stub_that_returns_its_input_stops_after_min_steps_plus_patience(min_steps, patience):
    ids, noise = start(4)
    sample = SUNDAE(50, min_steps=min_steps, patience=patience)(denoiser(echo(V), V, GRID), ids, None, noise)
    assert sample.trace.evaluations.tolist() == [min_steps + patience] * 4
    assert sample.trace.finished.all()
    assert torch.equal(sample.ids, ids)


@pytest.mark.parametrize("unchanged", ["written", "proposal"])
def test_a_picture_rests_by_what_is_written_or_by_all_that_is_drawn(unchanged):
    """Every proposal differs everywhere, and one step in two writes nothing of it."""
    ids, noise = start(64)
    network = TableNetwork(V, V)
    with torch.no_grad():
        network.table.copy_(torch.roll(torch.eye(V), 1, dims=1) * 60)
    update = 1 - 0.5 ** (1 / N)
    trace = SUNDAE(9, update, min_steps=2, unchanged=unchanged)(denoiser(network, V, GRID), ids, None, noise).trace
    wrote = torch.stack([(noise.uniform(step, Stream.UPDATE, N) < update).any(1) for step in range(2, 9)])
    steps = 2 + torch.where(wrote.all(0), 7, wrote.int().argmin(0) + 1)
    assert trace.evaluations.tolist() == (steps if unchanged == "written" else steps.fill_(9)).tolist()


@pytest.mark.parametrize("sampler", [SUNDAE, ArgmaxUnrolled])
@pytest.mark.parametrize("process", [SUNDAEProcess(V), Uniform(V), Uniform(V, schedule="cosine")])
def test_a_network_that_reads_the_time_is_told_how_many_tokens_were_never_written(sampler, process):
    told = []

    def network(ids, time, context):
        told.append(time)
        return Noise.of(len(told), len(ids)).uniform(0, 0, N * V).unflatten(1, (N, V))

    ids, noise = start(2)
    sampler(4, update=0.4)(denoiser(network, V, GRID, process=process, reads_time=True), ids, None, noise)
    # ArgmaxUnrolled's second look is at what the step proposes to write.
    seen = list(range(4)) if sampler is SUNDAE else [k for step in range(4) for k in (step, step + 1)]
    assert len(told) == len(seen)
    for time, k in zip(told, seen, strict=True):
        left = 1 - process.noise_level(time.double()).kept
        torch.testing.assert_close(left, torch.full((2,), 0.6**k).double(), rtol=0, atol=1e-5)


def test_patience_null_never_stops():
    ids, noise = start(2)
    sample = SUNDAE(20, min_steps=0, patience=None)(denoiser(echo(V), V, GRID), ids, None, noise)
    assert sample.trace.evaluations.tolist() == [20, 20]
    assert not sample.trace.finished.any()


def test_known_tokens_never_change():
    ids, noise = start(5)
    known = Noise.of(1, 5).uniform(0, 0, N) < 0.4
    states = []
    denoise = denoiser(TableNetwork(V, V), V, GRID)
    SUNDAE(8, update=1.0)(denoise, ids, known, noise, lambda s, x: states.append(x.clone()))
    assert len(states) == 8
    for state in states:
        assert torch.equal(state[known], ids[known])
        assert not torch.equal(state[~known], ids[~known])


def test_finished_pictures_leave_the_batch_and_stay():
    """A table that maps most ids to themselves: pictures come to rest one after the other."""
    network = TableNetwork(V, V)
    with torch.no_grad():
        network.table.copy_(torch.eye(V) * 9)
        network.table[0] = torch.tensor([1.0, 0.5, 0, 0, 0, 0])
    ids, noise = start(32)
    states, denoise = [], denoiser(network, V, GRID)
    sample = SUNDAE(60, min_steps=0)(denoise, ids, None, noise, lambda s, x: states.append(x.clone()))
    rows = sample.trace.rows
    assert rows[0] == 32 and rows == sorted(rows, reverse=True) and rows[-1] < 32
    assert [len(call) for call in network.calls] == rows
    assert sum(rows) == int(sample.trace.evaluations.sum())
    for picture, count in enumerate(sample.trace.evaluations.tolist()):
        assert all(torch.equal(state[picture], sample.ids[picture]) for state in states[count:])
        assert sample.trace.changed[count:, picture].sum() == 0


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_picture_does_not_depend_on_its_batch(batch_size):
    network, sampler = TableNetwork(V, V), SUNDAE(30, min_steps=2)
    alone = torch.cat([_sample(network, sampler, [i]) for i in range(64)])
    batches = [_sample(network, sampler, list(range(64))[i : i + batch_size]) for i in range(0, 64, batch_size)]
    assert torch.equal(torch.cat(batches), alone)


def _sample(network, sampler, pictures):
    noise = Noise(0, torch.tensor(pictures))
    return sampler(denoiser(network, V, GRID), noise.integers(0, 9, N, V), None, noise).ids


def test_update_ramp_writes_its_share():
    ids, noise = start(400)
    network = TableNetwork(V, V)
    with torch.no_grad():
        network.table.copy_(torch.roll(torch.eye(V), 1, dims=1) * 60)  # every proposal differs
    trace = SUNDAE(5, update=1.0, update_end=0.2)(denoiser(network, V, GRID), ids, None, noise).trace
    share = trace.changed.double().mean(1) / N
    torch.testing.assert_close(share, torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2]).double(), atol=0.03, rtol=0)


def test_greedy_sampling_needs_no_luck():
    ids, noise = start(3)
    network = TableNetwork(V, V)
    sample = SUNDAE(1, update=1.0)(denoiser(network, V, GRID, warps=Warps(temperature=0.0)), ids, None, noise)
    assert torch.equal(sample.ids, network.table[ids].argmax(-1))


def test_labels_leave_with_their_pictures():
    seen = []

    def network(ids, time, label):
        seen.append((len(ids), label.tolist()))
        logits = echo(V)(ids)
        # Pictures of class 1 never rest.
        return torch.where(label[:, None, None] == 1, logits.roll(1, -1), logits)

    ids, noise = start(4)
    SUNDAE(4, min_steps=0)(denoiser(network, V, GRID, torch.tensor([0, 1, 0, 1])), ids, None, noise)
    assert seen[0] == (4, [0, 1, 0, 1])
    assert seen[1:] == [(2, [1, 1])] * 3


@pytest.mark.parametrize(
    "bad", [{"steps": 0}, {"update": 0.0}, {"update": 1.5}, {"update_end": 0.0}, {"min_steps": -1}, {"patience": 0},
            {"unchanged": "nothing"}],
)  # fmt: skip
def test_bad_arguments_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        SUNDAE(**bad)


def test_wrong_noise_family_is_refused_in_one_line():
    class OnlyMasks(SUNDAE):
        accepts = frozenset({NoiseFamily.ABSORBING})

    with pytest.raises(ValueError, match=r"OnlyMasks does not fit .* uniform noise; these do: .*SUNDAE"):
        require_fit(OnlyMasks(), NoiseFamily.UNIFORM)
    require_fit(SUNDAE(), NoiseFamily.UNIFORM)
    assert issubclass(OnlyMasks, Sampler)
