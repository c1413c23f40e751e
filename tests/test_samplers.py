"""What every sampler keeps to, on every process that it accepts; and, on cases small enough, the truth."""

import inspect
import itertools
import math
from fractions import Fraction

import pytest
import torch
from stubs import TableNetwork, denoiser

from lightgen.bench.joint import Joint
from lightgen.clock import Clock
from lightgen.functional.categorical import log_probability
from lightgen.functional.low_discrepancy import halton_rank
from lightgen.functional.random import Noise
from lightgen.prediction import Prediction
from lightgen.processes import SUNDAE as SUNDAEProcess
from lightgen.processes import Absorbing, MaskReplace, Uniform
from lightgen.processes.base import Process
from lightgen.registry import components
from lightgen.samplers import (
    SUNDAE,
    Ancestral,
    ArgmaxUnrolled,
    Cap,
    Confidence,
    EBSampler,
    Halton,
    Loop,
    MaskGIT,
    PredictorCorrector,
    Purity,
    RandomOrder,
    ReMDM,
    Renoise,
    Rescale,
    TokenCritic,
)
from lightgen.samplers.base import require_fit
from lightgen.samplers.remasking import Written
from lightgen.schedules import Arccos, Cosine, Exponential, Logarithmic, Power
from lightgen.types import NoiseFamily
from lightgen.warps import Warps

V, N, GRID = 5, 12, (3, 4)
PROCESSES = [SUNDAEProcess, Absorbing, Uniform, MaskReplace]
DIFFUSIONS = [SUNDAEProcess, Absorbing, Uniform, MaskReplace]
UNMASKING = [MaskGIT, RandomOrder, Halton]
SCHEDULES = [Cosine(), Power(), Power(2.0), Arccos(), Logarithmic(N), Exponential(N)]
REMASKING = [Cap(0.3), Rescale(0.3), Confidence(), Loop(0.3)]
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


def sampled(
    sampler, process, network, batch=4, seed=0, known=None, ids=None, index=None, label=None, on_step=None, **more
):
    made = process(V)
    noise = Noise(seed, torch.arange(batch) if index is None else index)
    start = made.initial(N, noise)
    if known is not None:
        start = torch.where(known, ids, start)
    denoise = denoiser(network, V, GRID, label, process=made, critic=TableNetwork(V, 1), **more)
    return sampler(denoise, start, known, noise, on_step)


@pytest.mark.parametrize(("sampler", "process"), FITTING)
@pytest.mark.parametrize("steps", [1, 2, N, 3 * N])
def test_an_oracle_is_found_and_known_tokens_stay(sampler, process, steps):
    whole = {"update": 1.0, "patience": None}
    arguments = {name: value for name, value in whole.items() if name in inspect.signature(sampler).parameters}
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
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_unmasking_keeps_its_schedule(sampler, schedule):
    steps, masked = 4, []
    sampled(sampler(steps, schedule=schedule), Absorbing, TableNetwork(V + 1, V),
            on_step=lambda step, ids: masked.append((ids == V).sum(1).tolist()))  # fmt: skip
    expected = [int(N * schedule((t + 1) / steps)) for t in range(steps)]
    if sampler is Halton:
        # Of the two numbers it rounds the written one down; but every step writes one.
        expected = [N - max(t + 1, int(N * (1 - schedule((t + 1) / steps)) + 1e-6)) for t in range(steps)]
    assert expected[-1] == 0 or expected[-1] < 1e-9
    for found, wanted in zip(masked, expected, strict=True):
        assert found == [wanted] * 4


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_fall_from_one_to_zero(schedule):
    values = schedule(torch.arange(501).double() / 500).tolist()
    assert values[0] == pytest.approx(1) and values[-1] == pytest.approx(0)
    assert values == sorted(values, reverse=True)


def test_logarithmic_and_exponential_schedules_have_their_values():
    assert Logarithmic(16)(0.25).item() == pytest.approx(0.5) and Logarithmic(16)(0.01) == 1
    assert Exponential(16)(0.5).item() == pytest.approx(1 - 1 / 4)
    assert Exponential(16)(1e-9).item() == pytest.approx(1 - 1 / 16)


@pytest.mark.parametrize("steps", [1, 7, 32, 100])
def test_halton_writes_as_many_tokens_as_the_released_code(steps):
    """max(i + 1, int(N (1 - arccos((i + 1) / S) / (pi / 2)))) after step i of S; or, before, all but floor(N g)."""
    num, done = 64, torch.arange(1, steps + 1).double() / steps
    denoise, start = denoiser(lambda ids, *_: torch.zeros(*ids.shape, 2), 2, (8, 8)), torch.full((1, num), 2)

    def written(floor):
        loop = Halton(steps, floor=floor).iterate(denoise, start, None, Noise.of(0, 1))
        return [int((state.ids != 2).sum()) for state in loop]

    released = (num * (1 - torch.acos(done) / (torch.pi / 2))).int().tolist()
    assert written("written") == [max(i + 1, n) for i, n in enumerate(released)][: min(steps, num)]
    masked = [num - int(num * 2 / torch.pi * left) for left in torch.acos(done).tolist()]
    assert written("masked") == [max(i + 1, n) for i, n in enumerate(masked)][: min(steps, num)]


def test_maskgit_without_noise_writes_what_it_is_surest_of():
    class Confident:
        def __call__(self, ids_BN, time=None, context=None):
            sharpness = torch.arange(N).float().mul(0.4).view(1, N, 1)
            return torch.nn.functional.one_hot(torch.zeros_like(ids_BN), V) * sharpness + 5.0

    written = []
    sampled(MaskGIT(N, choice_temperature=0.0, schedule=Power()), Absorbing, Confident(), 1,
            on_step=lambda step, ids: written.append((ids[0] != V).nonzero().flatten().tolist()))  # fmt: skip
    assert written[0] == [N - 1] and written[3] == list(range(N - 4, N))


def test_annealed_maskgit_draws_by_the_temperature_of_the_choice_and_ranks_by_logit():
    sampler, logits = MaskGIT(2, choice_temperature=4.0, annealed=True), torch.tensor([1.0, 0.0]).expand(1, 4000, 2)
    uniform = Noise.of(0, 1).uniform(0, 0, 4000)
    ids, confidence = sampler.propose(Prediction(logits, logits), uniform, Clock.even(0, torch.nan, 0.0, logits))
    assert (ids == 0).float().mean() == pytest.approx(1 / (1 + math.exp(-1 / 2)), abs=0.01)
    assert torch.equal(confidence, (ids == 0).float())
    ids, _ = sampler.propose(Prediction(logits, logits), uniform, Clock.even(1, torch.nan, 1.0, logits))
    assert not ids.any(), "the last step has no temperature, and takes the most likely one"


@pytest.mark.parametrize("num", [7, 10, 49, 100, 196, 784])
def test_as_many_steps_as_tokens_write_one_at_a_time(num):
    """Rounding must not lose one: 784 (1 - 294 / 784) is below 490 in float32, 10 (1 - 0.9) below 1 in float64."""
    steps = []
    denoise = denoiser(lambda ids, *_: torch.zeros(*ids.shape, 2), 2, (1, num))
    start = torch.full((1, num), 2)
    RandomOrder(num)(denoise, start, None, Noise.of(0, 1), lambda step, ids: steps.append(int((ids == 2).sum())))
    assert steps == list(range(num - 1, -1, -1))


@pytest.mark.parametrize("grid", [(4, 4), (3, 7), (9, 9), (12, 18)])
def test_halton_is_the_sequence_in_exact_fractions(grid):
    def mirrored(index, base):
        value, scale = Fraction(0), Fraction(1)
        while index:
            scale /= base
            index, digit = divmod(index, base)
            value += digit * scale
        return value

    order, index = {}, 0
    while len(order) < grid[0] * grid[1]:
        index += 1
        order.setdefault(int(mirrored(index, 2) * grid[0]) * grid[1] + int(mirrored(index, 3) * grid[1]), len(order))
    assert halton_rank(grid).tolist() == [order[cell] for cell in sorted(order)]


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
    Ancestral(10)(denoiser(TableNetwork(V + 1, V), V, (8, 8), process=process), start, None, noise,
                  lambda step, ids: masked.append((ids == V).float().mean().item()))  # fmt: skip
    sigma = (0.25 / (500 * 64)) ** 0.5
    for step, share in enumerate(masked):
        assert abs(share - (1 - step / 10)) < 4 * sigma + 1e-9


JOINT, DRAWS = Joint(), 8_000
ERROR = JOINT.sampling_error(DRAWS)


def truth(sampler, process):
    """The distance to the truth; SUNDAE's networks are told the time here, which they are not in training."""
    return JOINT.measure(sampler, process, DRAWS, reads_time=True if isinstance(process, SUNDAEProcess) else None)


@pytest.mark.parametrize("sampler", [RandomOrder, Halton])
def test_one_token_at_a_time_is_exact(sampler):
    assert truth(sampler(4, schedule=Power()), Absorbing(3)) < 1.3 * ERROR


def test_several_tokens_at_a_time_are_not():
    assert truth(RandomOrder(1), Absorbing(3)) > 4 * ERROR


def test_writing_one_token_at_a_time_where_the_network_is_sure_is_exact_unless_it_sharpens():
    """The choice of the position may depend on the picture so far, but not on the token that is drawn there."""
    assert truth(Purity(4, sharpness=0.0), Absorbing(3)) < 1.3 * ERROR
    assert truth(Purity(4, sharpness=1.0), Absorbing(3)) > 4 * ERROR


@pytest.mark.parametrize(
    ("sampler", "process"),
    [(s, p) for s in (Ancestral, PredictorCorrector) for p in DIFFUSIONS] + [(ReMDM, Absorbing)],
)
def test_samplers_that_step_back_exactly_come_to_the_truth_with_their_steps(sampler, process):
    distances = [truth(sampler(steps), process(3)) for steps in (1, 4, 32, 128)]
    assert distances[0] > 4 * ERROR and distances[1] > distances[2]
    assert distances[3] < 1.5 * ERROR


@pytest.mark.parametrize(
    ("sampler", "process"), [(Renoise(64), Uniform), (TokenCritic(16), Absorbing), (ArgmaxUnrolled(16), SUNDAEProcess)]
)
def test_others_do_not(sampler, process):
    assert truth(sampler, process(3)) > 1.5 * ERROR


def test_the_network_that_reads_from_the_left_obeys_the_chain_rule():
    class LeftToRight(Process):
        family = NoiseFamily.CAUSAL
        corrupt = initial = loss = None

    denoise = JOINT.denoiser(LeftToRight(3)).bind(torch.arange(81))
    chance = log_probability(denoise(JOINT.states).logits, JOINT.states).sum(1).exp()
    torch.testing.assert_close(chance.double(), JOINT.probability, rtol=1e-4, atol=1e-6)


def test_the_exact_critic_is_right_about_how_many_tokens_are_wrong():
    """Over what it is trained on, its probabilities add up to the wrong tokens that there are."""
    process, noise = Absorbing(3), Noise.of(1, 20_000)
    denoise = JOINT.denoiser(process).bind(noise.index)
    clean = JOINT.states[torch.searchsorted(JOINT.probability.cumsum(0), noise.uniform(0, 50, 1).squeeze(1).double())]
    noisy = process.corrupt(clean, noise.uniform(0, 51, 1).squeeze(1), noise)
    filled = torch.where(noisy == 3, denoise(noisy).draw(noise.uniform(0, 52, 4)), noisy)
    chance, wrong = denoise.critique(filled).sigmoid().double(), (filled != clean).double()
    for low, high in ((0.0, 0.15), (0.15, 0.3), (0.3, 1.0)):
        those = (chance >= low) & (chance < high)
        sigma = (0.25 / those.sum()) ** 0.5
        assert those.sum() > 1000 and abs(chance[those].mean() - wrong[those].mean()) < 4 * sigma


CHANGING = [
    (made, process)
    for made in (Ancestral, PredictorCorrector, ReMDM, Purity, Renoise)
    for process in DIFFUSIONS
    if process.family in made.accepts
]


@pytest.mark.parametrize(("sampler", "process"), CHANGING)
@pytest.mark.parametrize("steps", [1, 5, 3 * N])
def test_a_network_without_time_is_evaluated_once_and_after_each_change(sampler, process, steps):
    trace = sampled(sampler(steps), process, TableNetwork(V + 1, V)).trace
    # One that is finished before the end needs none after its last change.
    assert torch.equal(trace.evaluations, 1 + (trace.changed[:-1] > 0).sum(0) - trace.finished.long())
    assert steps < N or (trace.evaluations < steps).any()
    assert (sampler, process) != (Ancestral, Absorbing) or trace.evaluations.max() <= min(steps, N)


@pytest.mark.parametrize(("sampler", "process"), CHANGING)
def test_a_network_with_time_is_told_that_of_every_step(sampler, process):
    told = []

    def network(ids, time, context):
        told.append(time.tolist())
        return torch.zeros(*ids.shape, V)

    made = process(V)
    noise = Noise.of(0, 3)
    denoise = denoiser(network, V, GRID, process=made, reads_time=True)
    trace = sampler(4)(denoise, made.initial(N, noise), None, noise).trace
    assert told == [[1 - k / 4] * 3 for k in range(4)] and trace.evaluations.tolist() == [4] * 3


@pytest.mark.parametrize("sampler", [SUNDAE(16), ArgmaxUnrolled(16, update=0.5)])
def test_samplers_of_networks_without_time_do_not_collapse_on_those_with(sampler):
    """Told the time 1 - k / S, perfect networks were 0.15 and 0.82 from the truth."""
    limit = 0.1 if isinstance(sampler, SUNDAE) else 0.5
    assert truth(sampler, Uniform(3)) < limit


@pytest.mark.parametrize("steps", [1, 5, 3 * N])
def test_argmax_unrolled_takes_two_evaluations_a_step_until_it_rests(steps):
    network = TableNetwork(V, V)
    with torch.no_grad():  # Every id becomes 0 in at most three steps.
        network.table.copy_(torch.eye(V)[torch.arange(V) // 2] * 2)
    trace = sampled(ArgmaxUnrolled(steps), SUNDAEProcess, network, 64).trace
    assert [len(call) for call in network.calls] == [rows for rows in trace.rows for _ in range(2)]
    assert int(trace.evaluations.sum()) == 2 * sum(trace.rows)
    assert steps < N or trace.finished.all()


def test_argmax_unrolled_asks_again_about_the_least_certain():
    """The first pass is sure of the later tokens; the second has another opinion about everything."""
    calls = []

    def network(ids, time, context):
        calls.append(ids.clone())
        opinion = torch.full_like(ids, 1 if len(calls) % 2 else 2)
        return torch.nn.functional.one_hot(opinion, V) * (5.0 + torch.arange(N)[:, None])

    out = sampled(ArgmaxUnrolled(1, uncertain=0.25), SUNDAEProcess, network, 1, seed=3)
    assert (calls[1] == 1).all() and out.ids.tolist() == [[2] * 3 + [1] * (N - 3)]
    start = sampled(ArgmaxUnrolled(1, update=0.5), SUNDAEProcess, network, 1).trace
    assert 0 < int(start.changed.sum()) < N


def test_argmax_unrolled_may_ask_again_about_what_was_the_least_certain_before():
    """The first step is a plain draw of 0; then 1 and, second, 2 where the evaluation before was least certain."""
    calls = []

    def network(ids, time, context):
        calls.append(ids.clone())
        sure = torch.arange(N).flip(0) if len(calls) == 1 else torch.arange(N)
        opinion = torch.full_like(ids, (0, 1, 2, 1, 2)[len(calls) - 1])
        return torch.nn.functional.one_hot(opinion, V) * (8.0 + 0.3 * sure[:, None])

    sampler, seen = ArgmaxUnrolled(3, uncertain=0.25, certainty="previous", confidence="network"), []
    trace = sampled(sampler, SUNDAEProcess, network, 1, on_step=lambda step, ids: seen.append(ids[0].tolist())).trace
    assert seen[0] == [0] * N
    # The first evaluation was less sure to the right, the third to the left.
    assert seen[1] == [1] * (N - 3) + [2] * 3 and seen[2] == [2] * 3 + [1] * (N - 3)
    assert trace.evaluations.tolist() == [5] and sampler.num_evaluations(N) == 5


@pytest.mark.parametrize("steps", [1, 2, N, 3 * N])
def test_token_critic_takes_two_evaluations_a_step_but_the_last(steps):
    masked = []
    sampler = TokenCritic(steps, schedule=Power())
    trace = sampled(sampler, Absorbing, TableNetwork(V + 1, V),
                    on_step=lambda step, ids: masked.append((ids == V).sum(1).tolist())).trace  # fmt: skip
    assert trace.evaluations.tolist() == [2 * steps - 1] * 4
    expected = [max(1, N * (steps - t - 1) // steps) for t in range(steps - 1)]
    assert masked == [[count] * 4 for count in [*expected, 0]]


def test_token_critic_masks_what_the_critic_doubts_and_may_take_back_any_token():
    process, noise, seen = Absorbing(V), Noise.of(0, 8), []

    def critic(ids, time, context):
        return ids.unsqueeze(-1).float()

    def state(step, ids):
        seen.append(ids.clone())

    network = TableNetwork(V + 1, V)
    TokenCritic(6, choice_temperature=0.0)(
        denoiser(network, V, GRID, process=process, critic=critic), process.initial(N, noise), None, noise, state
    )
    for before, after in itertools.pairwise(seen):
        kept = before != V
        taken_back = kept & (after == V)
        # The critic doubts high ids: none that stays is above one that goes.
        highest_left = after.masked_fill(after == V, -1).amax(1)
        lowest_taken = before.masked_fill(~taken_back, V).amin(1)
        assert (lowest_taken >= highest_left).all()
    assert any(((a != V) & (b == V)).any() for a, b in itertools.pairwise(seen))


def test_token_critic_needs_a_critic():
    with pytest.raises(ValueError, match=r"TokenCritic needs a prior trained with --model\.others\.critic"):
        require_fit(TokenCritic(), NoiseFamily.ABSORBING)
    require_fit(TokenCritic(), NoiseFamily.ABSORBING, {"critic"})


def masked_shares(sampler, process, num=500, tokens=64):
    """The masked share at first and after each step, and its standard error where tokens are independent."""
    noise, network = Noise.of(0, num), TableNetwork(V + 1, V)
    start = process.initial(tokens, noise)
    shares = [(start == V).float().mean().item()]
    sampler(denoiser(network, V, (1, tokens), process=process), start, None, noise,
            lambda step, ids: shares.append((ids == V).float().mean().item()))  # fmt: skip
    return shares


def close(share, expected, sigmas=3, total=500 * 64):
    return abs(share - expected) <= sigmas * (expected * (1 - expected) / total) ** 0.5 + 1e-9


@pytest.mark.parametrize("strategy", REMASKING)
def test_remdm_keeps_the_schedule_of_its_strategy(strategy):
    shares = masked_shares(ReMDM(20, strategy), Absorbing(V))
    times = strategy.time(torch.arange(21).double() / 20).tolist()
    assert all(close(share, time) for share, time in zip(shares, times, strict=True))


@pytest.mark.parametrize("process", [Absorbing(V), MaskReplace(V)])
def test_predictor_corrector_keeps_the_schedule(process):
    shares = masked_shares(PredictorCorrector(10, strength=4.0), process)
    for k, share in enumerate(shares):
        assert close(share, process.noise_level(torch.tensor([1 - k / 10]).double()).masked.item())


@pytest.mark.parametrize("process", [Absorbing(V), MaskReplace(V)])
def test_purity_keeps_the_schedule(process):
    shares = masked_shares(Purity(10), process)
    for k, share in enumerate(shares):
        assert share == pytest.approx(shares[0] * (1 - k / 10), abs=0.5 / 64)


def test_purity_writes_in_proportion_to_purity():
    """One of two tokens is nearly sure, the other as unsure as can be: 1 to 1 / V."""

    def network(ids, time, context):
        sharp = (torch.arange(V) == 0) * 9.0
        return torch.stack([sharp, torch.zeros(V)]).repeat(len(ids), 1, 1)

    process, noise, states = Absorbing(V), Noise.of(0, 20_000), []
    Purity(2, sharpness=0.0)(denoiser(network, V, (1, 2), process=process), process.initial(2, noise), None, noise,
                             lambda step, ids: states.append(ids.clone()))  # fmt: skip
    first = (states[0] != V).float()
    assert first.sum(1).eq(1).all()
    assert first[:, 0].mean().item() == pytest.approx(V / (V + 1), abs=0.01)


@pytest.mark.parametrize("sharpness", [0.0, 3.0])
def test_purity_sharpens(sharpness):
    logits = torch.arange(V) * 1.0
    out = sampled(Purity(1, sharpness), Absorbing, lambda ids, time, context: logits.expand(*ids.shape, V), 500)
    expected = (logits * (1 + sharpness)).softmax(-1)[-1].item()
    assert (out.ids == V - 1).float().mean().item() == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("process", DIFFUSIONS)
def test_without_correction_the_predictor_corrector_is_ancestral_sampling(process):
    network = TableNetwork(V + 1, V)
    found = [sampled(made, process, network, 50).ids for made in (PredictorCorrector(7, strength=0.0), Ancestral(7))]
    assert torch.equal(*found)


@pytest.mark.parametrize("strategy", [Cap(0.0), Rescale(0.0)])
def test_without_remasking_remdm_is_ancestral_sampling(strategy):
    network = TableNetwork(V + 1, V)
    found = [sampled(made, Absorbing, network, 50).ids for made in (ReMDM(7, strategy), Ancestral(7))]
    assert torch.equal(*found)


def test_confidence_masks_unsure_tokens_more_often():
    """Even positions are written with certainty, odd ones with probability 1 / V: e^(1 - 1 / V) to 1, or nearly."""

    def network(ids, time, context):
        sharp = (torch.arange(V) == 0) * 60.0
        return torch.where((torch.arange(64) % 2 == 0)[:, None], sharp, torch.zeros(V)).repeat(len(ids), 1, 1)

    process, noise, states = Absorbing(V), Noise.of(0, 1000), []
    ReMDM(20, Confidence())(denoiser(network, V, (8, 8), process=process), process.initial(64, noise), None, noise,
                            lambda step, ids: states.append(ids.clone()))  # fmt: skip
    written = sum((a != V).float().sum(0) for a in states[:-1])
    again = sum(((a != V) & (b == V)).float().sum(0) for a, b in itertools.pairwise(states))
    rate = again.view(-1, 2).sum(0) / written.view(-1, 2).sum(0)
    assert float(rate[1] / rate[0]) == pytest.approx(torch.tensor(1 - 1 / V).exp().item(), rel=0.1)


def test_confidence_divides_the_bound_among_written_tokens():
    inf, two = torch.inf, torch.ones(2, 1)
    confidence = torch.tensor([[0.9, 0.1, inf, inf], [inf, inf, inf, inf]])
    written = Written(0.5 * two, 0.4 * two, 0.5 * two, 0.3 * two, confidence, torch.tensor([[4], [2]]))
    sigma = Confidence()(written)
    torch.testing.assert_close(sigma[0, :2], 0.3 * torch.tensor([-0.9, -0.1]).softmax(0))
    # A free token, if it were written: one in n, where n - 1 of the others are as well, by the flip of a coin each.
    torch.testing.assert_close(sigma[0, 2:], torch.full((2,), 0.3 * (1 / 1 + 3 / 2 + 3 / 3 + 1 / 4) / 8))
    torch.testing.assert_close(sigma[1], torch.full((4,), 0.3 * (1 / 1 + 1 / 2) / 2))


def test_sharp_confidence_masks_the_least_sure_token():
    one, confidence = torch.ones(1, 1), torch.tensor([[0.9, 0.1, 0.4]])
    written = Written(0.5 * one, 0.4 * one, 0.5 * one, one, confidence, torch.tensor([[3]]))
    assert Confidence(1000.0)(written)[0].tolist() == pytest.approx([0, 1, 0])
    with pytest.raises(ValueError, match="sharpness must be at least 0, not -1"):
        Confidence(-1)


def test_remdm_asks_how_sure_it_is_of_tokens_it_was_given():
    """Every token is probably what its neighbour to the left is; one is not, and is masked first."""
    given = torch.tensor([[1, 1, 1, 0, 1, 1], [2, 2, 2, 2, 2, 2]])
    shown = []

    def network(ids, time, context):
        shown.append(ids)
        # What most of the visible tokens of the row are.
        counts = torch.nn.functional.one_hot(ids, V + 1)[..., :V].sum(1, keepdim=True)
        return counts.float().repeat(1, ids.shape[1], 1)

    process, noise, states = Absorbing(V), Noise.of(0, 2), []
    known = torch.zeros_like(given, dtype=torch.bool)
    known[1] = True
    sampler = ReMDM(3, Confidence(1000.0))
    denoise = denoiser(network, V, (2, 3), process=process)
    sample = sampler(denoise, given, known, noise, lambda step, ids: states.append(ids.clone()))
    # The second picture is known, so only the first is asked about, half and half, before the first step.
    assert [len(ids) for ids in shown[:3]] == [1, 1, 2]
    hidden = [ids[0] == V for ids in shown[:2]]
    assert torch.equal(hidden[0], ~hidden[1])
    assert states[0][0].tolist() == [1, 1, 1, V, 1, 1] and states[0][1].tolist() == [2] * 6
    # Three steps and the two questions; what does not change is evaluated once.
    assert sample.trace.evaluations.tolist() == [5, 1]
    assert sample.ids[1].tolist() == [2] * 6
    # Other strategies have no use for the answers.
    sample = ReMDM(3, Cap(0.0))(denoise, given, known, noise)
    assert sample.trace.evaluations.tolist() == [1, 1]


def test_loop_writes_its_share_then_stands_then_finishes():
    loop = Loop(written=0.8, start=0.4, end=0.9)
    times = loop.time(torch.arange(21).double() / 20).tolist()
    assert times[0] == 1 and times[20] == 0 and times == sorted(times, reverse=True)
    assert times[8:19] == [loop.level] * 11 and times[4] == pytest.approx(0.6) and times[19] == pytest.approx(0.1)


@pytest.mark.parametrize("process", [SUNDAEProcess, Uniform])
def test_renoise_puts_the_first_noise_back(process):
    made, noise, states = process(V), Noise.of(0, 400), []
    start = made.initial(64, noise)
    sure = denoiser(lambda i, *_: torch.nn.functional.one_hot(torch.zeros_like(i), V) * 60.0, V, (8, 8), process=made)
    Renoise(5)(sure, start, None, noise, lambda step, ids: states.append(ids.clone()))
    for k, ids in enumerate(states, 1):
        assert ((ids == start) | (ids == 0)).all()
        kept = made.noise_level(torch.tensor([1 - k / 5]).double()).kept.item()
        assert close((ids == 0)[start != 0].float().mean().item(), kept, total=int((start != 0).sum()))


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (Cap, {"eta": 1.5}), (Rescale, {"eta": -0.1}), (Loop, {"eta": 2.0}), (Loop, {"written": 1.0}),
        (Loop, {"start": 0.9, "end": 0.5}), (PredictorCorrector, {"strength": -1.0}),
        (PredictorCorrector, {"rise": -1.0}), (PredictorCorrector, {"fall": -1.0}), (Purity, {"sharpness": -1.0}),
        (ArgmaxUnrolled, {"uncertain": 1.1}), (ArgmaxUnrolled, {"update": 0.0}),
        (Halton, {"floor": "both"}), (ArgmaxUnrolled, {"certainty": "next"}),
        (TokenCritic, {"choice_temperature": -1.0}), (Logarithmic, {"num_tokens": 1}), (Exponential, {"num_tokens": 1}),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(kind, bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        kind(**bad)


def test_the_entropy_bound_writes_what_it_allows():
    """Entropies 0, h, 2 h, ... nats: with the bound at 3 h the tokens of 0, h and 2 h leave room for a fourth."""
    unit = 0.1

    def network(ids, time, context):
        # Two codes, of which one has the probability that makes the entropy what it should be.
        wanted = torch.arange(N).double() * unit / 2
        low, high = torch.full((N,), 1e-12).double(), torch.full((N,), 0.5).double()
        for _ in range(60):
            middle = (low + high) / 2
            more = -torch.xlogy(middle, middle) - torch.xlogy(1 - middle, 1 - middle) < wanted
            low, high = torch.where(more, middle, low), torch.where(more, high, middle)
        low = low.masked_fill(wanted == 0, 0.0)
        return torch.stack([1 - low, low], -1).log().expand(len(ids), N, 2)

    written = []
    for gamma in (0.0, 3.01 * unit / 2, 1e9):
        seen = []
        loop = EBSampler(gamma).iterate(denoiser(network, 2, GRID), torch.full((3, N), 2), None, Noise.of(0, 3))
        for state in loop:
            seen.append((state.ids[0] != 2).sum().item())
        assert (state.ids < 2).all() and torch.equal(state.evaluations, torch.full((3,), len(seen)))
        written.append(seen)
    # The largest of a set does not count: 0 + h + 2 h are within the bound beside 3 h.
    assert written[1][0] == 4 and written[2] == [N]
    # At 0 the certain token goes with the next one, then one at a time.
    assert written[0] == list(range(2, N + 1))


def test_the_entropy_bound_at_zero_is_exact_and_above_it_saves_evaluations():
    assert truth(EBSampler(0.0), Absorbing(3)) < 1.3 * ERROR
    noise = Noise.of(0, 2000)
    means = []
    for gamma in (0.0, 1.0, 3.0):
        sampler = EBSampler(gamma)
        trace = sampler(JOINT.denoiser(Absorbing(3)), Absorbing(3).initial(4, noise), None, noise).trace
        means.append(trace.evaluations.double().mean().item())
        assert trace.evaluations.max() <= sampler.num_evaluations(4)
    assert means[0] > means[1] > means[2] >= 1


def surer_to_the_right(ids, time, context):
    """Every position has one likely id; the further to the right, the likelier."""
    sharpness = torch.arange(N).float().mul(0.3).add(1).view(N, 1)
    return (torch.arange(V) == 0).float() * sharpness.expand(len(ids), N, 1)


@pytest.mark.parametrize("confidence", ["network", "warped"])
@pytest.mark.parametrize("warps", [Warps(0.0), Warps(1.0, top_k=1)])
def test_greedy_warps_do_not_hide_how_sure_the_network_is(confidence, warps):
    """After them every probability is 1, and tokens would be written in raster order."""
    process, noise = Absorbing(V), Noise.of(0, 400)
    denoise = denoiser(surer_to_the_right, V, GRID, process=process, warps=warps)
    start = process.initial(N, noise)
    written = []
    for state in MaskGIT(4, 0.0, Power(), confidence).iterate(denoise, start, None, noise):
        written.append((state.ids[0] != V).nonzero().flatten().tolist())
    assert written == [list(range(N - 3 * k, N)) for k in (1, 2, 3, 4)]
    first = next(Purity(4, confidence=confidence).iterate(denoise, start, None, noise)).ids != V
    assert torch.arange(N).expand(400, N)[first].double().mean() > (N - 1) / 2 + 0.5
    uniform = denoiser(surer_to_the_right, V, GRID, warps=warps).bind(torch.arange(1))(torch.zeros(1, N).long())
    certain = uniform.by(confidence).softmax(-1).amax(-1)[0]
    assert (certain.diff() > 1e-4).all()


def test_confidence_is_one_option_with_one_meaning():
    prediction = denoiser(surer_to_the_right, V, GRID, warps=Warps(0.5)).bind(torch.arange(1))(torch.zeros(1, N).long())
    own, warped = (prediction.by(confidence) for confidence in ("network", "warped"))
    torch.testing.assert_close(warped, own * 2)
    uniform = Noise.of(0, 1).uniform(0, 0, N)
    for confidence, logits in (("network", own), ("warped", warped)):
        ids, found = prediction.draw_scored(uniform, confidence)
        torch.testing.assert_close(found, log_probability(logits, ids))
        assert torch.equal(ids, prediction.draw(uniform))
    for sampler in (MaskGIT, ArgmaxUnrolled, Purity, Confidence):
        assert sampler().confidence == "warped"
        with pytest.raises(ValueError, match="confidence must be network or warped, not sure"):
            sampler(confidence="sure")


@pytest.mark.parametrize("process", [Uniform, SUNDAEProcess])
@pytest.mark.parametrize("sampler", [Ancestral, PredictorCorrector])
def test_leaving_one_out_does_nothing_at_temperature_one_and_else_sharpens_the_others_alone(process, sampler):
    network = TableNetwork(V + 1, V)
    plain, left = (sampled(sampler(7, leave_one_out=on), process, network, 50).ids for on in (False, True))
    assert torch.equal(plain, left)
    made = process(V)
    ids, time = Noise.of(3, 6).integers(0, 0, N, V), torch.linspace(0.1, 1.0, 6).double()
    level = made.noise_level(time)
    denoise = denoiser(network, V, GRID, process=made, warps=Warps(0.5)).bind(torch.arange(6))
    found = denoise(ids, None, level).logits.double().softmax(-1)
    # By Bayes: what the others say is p(x) / q(z | x); that is tempered, and multiplied by q(z | x) again.
    likelihood = (level.replaced / V)[:, None, None] + level.kept[:, None, None] * torch.nn.functional.one_hot(ids, V)
    others = denoise(ids).own.double().softmax(-1) / likelihood
    expected = others**2 * likelihood
    torch.testing.assert_close(found, expected / expected.sum(-1, keepdim=True), rtol=1e-4, atol=1e-6)
