"""The loop that is driven from outside: stopped, looked at, edited, forked; and steps that decide nothing by data."""

import multiprocessing

import pytest
import torch
from stubs import TableNetwork, denoiser
from torch.utils._python_dispatch import TorchDispatchMode

from lightgen.clock import Clock
from lightgen.functional.random import Noise
from lightgen.guidance import AdaptiveGuidance, ConstantGuidance
from lightgen.processes import SUNDAE, Absorbing, Causal, MaskReplace, Uniform
from lightgen.registry import components
from lightgen.samplers import SUNDAE as SUNDAESampler
from lightgen.samplers import Autoregressive, EBSampler, MaskGIT, RandomOrder, ReMDM
from lightgen.samplers.state import State
from lightgen.warps import Warps

V, N, GRID = 5, 12, (3, 4)
PROCESSES = [SUNDAE, Uniform, Absorbing, MaskReplace, Causal]
FITTING = [(s, p) for s in components("sampler") for p in PROCESSES if p.family in s.accepts]


class Causally(TableNetwork):
    """Logits from the id before."""

    def forward(self, ids_BN, time=None, context=None):
        before = torch.cat([torch.full_like(ids_BN[:, :1], V), ids_BN[:, :-1]], 1)
        return super().forward(before)


def setting(process, batch=4, **more):
    """A denoiser, all noise, and the random numbers of a batch."""
    made, noise = process(V), Noise.of(0, batch)
    network = Causally(V + 1, V) if process is Causal else TableNetwork(V + 1, V)
    critic = TableNetwork(V, 1)
    stepping = made if made.diffuses else None
    return denoiser(network, V, GRID, process=stepping, critic=critic, **more), made.initial(N, noise), noise


def made(sampler):
    return sampler() if sampler in (Autoregressive, EBSampler) else sampler(steps=6)


@pytest.mark.parametrize(("sampler", "process"), FITTING)
def test_driving_the_loop_is_calling_the_sampler(sampler, process):
    denoise, start, noise = setting(process)
    whole, states = made(sampler)(denoise, start, None, noise), []
    for state in made(sampler).iterate(denoise, start, None, noise, watch=True):
        states.append(state.ids.clone())
        assert state.step == len(states) and ((state.confidence >= 0) & (state.confidence <= 1)).all()
    assert torch.equal(states[-1], whole.ids) and torch.equal(state.evaluations, whole.trace.evaluations)
    assert torch.equal(state.sample().trace.changed, whole.trace.changed)


@pytest.mark.parametrize(("sampler", "process"), FITTING)
def test_a_fork_goes_the_same_way_until_it_is_edited(sampler, process):
    denoise, start, noise = setting(process)
    loop = made(sampler).iterate(denoise, start, None, noise)
    next(loop), next(loop)
    same, other = loop.fork(), loop.fork()
    known = torch.zeros_like(start, dtype=torch.bool)
    known[:, N // 2 :] = True
    given = torch.where(known, 1, other.ids)
    other.edit(given, known)
    expected, changed = same.run(), other.run()
    assert torch.equal(loop.run().ids, expected.ids)
    assert torch.equal(loop.evaluations, same.evaluations)
    going = ~expected.trace.finished | (changed.trace.changed.sum(0) > 0)
    assert (changed.ids[going][:, N // 2 :] == 1).all() and not torch.equal(changed.ids, expected.ids)


def test_what_is_read_out_stays_as_it_was():
    denoise, start, noise = setting(Absorbing)
    known = torch.zeros_like(start, dtype=torch.bool)
    loop = MaskGIT(4).iterate(denoise, start, known, noise)
    next(loop)
    sample, spent = loop.sample(), loop.evaluations
    known[:] = True
    next(loop)
    assert spent.tolist() == sample.trace.evaluations.tolist() == [1] * 4 and sample.trace.rows == [4]
    assert (loop.run().ids < V).all()


def test_masked_again_in_the_last_steps_an_adaptive_sampler_still_leaves_no_mask():
    denoise, start, noise = setting(Absorbing)
    loop = EBSampler(0.0).iterate(denoise, start, None, noise)
    for state in loop:
        if state.step == N - 2:
            state.edit(start)
    assert (loop.ids < V).all()


def test_edits_are_checked_and_a_masked_token_is_drawn_again():
    denoise, start, noise = setting(Absorbing)
    loop = MaskGIT(4).iterate(denoise, start, None, noise)
    next(loop)
    with pytest.raises(ValueError, match=r"known_BN must be \(4, 12\), not \(12,\)"):
        loop.edit(known_BN=torch.zeros(12, dtype=torch.bool))
    written = (loop.ids != V).nonzero()[0]
    ids = loop.ids.clone()
    ids[tuple(written)] = V
    loop.edit(ids)
    assert (loop.run().ids < V).all()


def test_an_edit_that_changes_nothing_changes_nothing():
    hidden = []
    for edits in (False, True):
        denoise, start, noise = setting(Absorbing, 1, guidance=AdaptiveGuidance(2.0, 0.7))
        loop = RandomOrder(6).iterate(denoise, start, None, noise)
        for state in loop:
            if edits and state.step == 3:
                state.edit(state.ids)
        calls = denoise.network.calls
        hidden.append([int((call[1] == V).sum() - (call[0] == V).sum()) for call in calls])
    assert hidden[0] == hidden[1] == [0, 1, 2, 4, 5, 7]


class NoSync(TorchDispatchMode):
    """Refuses what makes the host wait for data: numbers read out of tensors, and shapes that depend on data."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.overloadpacket not in (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero), func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("sampler", "process"), FITTING)
@pytest.mark.parametrize("warps", [Warps(), Warps(0.7, 0.0, top_k=3, top_p=0.9, typical=0.9)])
def test_a_step_reads_nothing_out_of_a_tensor_and_takes_its_number_as_one(sampler, process, warps):
    """So that one step can be recorded, and played again with other numbers."""
    denoise, start, noise = setting(process, warps=warps)
    loop = made(sampler).iterate(denoise, start, None, noise)
    next(loop)
    # What is evaluated again was decided before the step.
    state, bound, other = loop._state, loop._denoise, loop.fork()
    clock = loop.sampler.clock(state)
    as_tensor = Clock(torch.tensor(clock.step), clock.time, clock.progress)
    expected, _ = other.sampler.step(other._state, other._denoise, clock)
    with NoSync(), torch.no_grad():
        found, _ = loop.sampler.step(state, bound, as_tensor)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("sampler", [SUNDAESampler(6, patience=None), ReMDM(6), EBSampler(0.0)])
def test_a_step_compiles_once_for_all_numbers(sampler):
    # The compiler leaves threads behind, after which other tests could not fork.
    process = multiprocessing.get_context("fork").Process(target=compile_once, args=(sampler,))
    process.start()
    process.join()
    assert process.exitcode == 0


@torch.no_grad()
def compile_once(sampler):
    """One graph, without a break, for the second and every later step."""
    options = {"warps": Warps(0.7, top_k=4), "guidance": ConstantGuidance(2.0)}
    denoise, start, noise = setting(SUNDAE if isinstance(sampler, SUNDAESampler) else Absorbing, **options)
    table, compiled = denoise.network.table, []
    denoise.network = lambda ids, time, context: table[ids]
    loop = sampler.iterate(denoise, start, None, noise)
    bound, rows, known = denoise.bind(noise.index), noise.index.clone(), torch.zeros_like(start, dtype=torch.bool)

    def step(ids, number, time, progress, memory):
        state = State(ids, known, noise, rows, 6, 1, dict(memory))
        return sampler.step(state, bound, Clock(number, time, progress))[0]

    def count(graph, inputs):
        compiled.append(graph)
        return graph.forward

    fast = torch.compile(step, backend=count, fullgraph=True, dynamic=False)
    for number in range(1, 4):
        state, clock = loop._state, sampler.clock(loop._state)
        given = (state.ids, torch.tensor(number), clock.time, clock.progress, state.memory)
        assert torch.equal(fast(*given), step(*given))
        next(loop)
        assert len(loop._state.rows) == len(rows)
    assert len(compiled) == 1
