"""Painting with words: the formula against a dense reference, pooling, who listens, and nothing where it is off."""

import math

import pytest
import torch
from test_text import SMALL, small_text

from lightgen.clock import Clock
from lightgen.condition import Condition, Context
from lightgen.conditioners import ClassLabel, Mixed
from lightgen.denoiser import PAINTING, Denoiser, painting_strength
from lightgen.functional.random import Noise
from lightgen.functional.text import to_bytes
from lightgen.guidance import ConstantGuidance
from lightgen.layout import Layout
from lightgen.networks import CausalTransformer, Hourglass, Transformer
from lightgen.networks.attention import CrossAttention
from lightgen.prior import Prior
from lightgen.processes import Absorbing, Causal
from lightgen.processes import MaskGIT as MaskGITProcess
from lightgen.recipe import Recipe
from lightgen.samplers import Ancestral, Autoregressive, Halton, MaskGIT, ReMDM
from lightgen.samplers.recorded import Player
from lightgen.samplers.remasking import Rescale
from lightgen.schedules import Power
from lightgen.tokenizers import PixelTokenizer
from lightgen.warps import Warps

GRID, N, L = (4, 4), 16, 8
CAPTIONS = ["a red heart", "black cat", "and"]
PAINT = [{"text": "red heart", "box": [0, 0, 0.5, 1]}, {"text": "black cat", "box": [0.5, 0, 1, 1]}]
TEXT = "a red heart and a black cat"


def prior_of(cls=Transformer, sizes=None, conditioner=None):
    torch.manual_seed(0)
    causal = cls is CausalTransformer
    process = (Causal if causal else MaskGITProcess)(256)
    conditioner = conditioner or small_text()
    sizes = {**SMALL, **(sizes or {"depth": 4})}
    made = cls(process.interface(Layout(GRID, 256), conditioner), **sizes).eval()
    conditioner.learn(CAPTIONS)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Prior(PixelTokenizer(4), made, process, Recipe(Autoregressive() if causal else MaskGIT(4), Warps()))


def dense(layer, x, context):
    """By loops, as the formula stands."""
    keys, values = context.memory[layer.place].unbind(1)
    q = layer.to_q(layer.norm(x)).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
    rows = torch.zeros(len(x), layer.heads, x.shape[1], keys.shape[-1])
    for b in range(len(x)):
        there = [0, *(1 + t for t in range(context.bias.shape[1]) if context.bias[b, t] > -math.inf)]
        for head in range(layer.heads):
            products = q[b, head] @ keys[b, head, there].T
            most = max(0.0, products[:, 1:].max().item()) if len(there) > 1 else 0.0
            w = context.strength[b].item() * most
            for n in range(x.shape[1]):
                a = [0.0, *(context.regions[b, n, t - 1].item() for t in there[1:])]
                score = (products[n] + w * torch.tensor(a)) / math.sqrt(keys.shape[-1])
                rows[b, head, n] = score.softmax(-1) @ values[b, head, there]
    return layer.to_out(rows.transpose(1, 2).flatten(2))


@torch.no_grad()
def test_the_formula_against_a_dense_reference():
    torch.manual_seed(1)
    layer = CrossAttention(6, 2, 4)
    torch.nn.init.normal_(layer.null)
    x, tokens = torch.randn(3, 5, 6), torch.randn(3, 4, 6)
    bias = torch.tensor([[0, 0, 0, 0], [0, 0, -math.inf, -math.inf], [-math.inf] * 4])
    regions, strength = torch.rand(3, 5, 4), torch.tensor([2.0, 0.5, 3.0])
    context = Context(tokens=tokens, bias=bias, memory=(layer.remember(tokens),), regions=regions, strength=strength)
    torch.testing.assert_close(layer(x, context), dense(layer, x, context), rtol=1e-4, atol=1e-5)
    # One picture is the same alone.
    torch.testing.assert_close(layer(x[:1], context.select(torch.tensor([0]))), layer(x, context)[:1])
    plain = context._replace(regions=None, strength=None)
    assert not torch.allclose(layer(x, context)[0], layer(x, plain)[0], atol=1e-3)
    assert torch.equal(layer(x, context._replace(strength=None)), layer(x, plain))
    torch.testing.assert_close(layer(x, context)[2], layer(x, plain)[2])


def test_strength_falls_with_the_noise():
    found = painting_strength(torch.tensor([1.0, 0.5, 0.0, math.nan], dtype=torch.float64))
    expected = [PAINTING * math.log(16), PAINTING * math.log(2), 0.0, PAINTING * math.log(16)]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_regions_of_coarse_cells_are_means():
    regions = torch.rand(2, N, 3)
    coarse = Context(regions=regions).pooled(GRID, (2, 2)).regions
    expected = regions.view(2, 2, 2, 2, 2, 3).mean((2, 4)).flatten(1, 2)
    torch.testing.assert_close(coarse, expected)
    runs = Context(regions=regions).pooled(GRID, (4, 2)).regions
    torch.testing.assert_close(runs, regions.view(2, 8, 2, 3).mean(2))
    plain = Context()
    assert plain.pooled(GRID, (2, 2)) is plain


def test_words_are_found_in_the_text():
    condition = prior_of().condition(num_images=2, text=TEXT, layout=PAINT)
    painted = condition.tensors["painted"]
    assert painted.shape == (2, N, L) and torch.equal(painted[0], painted[1])
    left = (torch.arange(N) % 4 < 2).float()
    words = ["a", "red", "heart"]
    for place in range(len(words)):
        torch.testing.assert_close(painted[0, :, place], left * (place > 0))
    # "and", "a", then the cat and nothing behind it.
    for place, share in enumerate((0, 0, 1, 1, 0), len(words)):
        torch.testing.assert_close(painted[0, :, place], (1 - left) * share)


NETWORKS = {"flat": (Transformer, {"depth": 4}), "hourglass": (Hourglass, {"depth": (1, 1, 1)})}


@torch.no_grad()
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("mixed", [False, True])
def test_painting_changes_what_is_told_and_off_is_nothing(kind, mixed):
    conditioner = Mixed([ClassLabel(2), small_text()]) if mixed else small_text()
    prior = prior_of(*NETWORKS[kind], conditioner)
    ids, clock = torch.full((2, N), 256), Clock.even(0, 1.0, 0.0, torch.zeros(2, N))

    def logits(condition, clock=clock, **more):
        denoise = Denoiser(prior.network, prior.layout(), condition, **more)
        return denoise.bind(torch.arange(2), keeps=True)(ids, clock).own

    plain, painted = (prior.condition(num_images=2, text=TEXT, layout=one) for one in (None, PAINT))
    assert (logits(painted) - logits(plain)).abs().max() > 1e-3
    # Where nothing is noise, where all is hidden, and where nothing is painted.
    quiet = Clock.even(0, 0.0, 0.0, ids)
    torch.testing.assert_close(logits(painted, quiet), logits(plain, quiet), rtol=1e-5, atol=1e-5)
    none = prior.condition(num_images=2, text=TEXT, layout=[])
    torch.testing.assert_close(logits(none), logits(plain), rtol=1e-5, atol=1e-5)
    hidden = painted.hide("painted", rows=torch.tensor([True, False]))
    torch.testing.assert_close(logits(hidden)[0], logits(plain)[0], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(logits(hidden)[1], logits(plain)[1], atol=1e-3)
    # The branch that guidance goes away from is told nothing of it.
    guidance = ConstantGuidance(3.0)
    away = logits(Condition())
    torch.testing.assert_close(logits(painted, guidance=guidance), 3 * logits(painted) - 2 * away, rtol=1e-3, atol=1e-3)


class Listening:
    """A network that notes how strongly it is told to paint."""

    def __init__(self):
        self.strengths = []

    def context(self, condition, num_rows):
        return Context(regions=torch.ones(num_rows, N, 1))

    def __call__(self, ids, time, context):
        self.strengths.append(context.strength.unique().item())
        return torch.zeros(*ids.shape, 3)


@pytest.mark.parametrize(
    ("sampler", "left"),
    [
        (Ancestral(16), lambda done: 1 - done), (ReMDM(16, Rescale(0.1)), lambda done: 1 - done),
        (MaskGIT(8), lambda done: math.cos(math.pi / 2 * done)),
        (Halton(8, schedule=Power(2.0)), lambda done: 1 - done**2),
    ],
    ids=lambda made: type(made).__name__,
)  # fmt: skip
def test_painting_is_as_strong_as_the_noise_that_is_left_says_at_every_step(sampler, left):
    """Though ids stay as they are: an evaluation of before would be of another strength."""
    network, noise, process = Listening(), Noise.of(3, 1), Absorbing(3)
    taken = sampler(Denoiser(network, Layout(GRID, 3), process=process), process.initial(N, noise), None, noise)
    steps = len(network.strengths)
    times = torch.tensor([left(step / sampler.steps) for step in range(steps)], dtype=torch.float64)
    assert steps == int(taken.trace.evaluations) and steps > sampler.steps // 2
    assert torch.allclose(torch.tensor(network.strengths), painting_strength(times))


@torch.no_grad()
def test_a_recorded_step_paints_the_same():
    """Twice by one recording, with another layout the second time."""
    plain, played = prior_of(), prior_of()
    made = []
    played.player = Player(lambda program: made.append(1) or program)
    recipe = Recipe(MaskGIT(8), Warps(), ConstantGuidance(2.0))
    for layout in (PAINT, [{**PAINT[0], "box": [0.5, 0, 1, 1]}], None):
        asked = plain.condition(num_images=2, text=TEXT, layout=layout)
        samples = [prior.sample_ids(Noise.of(0, 2), recipe, asked).ids for prior in (plain, played)]
        assert torch.equal(*samples)
    assert len(made) == 2


def test_what_cannot_be_painted():
    prior = prior_of()
    for options, message in (
        ({"layout": PAINT}, "paints with the words of a text, and there is none; --text says"),
        ({"layout": PAINT, "text": "a red heart"}, "layout paints with 'black cat', which the text does not say"),
    ):
        with pytest.raises(ValueError, match=message):
            prior.sample(**options)
    with pytest.raises(ValueError, match="needs tokens on a grid and a network that sees all"):
        prior_of(CausalTransformer).sample(text=TEXT, layout=PAINT)
    with pytest.raises(ValueError, match="leave out the canvas"):
        prior.sample(text=TEXT, layout=PAINT, canvas=(2, 2))
    features = torch.from_numpy(to_bytes(["x"]))
    with pytest.raises(ValueError, match=r"painted must be \(B, h w, 8\) float"):
        prior.sample_ids(Noise.of(0, 1), condition=Condition({"caption": features, "painted": torch.zeros(1, 16, 3)}))
