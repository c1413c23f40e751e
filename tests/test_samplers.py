"""What every sampler keeps to, on every process that it accepts; and, on cases small enough, the truth."""

import itertools

import pytest
import torch
from stubs import TableNetwork

from lightgen.denoiser import Denoiser
from lightgen.functional.orders import halton_rank
from lightgen.functional.random import Noise
from lightgen.processes import SUNDAE as SUNDAEProcess
from lightgen.processes import Absorbing, MaskReplace, Uniform
from lightgen.registry import components
from lightgen.samplers import Ancestral, Halton, MaskGIT, RandomOrder
from lightgen.schedules import Arccos, Cosine, Power

V, N, GRID = 5, 12, (3, 4)
PROCESSES = [SUNDAEProcess, Absorbing, Uniform, MaskReplace]
DIFFUSIONS = [SUNDAEProcess, Absorbing, Uniform, MaskReplace]
UNMASKING = [MaskGIT, RandomOrder, Halton]
FITTING = [
    (sampler, process)
    for sampler in components("sampler")
    for process in PROCESSES
    if process.family in sampler.accepts
]


class Knowing:
    """Gives each picture its answer; rows may leave the batch, because the first token is known and names the row."""

    def __init__(self, answers):
        self.answers = answers

    def __call__(self, ids_BN, time=None, label=None):
        return torch.nn.functional.one_hot(self.answers[label], V) * 60.0


def sampled(sampler, process, network, batch=4, seed=0, known=None, ids=None, index=None, label=None, on_step=None):
    made = process(V)
    noise = Noise(seed, torch.arange(batch) if index is None else index)
    start = made.initial(N, noise)
    if known is not None:
        start = torch.where(known, ids, start)
    return sampler(Denoiser(network, label, grid=GRID, process=made), start, known, noise, on_step)


@pytest.mark.parametrize(("sampler", "process"), FITTING)
@pytest.mark.parametrize("steps", [1, 2, N, 3 * N])
def test_an_oracle_is_found_and_known_tokens_stay(sampler, process, steps):
    arguments = {"update": 1.0, "patience": None} if hasattr(sampler(steps), "update") else {}
    made, answers = sampler(steps, **arguments), Noise.of(7, 4).integers(0, 0, N, V)
    out = sampled(made, process, Knowing(answers), label=torch.arange(4))
    assert torch.equal(out.ids, answers)
    known = Noise.of(8, 4).uniform(0, 0, N) < 0.4
    other = (answers + 1) % V
    states = []
    out = sampled(made, process, Knowing(answers), known=known, ids=other, label=torch.arange(4),
                  on_step=lambda step, ids: states.append(ids.clone()))  # fmt: skip
    assert torch.equal(out.ids, torch.where(known, other, answers))
    for state in states:
        assert torch.equal(state[known], other[known])


@pytest.mark.parametrize(("sampler", "process"), FITTING)
@pytest.mark.parametrize("steps", [1, 5, 20])
def test_ids_are_codes_and_pictures_do_not_depend_on_the_batch(sampler, process, steps):
    network = TableNetwork(V + 1, V)
    whole = sampled(sampler(steps), process, network, 6)
    assert whole.ids.min() >= 0 and whole.ids.max() < V
    parts = [sampled(sampler(steps), process, network, index=torch.tensor([i])).ids for i in range(6)]
    assert torch.equal(torch.cat(parts), whole.ids)
    assert len(whole.ids.unique(dim=0)) > 1


@pytest.mark.parametrize("sampler", UNMASKING)
@pytest.mark.parametrize(("steps", "expected"), [(1, 1), (5, 5), (N, N), (3 * N, N)])
def test_unmasking_takes_as_many_evaluations_as_steps_or_tokens(sampler, steps, expected):
    made = sampler(steps, schedule=Power())
    assert sampled(made, Absorbing, TableNetwork(V + 1, V)).trace.evaluations.tolist() == [expected] * 4


@pytest.mark.parametrize("sampler", UNMASKING)
@pytest.mark.parametrize("schedule", [Cosine(), Power(), Power(2.0), Arccos()])
def test_unmasking_keeps_its_schedule(sampler, schedule):
    steps, masked = 4, []
    sampled(sampler(steps, schedule=schedule), Absorbing, TableNetwork(V + 1, V),
            on_step=lambda step, ids: masked.append((ids == V).sum(1).tolist()))  # fmt: skip
    expected = [int(N * schedule((t + 1) / steps)) for t in range(steps)]
    assert expected[-1] == 0 or expected[-1] < 1e-9
    for found, wanted in zip(masked, expected, strict=True):
        assert found == [wanted] * 4


@pytest.mark.parametrize("schedule", [Cosine(), Power(), Power(3.0), Arccos()])
def test_schedules_fall_from_one_to_zero(schedule):
    values = [schedule(i / 50) for i in range(51)]
    assert values[0] == pytest.approx(1) and values[-1] == pytest.approx(0)
    assert values == sorted(values, reverse=True)


def test_maskgit_without_noise_writes_what_it_is_surest_of():
    class Confident:
        def __call__(self, ids_BN, time=None, label=None):
            sharpness = torch.arange(N).float().mul(0.4).view(1, N, 1)
            return torch.nn.functional.one_hot(torch.zeros_like(ids_BN), V) * sharpness + 5.0

    written = []
    sampled(MaskGIT(N, choice_temperature=0.0, schedule=Power()), Absorbing, Confident(), 1,
            on_step=lambda step, ids: written.append((ids[0] != V).nonzero().flatten().tolist()))  # fmt: skip
    assert written[0] == [N - 1] and written[3] == list(range(N - 4, N))


@pytest.mark.parametrize("grid", [(4, 4), (3, 7), (16, 16)])
def test_halton_visits_every_cell_once_and_spreads(grid):
    rank = halton_rank(grid)
    assert sorted(rank.tolist()) == list(range(grid[0] * grid[1]))
    first = (rank < 4).nonzero().flatten()
    assert len({(int(i) // grid[1]) * 2 // grid[0] for i in first}) == 2


def test_diffusion_reveals_an_even_share_at_every_step():
    """At 10 steps a tenth of the tokens each; the released fast sampler of VQ-Diffusion reveals most at the end."""
    masked, process = [1.0], Absorbing(V)
    noise = Noise.of(0, 500)
    start = process.initial(64, noise)
    Ancestral(10)(Denoiser(TableNetwork(V + 1, V), process=process), start, None, noise,
                  lambda step, ids: masked.append((ids == V).float().mean().item()))  # fmt: skip
    sigma = (0.25 / (500 * 64)) ** 0.5
    for step, share in enumerate(masked):
        assert abs(share - (1 - step / 10)) < 4 * sigma + 1e-9


class Joint:
    """The exact p(z_0 | z_t) of a random joint distribution of 4 tokens of 3 ids under a diffusion."""

    def __init__(self, process):
        self.process = process
        self.states = torch.tensor(list(itertools.product(range(3), repeat=4)))
        generator = torch.Generator().manual_seed(0)
        weight = torch.rand(81, generator=generator, dtype=torch.float64).pow(4)
        self.probability = weight / weight.sum()

    def __call__(self, ids_BN, time_B=None, label=None):
        time_B = torch.full((len(ids_BN),), 0.5) if time_B is None else time_B
        level = self.process.level(time_B.double())
        kept, masked, replaced = (x[:, None, None] for x in (level.kept, level.masked, level.replaced))
        same = ids_BN[:, None] == self.states
        likelihood = torch.where(ids_BN[:, None] == 3, masked, same * kept + replaced / 3).prod(-1)
        weight = likelihood * self.probability
        marginal = torch.einsum("bs,snv->bnv", weight, torch.nn.functional.one_hot(self.states, 3).double())
        return (marginal / weight.sum(1)[:, None, None]).log()

    def distance(self, ids_BN):
        """Total variation between the truth and the empirical distribution, and what sampling error alone gives."""
        code = (ids_BN * torch.tensor([27, 9, 3, 1])).sum(1)
        found = torch.bincount(code, minlength=81) / len(code)
        error = (self.probability * (1 - self.probability) * 2 / torch.pi / len(code)).sqrt().sum() / 2
        return float((found - self.probability).abs().sum() / 2), float(error)


def truth(sampler, process, num=8_000):
    joint, noise = Joint(process), Noise.of(0, num)
    denoiser = Denoiser(joint, grid=(2, 2), process=process, reads_time=True)
    return joint.distance(sampler(denoiser, process.initial(4, noise), None, noise).ids)


@pytest.mark.parametrize("sampler", [RandomOrder, Halton])
def test_one_token_at_a_time_is_exact(sampler):
    distance, error = truth(sampler(4, schedule=Power()), Absorbing(3))
    assert distance < 1.3 * error


def test_several_tokens_at_a_time_are_not():
    distance, error = truth(RandomOrder(1), Absorbing(3))
    assert distance > 4 * error


@pytest.mark.parametrize("process", DIFFUSIONS)
def test_ancestral_sampling_comes_to_the_truth_with_its_steps(process):
    found = {steps: truth(Ancestral(steps), process(3)) for steps in (1, 4, 32, 256)}
    error = found[1][1]
    distances = [distance for distance, _ in found.values()]
    assert distances[0] > 4 * error and distances[1] > distances[2]
    assert distances[3] < 1.5 * error
