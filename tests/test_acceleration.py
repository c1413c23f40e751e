"""What is done to sample fast: what is chosen, narrower weights, steps as CUDA graphs (on a tape in their place)."""

import multiprocessing
from contextlib import nullcontext
from functools import partialmethod

import pytest
import torch
from test_recorded import Tape

import lightgen
from lightgen.acceleration import COMPILE_FROM, chosen, cuda_graph, narrow
from lightgen.functional.random import Noise
from lightgen.samplers import SUNDAE
from lightgen.samplers.recorded import Player

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("mode", "dtype", "device", "evaluations", "expected"),
    [
        ("auto", "auto", CPU, 10**9, ("off", "float32", False)),
        ("compile", "auto", CPU, 0, ("compile", "float32", False)),
        ("off", "bfloat16", CPU, 0, ("off", "bfloat16", False)),
        ("auto", "auto", CUDA, 100, ("graph", "bfloat16", True)),
        ("auto", "float32", CUDA, 100, ("graph", "float32", True)),
        ("auto", "auto", CUDA, COMPILE_FROM, ("compile", "bfloat16", True)),
        ("off", "auto", CUDA, COMPILE_FROM, ("off", "float32", False)),
    ],
)
def test_what_is_chosen(mode, dtype, device, evaluations, expected):
    found = chosen(mode, dtype, device, evaluations)
    assert (found.mode, found.dtype, found.records) == expected


@pytest.mark.parametrize(
    ("mode", "dtype", "message"),
    [
        ("graph", "auto", "accelerate graph needs a CUDA device, and this is cpu"),
        ("fast", "auto", "accelerate must be one of auto, off, compile, graph, not 'fast'"),
        ("off", "int8", "dtype must be one of auto, float32, bfloat16, not 'int8'"),
    ],
)
def test_what_cannot_be_is_refused(mode, dtype, message):
    with pytest.raises(ValueError, match=message):
        lightgen.load("zoo:icons64-sundae").accelerate(mode, dtype)


@pytest.mark.parametrize("name", ["sundae", "uniform", "causal"])
def test_narrow_weights_change_logits_by_their_rounding_and_no_table(name):
    wide, prior = (lightgen.load(f"zoo:icons64-{name}") for _ in range(2))
    assert prior.accelerate("off", "bfloat16").dtype == "bfloat16"
    assert {p.dtype for p in prior.network.parameters()} == {torch.bfloat16}
    assert all(torch.equal(*pair) for pair in zip(wide.buffers(), prior.buffers(), strict=True))
    assert wide.sample(2, steps=None if name == "causal" else 4).shape == prior.sample(2).shape
    noise = Noise.of(0, 2)
    ids, time = wide.initial(noise), torch.tensor([0.2, 0.9])
    condition = wide.condition([3, 5], 2)
    with torch.no_grad():
        expected, found = (p.network(ids, time, p.network.context(condition, 2)).float() for p in (wide, prior))
    scale = expected.std()
    assert 0 < (found - expected).abs().mean() < 0.03 * scale
    pictures = [p.decode(ids.clamp_max(wide.layout().vocab_size - 1)).float() for p in (wide, prior)]
    assert (pictures[0] - pictures[1]).abs().mean() < 1


class Graph:
    """In the place of `torch.cuda.CUDAGraph`."""

    def __init__(self):
        self.tape = Tape()

    def replay(self):
        self.tape.play()


class Aside:
    """In the place of a stream."""

    def wait_stream(self, other):
        """There is one."""


@pytest.fixture
def tape_for_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: graph.tape)
    monkeypatch.setattr(torch.cuda, "Stream", Aside)
    monkeypatch.setattr(torch.cuda, "current_stream", Aside)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())


@pytest.mark.parametrize("name", ["sundae", "uniform", "absorbing", "mask-replace"])
def test_a_prior_gives_the_same_pictures_from_recorded_steps(name, tape_for_cuda):
    prior, noise = lightgen.load(f"zoo:icons64-{name}"), Noise.of(1, 3)
    recipe = prior.chosen(steps=7)
    expected = prior.sample_ids(noise, recipe, prior.condition([0, 4, 8], 3))
    prior.player = Player(cuda_graph)
    found = prior.sample_ids(noise, recipe, prior.condition([0, 4, 8], 3))
    assert torch.equal(found.ids, expected.ids) and len(prior.player.recordings) >= 1


def test_a_causal_prior_gives_the_same_pictures_from_recorded_steps(tape_for_cuda):
    prior = lightgen.load("zoo:icons64-causal")
    expected = prior.sample(1, label=3)
    prior.player = Player(cuda_graph)
    for _ in range(2):
        assert torch.equal(prior.sample(1, label=3), expected) and len(prior.player.recordings) == 1


def test_steps_that_cannot_be_recorded_are_made_with_a_warning(tape_for_cuda, monkeypatch):
    class Refusing(Tape):
        def __exit__(self, *error):
            super().__exit__(*error)
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(torch.cuda, "graph", lambda graph: Refusing())
    prior = lightgen.load("zoo:icons64-sundae")
    expected = prior.sample(1, steps=6)
    prior.player = Player(cuda_graph)
    with pytest.warns(UserWarning, match="none could be recorded: operation not permitted when stream is capturing$"):
        assert torch.equal(prior.sample(1, steps=6), expected)


def in_a_process(function):
    """The compiler leaves threads behind, after which other tests could not fork."""
    process = multiprocessing.get_context("fork").Process(target=function)
    process.start()
    process.join()
    assert process.exitcode == 0


def test_networks_and_decoder_compile_once_for_all_steps():
    in_a_process(compile_once)


def compile_once():
    prior, compiled = lightgen.load("zoo:icons64-absorbing"), []
    expected = prior.sample(2, steps=4)

    def count(graph, inputs):
        compiled.append(graph)
        return graph.forward

    prior.network.compile(dynamic=False, fullgraph=True, backend=count)
    prior.tokenizer.decoder.compile(dynamic=False, fullgraph=True, backend=count)
    for _ in range(2):
        assert torch.equal(prior.sample(2, steps=4), expected)
    assert len(compiled) == 2


def test_pictures_that_finish_one_by_one_compile_thrice_at_most():
    """For the whole batch, for any other number of pictures, and for a single one."""
    in_a_process(compile_for_fewer)


def compile_for_fewer():
    prior, compiled, noise = lightgen.load("zoo:icons64-sundae"), [], Noise.of(0, 16)
    recipe = prior.chosen(sampler=SUNDAE(20, min_steps=2, patience=1), guidance=1.0)
    expected = prior.sample_ids(noise, recipe, prior.condition(1, 16))
    assert len(set(expected.trace.rows)) > 5 and expected.trace.rows[-1] == 1

    def count(graph, inputs):
        compiled.append(graph)
        assert not any(isinstance(value := node.meta.get("example_value"), torch.Tensor) and value.is_complex()
                       for node in graph.graph.nodes)  # fmt: skip
        return graph.forward

    torch.nn.Module.compile = partialmethod(torch.nn.Module.compile, backend=count)
    prior.accelerate("compile")
    assert torch.equal(prior.sample_ids(noise, recipe, prior.condition(1, 16)).ids, expected.ids)
    assert 2 <= len(compiled) <= 3


def test_narrowing_nothing_is_no_error():
    narrow(None)
