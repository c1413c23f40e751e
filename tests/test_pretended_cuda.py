"""What a CUDA device would be given: nothing on two devices at once, and no step that moves data or waits for them."""

from itertools import product

import pytest
import torch
from pretended_cuda import pretended_cuda
from stubs import denoiser
from test_iteration import FITTING, GRID, Causally, N, TableNetwork, V, made
from test_recorded_readers import LABEL, READERS
from torch.utils._python_dispatch import TorchDispatchMode

import lightgen
from lightgen.cli.main import main
from lightgen.functional.random import Noise
from lightgen.guidance import AdaptiveGuidance, LinearGuidance
from lightgen.modules.prior import conditioned
from lightgen.processes import Causal
from lightgen.samplers import Autoregressive
from lightgen.samplers.recorded import Player
from lightgen.warps import Warps

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
PRIORS = ("absorbing", "sundae", "uniform", "mask-replace", "causal")
WAYS = {
    "plain": {},
    "warped, guided": {"warps": Warps(0.7, 0.3, top_k=3, top_p=0.9, typical=0.9), "guidance": LinearGuidance(3.0)},
    "masked for guidance": {"guidance": AdaptiveGuidance(2.0, 0.7)},
}
MASKED = [way for way in product(FITTING, WAYS) if way[1] != "masked for guidance" or way[0][1].__name__ == "Absorbing"]


class Alike(TorchDispatchMode):
    """The same operations as on the card, which takes some apart that a CPU has in one, and rounds otherwise."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class Captured:
    """Takes note of what a step would do that cannot be captured."""

    def __init__(self, card):
        self.card, self.steps = card, 0

    def __call__(self, program):
        before = len(self.card.moved)
        program()
        assert self.card.moved[before:] == []
        self.steps += 1
        return program


@pytest.fixture
def cuda(monkeypatch):
    with pretended_cuda(monkeypatch) as card:
        yield card


@pytest.fixture
def on_both(monkeypatch):
    """Runs a function of a device and a player on the CPU and on the card."""

    def run(function):
        with torch.no_grad(), Alike():
            expected = function("cpu", None)
        with pretended_cuda(monkeypatch) as card:
            capture = Captured(card)
            found = function("cuda", Player(capture))
            assert found.device.type == "cuda"
            # The decoder may round a value to the neighbouring one.
            limit = {torch.uint8: 1, torch.long: 0}.get(expected.dtype, 1e-5)
            torch.testing.assert_close(found.cpu().double(), expected.double(), atol=limit, rtol=0)
        return capture.steps

    return run


@pytest.mark.parametrize(("fitting", "way"), MASKED)
def test_steps_of_samplers_could_be_captured(fitting, way, on_both):
    sampler, process = fitting

    def ids(device, player):
        noise, corrupt = Noise.of(0, 4, device=device), process(V).to(device)
        network = (Causally(V + 1, V) if process is Causal else TableNetwork(V + 1, V)).to(device)
        more = {"process": corrupt if corrupt.diffuses else None, "critic": TableNetwork(V, 1).to(device)}
        asked = denoiser(network, V, GRID, **more, **WAYS[way])
        return made(sampler).iterate(asked, corrupt.initial(N, noise), None, noise, player=player).run().ids

    assert on_both(ids) == 1


@pytest.mark.parametrize("name", READERS)
def test_steps_of_causal_networks_could_be_captured(name, on_both):
    def ids(device, player):
        network = READERS[name]().to(device)
        layout, noise = network.layout, Noise.of(0, 4, device=device)
        start = Causal(layout.vocab_size).to(device).initial(layout.num_tokens, noise)
        more = WAYS["warped, guided"] if network.conditioner is not None else {}
        asked = denoiser(network, layout.vocab_size, layout.grid, LABEL.to(device), **more)
        return Autoregressive().iterate(asked, start, None, noise, player=player).run().ids

    assert on_both(ids) == 1


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_by_text_could_be_captured(name, on_both):
    def pictures(device, player):
        prior = lightgen.load(f"zoo:icons64-{name}").to(device)
        prior.player = player
        steps = None if name == "causal" else 7
        return prior.sample(2, text="a red heart", label=[3, 4], style="noto", guidance=2.0, steps=steps)

    assert on_both(pictures) == 1


@pytest.mark.parametrize("name", ["absorbing", "sundae"])
def test_a_larger_canvas_could_be_captured(name, on_both):
    def pictures(device, player):
        prior = lightgen.load(f"zoo:icons64-{name}").to(device)
        prior.player = player
        return prior.sample(1, label=2, canvas=(1, 2), steps=6)

    assert on_both(pictures) == 1


@pytest.mark.parametrize("name", PRIORS)
def test_a_loss_is_worked_out_on_one_device(name, on_both):
    ids = torch.randint(1024, (3, 64), generator=torch.Generator().manual_seed(0))

    def loss(device, _):
        prior = lightgen.load(f"zoo:icons64-{name}").to(device)
        noise = Noise.of(0, 3, device=device)
        told = prior.network.conditioner.hide(prior.condition([1, 2, 3], 3, text="a cat").to(device), noise)
        return prior.process.loss(conditioned(prior, told), ids.to(device), noise).loss

    on_both(loss)


def test_the_commands_sample_and_inpaint_on_a_card(cuda, monkeypatch, tmp_path, capsys):
    capture = Captured(cuda)
    for name, value in {"is_available": True, "device_count": 1, "get_device_name": "card"}.items():
        monkeypatch.setattr(torch.cuda, name, lambda *args, value=value: value)
    monkeypatch.setattr("lightgen.assembly.cuda_graph", capture)
    more = ["--num_images", "2", "--ckpt_path"]
    assert main(["sample", *more, "zoo:icons64-absorbing", "--sampler.steps", "6", "--out", str(tmp_path / "a")]) == 0
    picture = str(tmp_path / "a" / "000000.png")
    assert main(["inpaint", *more, "zoo:icons64-sundae", "--image", picture, "--canvas", "1x2",
                 "--out", str(tmp_path / "b")]) == 0  # fmt: skip
    assert capsys.readouterr().out.count("accelerate graph, bfloat16 weights: too few pictures to compile for") == 2
    assert capture.steps >= 2 and len(list((tmp_path / "b").glob("00000?.png"))) == 2


def test_the_pretence_tells_devices_apart_and_counts(cuda):
    x = torch.arange(3, device="cuda")
    assert x.device.type == "cuda" and cuda.moved == []
    with pytest.raises(RuntimeError, match="tensors on two devices"):
        x + torch.ones(3)
    for waits in (
        lambda: int(x[0]),
        lambda: x[x > 0],
        lambda: x.cpu(),
        lambda: torch.tensor(1, device="cuda"),
        x.nonzero,
    ):
        before = len(cuda.moved)
        waits()
        assert len(cuda.moved) == before + 1
