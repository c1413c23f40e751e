"""The algebra of the diffusions against brute force, and the samplers that stand on it against the truth."""

import pytest
import torch

from lightgen.functional.posteriors import posterior
from lightgen.functional.random import Noise
from lightgen.processes import Absorbing, MaskReplace, Uniform
from lightgen.processes.likelihood import estimate, full_sum

V = 3


def informed(kind):
    def make(vocab_size):
        process = kind(vocab_size, informed=True)
        process.observe(torch.tensor([70, 20, 7]))
        return process

    return make


PROCESSES = {
    "absorbing": Absorbing,
    "uniform": Uniform,
    "uniform, cosine": lambda vocab_size: Uniform(vocab_size, schedule="cosine"),
    "mask and replace": MaskReplace,
    "informed uniform": informed(Uniform),
    "informed mask and replace": informed(MaskReplace),
}


def matrix(process, level):
    """q(z_t | z_0) as a matrix (V, V + 1), from its definition."""
    kept, masked = level.kept.item(), level.masked.item()
    out = torch.zeros(V, V + 1, dtype=torch.float64)
    out[:, :V] = torch.eye(V, dtype=torch.float64) * kept + (1 - kept - masked) * process.frequencies
    out[:, V] = masked
    return out


def transition(process, earlier, later):
    """q(z_t | z_s) as a matrix (V + 1, V + 1), from the shares of one longer step."""
    keep = later.kept.item() / earlier.kept.item()
    mask = 1 - (1 - later.masked.item()) / (1 - earlier.masked.item())
    out = torch.zeros(V + 1, V + 1, dtype=torch.float64)
    out[:V, :V] = torch.eye(V, dtype=torch.float64) * keep + (1 - keep - mask) * process.frequencies
    out[:V, V] = mask
    out[V, V] = 1
    return out


def times(rows, time):
    return torch.full((rows,), time, dtype=torch.float64)


def at(process, time):
    return process.noise_level(times(1, time))


PAIRS = [(0.0, 0.3), (0.1, 0.2), (0.2, 0.9), (0.5, 1.0), (0.0, 1.0)]


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("pair", PAIRS)
def test_chapman_kolmogorov(name, pair):
    process = PROCESSES[name](V)
    s, t = (at(process, time) for time in pair)
    found = matrix(process, s) @ transition(process, s, t)
    torch.testing.assert_close(found, matrix(process, t), rtol=0, atol=1e-15)


def bayes(process, pair, clean, noisy):
    """q(z_s | z_t, z_0) by Bayes' rule, or None where z_t cannot come from z_0."""
    s, t = (at(process, time) for time in pair)
    joint = matrix(process, s)[clean] * transition(process, s, t)[:, noisy]
    return joint / joint.sum() if joint.sum() > 0 else None


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("pair", PAIRS)
def test_posterior_is_bayes_rule(name, pair):
    """For every clean token, and for a mixture of them, against the matrices."""
    process = PROCESSES[name](V)
    s, t = (at(process, time) for time in pair)
    mixture = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    for noisy in range(V + 1):
        rows = [bayes(process, pair, clean, noisy) for clean in range(V)]
        for clean, expected in enumerate(rows):
            if expected is not None:
                one = torch.nn.functional.one_hot(torch.tensor([[clean]]), V).double()
                found = posterior(one, torch.tensor([[noisy]]), s, t, process.frequencies)[0, 0]
                torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
        if all(row is not None for row in rows):
            expected = sum(weight * row for weight, row in zip(mixture, rows, strict=True))
            found = posterior(mixture.view(1, 1, V), torch.tensor([[noisy]]), s, t, process.frequencies)[0, 0]
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_without_replacement_a_written_token_stays_at_any_time():
    """Though 1 - kept - masked is not zero at many of these times."""
    process, guess = Absorbing(V), torch.tensor([[[0.0, 0.5, 0.5]]], dtype=torch.float64)
    for later in [k / 100 for k in range(1, 101)]:
        found = posterior(guess, torch.tensor([[0]]), at(process, later / 2), at(process, later), process.frequencies)
        assert found[0, 0].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("pair", PAIRS)
def test_marginals_agree(name, pair):
    """The sum over z_t of q(z_t | z_0) q(z_s | z_t, z_0) is q(z_s | z_0)."""
    process = PROCESSES[name](V)
    s, t = (at(process, time) for time in pair)
    for clean in range(V):
        one = torch.nn.functional.one_hot(torch.full((1, V + 1), clean), V).double()
        back = posterior(one, torch.arange(V + 1)[None], s, t, process.frequencies)[0].nan_to_num()
        torch.testing.assert_close(matrix(process, t)[clean] @ back, matrix(process, s)[clean], rtol=0, atol=1e-14)


def shares(ids):
    return torch.bincount(ids.flatten(), minlength=V + 1) / ids.numel()


def assert_drawn_from(ids, expected):
    sigma = (expected * (1 - expected) / ids.numel()).clamp_min(0).sqrt()
    assert ((shares(ids) - expected).abs() <= 4 * sigma + 1e-9).all()


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("pair", PAIRS)
def test_a_step_back_is_a_draw_from_the_posterior(name, pair):
    process, noise = PROCESSES[name](V), Noise.of(3, 200)
    for noisy in range(V + 1):
        for clean in range(V):
            expected = bayes(process, pair, clean, noisy)
            if expected is not None:
                given, z_0 = (torch.full((200, 100), k) for k in (noisy, clean))
                earlier, time = (times(200, t) for t in pair)
                assert_drawn_from(process.reverse(z_0, given, time, earlier, noise, 5), expected)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("pair", PAIRS)
def test_a_step_forward_is_a_draw_from_the_transition(name, pair):
    process, noise = PROCESSES[name](V), Noise.of(4, 200)
    expected = transition(process, *(at(process, time) for time in pair))
    for given in range(V + 1):
        drawn = process.forward_from(torch.full((200, 100), given), *(times(200, t) for t in pair), noise, 5)
        assert_drawn_from(drawn, expected[given])


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("time", [0.0, 0.3, 1.0])
def test_corruption_has_the_level(name, time):
    process = PROCESSES[name](V)
    clean = torch.ones(400, 100, dtype=torch.long)
    noisy = process.corrupt(clean, torch.full((400,), time), Noise.of(0, 400))
    assert_drawn_from(noisy, matrix(process, at(process, time))[1])


class Independent(torch.nn.Module):
    """The exact p(z_0 | z_t) where the clean tokens are independent draws of three ids."""

    frequency = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)

    def __init__(self, process):
        super().__init__()
        self.process = process

    def forward(self, ids_BN, time_B=None):
        level = self.process.noise_level(time_B.double())
        drawn = self.process.frequencies[ids_BN.clamp_max(V - 1)].unsqueeze(-1)
        kept, replaced = level.kept[:, None, None], level.replaced[:, None, None] * drawn
        likelihood = torch.nn.functional.one_hot(ids_BN.clamp_max(V - 1), V) * kept + replaced
        likelihood = torch.where((ids_BN == V).unsqueeze(-1), torch.ones_like(likelihood), likelihood)
        return (self.frequency * likelihood).log()


def clean_tokens(rows, num):
    generator = torch.Generator().manual_seed(0)
    return torch.multinomial(Independent.frequency.float(), rows * num, True, generator=generator).view(rows, num)


ENTROPY = -torch.xlogy(Independent.frequency, Independent.frequency).sum()


@pytest.mark.parametrize("name", PROCESSES)
def test_the_bound_of_a_perfect_network_on_independent_tokens_is_their_entropy(name):
    """The chain is exact then, at any number of steps, so that the sum over all of them is tight."""
    process, clean = PROCESSES[name](V), clean_tokens(400, 10)
    nats = full_sum(process, Independent(process), clean, Noise.of(0, 400)) / 10
    assert abs(nats.mean() - ENTROPY) < 4 * nats.std() / 400**0.5


@pytest.mark.parametrize("name", PROCESSES)
def test_the_estimate_and_the_full_sum_of_the_bound_agree(name):
    """Also for a network that is far from perfect."""
    process, clean = PROCESSES[name](V), clean_tokens(20_000, 4)

    def network(ids_BN, time_B):
        return (ids_BN.unsqueeze(-1) * torch.tensor([0.3, -0.2, 0.1]) - time_B[:, None, None]).sin()

    estimated = estimate(process, network, clean, Noise.of(0, 20_000))
    summed = full_sum(process, network, clean[:500], Noise.of(1, 500))
    error = (estimated.var() / 20_000 + summed.var() / 500).sqrt()
    assert abs(estimated.mean() - summed.mean()) < 4 * error


def test_importance_sampling_keeps_the_loss_unbiased_and_makes_it_less_noisy():
    clean, losses = clean_tokens(20, 8), {}
    for importance in (False, True):
        process = MaskReplace(V, num_steps=20, auxiliary=0.0, importance=importance)
        network = Independent(process)
        drawn = [process.loss({"denoiser": network}, clean, Noise.of(0, 20).fold(i)).loss for i in range(300)]
        losses[importance] = torch.stack(drawn[100:])
    error = (losses[False].var() / 200 + losses[True].var() / 200).sqrt()
    assert abs(losses[False].mean() - losses[True].mean()) < 4 * error
    assert losses[True].std() < 0.95 * losses[False].std()


def test_importance_sampling_keeps_the_auxiliary_loss_unbiased():
    """Half of the draws go to one step there, the one with the least noise."""
    clean, losses = clean_tokens(50, 8), {}
    for importance in (False, True):
        process = MaskReplace(V, num_steps=10, importance=importance).eval()
        process.visits.fill_(100)
        process.squares.fill_(1.0)[0] = 100.0
        network = Independent(process)
        drawn = [process.loss({"denoiser": network}, clean, Noise.of(0, 50).fold(i)) for i in range(200)]
        losses[importance] = torch.stack([output.metrics["cross_entropy"] for output in drawn])
    error = (losses[False].var() / 200 + losses[True].var() / 200).sqrt()
    assert abs(losses[False].mean() - losses[True].mean()) < 4 * error


def test_uniform_keeps_a_cosine_or_its_square():
    time = torch.linspace(0, 1, 101).double()
    cosine, square = (Uniform(V, schedule=s).noise_level(time).kept for s in ("cosine", "squared_cosine"))
    # As the released code of D3PM has it: at each step all but beta_t = 1 - f(t + 1) / f(t) stays.
    f = torch.cos((time + 0.008) / 1.008 * torch.pi / 2)
    torch.testing.assert_close(cosine[:-1], torch.cat([torch.ones(1), (f[1:] / f[:-1]).cumprod(0)])[:-1].double())
    torch.testing.assert_close(square, cosine**2)
    assert cosine[0] == 1 and cosine[-1] == 0
    with pytest.raises(ValueError, match="schedule must be cosine or squared_cosine, not linear"):
        Uniform(V, schedule="linear")


def test_adaptive_auxiliary_weights_fall_from_two_to_one():
    """Of a network that knows nothing the cross-entropy is log V at every step; each step is drawn once."""
    steps, clean, losses = 10, clean_tokens(10, 8), []
    for adaptive in (False, True):
        process = MaskReplace(V, steps, auxiliary=0.5, importance=False, adaptive=adaptive)
        network = {"denoiser": lambda ids, time: torch.zeros(*ids.shape, V)}
        losses.append(process.loss(network, clean, Noise.of(0, 10)).loss)
    extra = sum(1 - (t - 1) / steps for t in range(1, steps + 1)) / steps
    torch.testing.assert_close(losses[1] - losses[0], 0.5 * extra * torch.tensor(V).log(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight", ["elbo", "reweighted", "mlm"])
def test_absorbing_weighs_the_cross_entropy_of_masked_tokens(weight):
    process, clean, seen = Absorbing(V, weight), clean_tokens(40, 5), {}

    def network(ids, time):
        seen["ids"], seen["time"] = ids, time
        return torch.arange(ids.numel() * V).view(*ids.shape, V).sin()

    loss = process.loss({"denoiser": network}, clean, Noise.of(0, 40)).loss
    masked, time = seen["ids"] == V, seen["time"]
    assert len(masked.sum(1).unique()) == 6
    errors = -network(clean, time).log_softmax(-1).gather(-1, clean[..., None])[..., 0] * masked
    per_picture = {
        "elbo": errors.sum(1) / time / 5, "reweighted": errors.sum(1) * (1 - time) / 5,
        "mlm": errors.sum(1) / masked.sum(1).clamp_min(1),
    }[weight]  # fmt: skip
    torch.testing.assert_close(loss, per_picture.mean())


def test_importance_is_not_learned_from_held_out_data():
    process = MaskReplace(V, num_steps=20)
    networks = {"denoiser": Independent(process)}
    process.eval().loss(networks, clean_tokens(20, 8), Noise.of(0, 20))
    assert process.visits.sum() == 0
    process.train().loss(networks, clean_tokens(20, 8), Noise.of(0, 20))
    assert process.visits.sum() == 20


def test_an_informed_process_replaces_codes_as_often_as_they_stand_in_the_data():
    process = PROCESSES["informed uniform"](V)
    assert_drawn_from(process.initial(100, Noise.of(0, 400)), torch.tensor([71, 21, 8, 0]) / 100)
