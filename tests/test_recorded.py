"""Steps that are recorded once and played again: the same ids as steps that are made one by one.

A tape stands for a CUDA graph: it keeps the operations of one run with the tensors that they read and write, and plays
them on the same memory, without any line of Python in between.
"""

import pytest
import torch
from stubs import denoiser
from test_iteration import FITTING, N, NoSync, V, made, setting
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lightgen.functional.random import Noise
from lightgen.guidance import AdaptiveGuidance, ConstantGuidance, LinearGuidance
from lightgen.processes import SUNDAE, Absorbing, Uniform
from lightgen.samplers import SUNDAE as SUNDAESampler
from lightgen.samplers import Ancestral, EBSampler, MaskGIT, ReMDM
from lightgen.samplers.recorded import MOST, Player
from lightgen.warps import Warps


class Tape(TorchDispatchMode):
    """What was done to which tensors."""

    def __init__(self):
        super().__init__()
        self.done = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = kwargs or {}
        found = func(*args, **given)
        memory = {t.untyped_storage().data_ptr() for t in tree_leaves((args, given)) if isinstance(t, torch.Tensor)}
        fresh = [t.untyped_storage().data_ptr() not in memory for t in tree_leaves(found)]
        self.done.append((func, args, given, tree_leaves(found), fresh))
        return found

    def play(self):
        for func, args, kwargs, before, fresh in self.done:
            for old, new, is_fresh in zip(before, tree_leaves(func(*args, **kwargs)), fresh, strict=True):
                if is_fresh:
                    old.copy_(new)


class Recorder:
    """Records on a tape, in which nothing may wait for data."""

    def __init__(self):
        self.recorded = self.played = 0

    def __call__(self, program):
        self.recorded += 1
        with Tape() as tape, NoSync():
            outcome = program()

        def play():
            self.played += 1
            tape.play()
            return outcome

        return play


def both(sampler, process, batch=4, known=None, watch=False, **more):
    """A loop of steps that are made, and one of steps that are played."""
    recorder = Recorder()
    loops = []
    for player in (None, Player(recorder)):
        denoise, start, noise = setting(process, batch, **more)
        loops.append(sampler.iterate(denoise, start, known, noise, watch, player))
    return *loops, recorder


@pytest.mark.parametrize(("sampler", "process"), FITTING)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"warps": Warps(0.7, 0.3, top_k=3), "guidance": LinearGuidance(3.0)},
    ],
    ids=["plain", "guided"],
)
def test_played_steps_give_the_same_ids(sampler, process, more):
    plain, played, recorder = both(made(sampler), process, **more)
    expected, found = plain.run(), played.run()
    assert torch.equal(found.ids, expected.ids) and torch.equal(found.trace.changed, expected.trace.changed)
    assert recorder.recorded == (plain.num_steps > 4)
    assert torch.equal(found.trace.finished, expected.trace.finished)


def test_a_network_that_masks_for_guidance_is_played_too():
    plain, played, recorder = both(MaskGIT(6), Absorbing, guidance=AdaptiveGuidance(2.0, 0.7))
    assert torch.equal(played.run().ids, plain.run().ids) and recorder.played == 4


@pytest.mark.parametrize("sampler", [SUNDAESampler(12, min_steps=2), EBSampler(3.0), MaskGIT(8)], ids=repr)
def test_pictures_that_finish_leave_a_batch_that_is_halved(sampler):
    process = SUNDAE if isinstance(sampler, SUNDAESampler) else Absorbing
    known = torch.zeros(9, N, dtype=torch.bool)
    known[:5, : N - 2] = True
    plain, played, recorder = both(sampler, process, 9, known=known)
    plain._state.ids[:5, : N - 2] = played._state.ids[:5, : N - 2] = 1
    expected, found = plain.run(), played.run()
    assert torch.equal(found.ids, expected.ids)
    assert torch.equal(found.trace.evaluations, expected.trace.evaluations) and found.trace.rows == expected.trace.rows
    sizes = {key[0] for key in played._make.func.__self__.recordings}
    assert sizes <= {9, 5, 3, 2, 1} and recorder.recorded == len(sizes)


def test_what_is_watched_or_edited_is_the_same():
    plain, played, recorder = both(ReMDM(9), Absorbing, watch=True)
    for one, other in zip(plain, played, strict=True):
        assert torch.equal(one.ids, other.ids) and torch.equal(one.confidence, other.confidence)
        if one.step == 4:
            ids = one.ids.clone()
            ids[0, :3] = V
            known = ids == 0
            one.edit(ids, known), other.edit(ids, known)
            assert torch.equal(one.fork().run().ids, other.fork().run().ids)
    assert recorder.played > 4


def test_a_recording_serves_the_batches_that_follow():
    recorder = Recorder()
    player, (denoise, start, _) = Player(recorder), setting(SUNDAE)
    for first in (0, 4):
        noise, sampler = Noise.of(0, 4, first), SUNDAESampler(8, patience=None)
        results = [sampler.iterate(denoise, start, None, noise, player=use).run().ids for use in (None, player)]
        assert torch.equal(*results)
    assert recorder.recorded == 1 and recorder.played == 12


def test_other_conditions_and_settings_are_never_mistaken():
    """What a recording bakes in makes another one; what it reads is written before each play."""
    torch.manual_seed(0)
    table = torch.randn(3, V + 1, V)

    def network(ids, time, label):
        return table[label.clamp_min(0)[:, None], ids]

    player = Player(Recorder())
    for label in (torch.tensor([0, 1]), torch.tensor([2, 0])):
        for seed in (0, 1):
            for scale in (1.0, 4.0):
                results = []
                for use in (None, player):
                    asked = denoiser(network, V, (3, 4), label, guidance=ConstantGuidance(scale))
                    noise = Noise.of(seed, 2)
                    start = torch.full((2, N), V)
                    results.append(MaskGIT(8, 0.5).iterate(asked, start, None, noise, player=use).run().ids)
                assert torch.equal(*results)
    assert len(player.recordings) <= MOST


def test_where_nothing_changed_the_last_evaluation_is_made_again():
    """Played steps cost what they cost; made ones may use an evaluation again."""
    plain, played, _ = both(Ancestral(40), Absorbing, 1)
    plain.run(), played.run()
    assert int(plain.evaluations) <= N < int(played.evaluations) == played.step == plain.step <= 40


def test_few_steps_are_not_recorded():
    _, played, recorder = both(MaskGIT(4), Absorbing)
    played.run()
    assert recorder.recorded == 0


def test_a_network_that_reads_the_time():
    plain, played, recorder = both(Ancestral(9), Uniform, reads_time=True)
    assert torch.equal(played.run().ids, plain.run().ids) and recorder.played
