"""What a command does not need, it does not wait for; and what is loaded was never drawn."""

import json
import subprocess
import sys

import pytest
import torch
from PIL import Image
from torch import nn

import lightgen
from lightgen.cli import many_devices, one_device
from lightgen.cli.main import main
from lightgen.cli.one_device import OneDevice
from lightgen.functional.undrawn import undrawn
from lightgen.networks.base import Interface
from lightgen.networks.transformer import Transformer
from lightgen.quantizers import VQ, ResidualVQ

HEAVY = ("lightning", "torchmetrics", "torchvision", "timm", "matplotlib", "scipy", "einx", "sympy", "torch._dynamo")
PRIOR = "zoo:icons64-sundae"
SAMPLE = ["sample", "--ckpt_path", PRIOR, "--num_images", "2", "--sampler.steps", "2", "--warps.temperature", "0.5"]


def test_pictures_on_one_device_wait_for_nothing_but_torch(tmp_path):
    code = f"""
import json, sys
from lightgen.cli.main import main
from lightgen.cli import one_device
one_device.torch.cuda.device_count = lambda: 0
found = []
for args in json.loads(sys.argv[1]):
    try:
        code = main(args)
    except SystemExit as end:
        code = end.code
    found.append([code, [name for name in {HEAVY} if name in sys.modules]])
print(json.dumps(found))
"""
    mask, image = tmp_path / "mask.png", str(tmp_path / "light" / "000000.png")
    Image.linear_gradient("L").resize((64, 64)).save(mask)
    changed = ["--ckpt_path", PRIOR, "--image", image, "--num_images", "1", "--sampler.steps", "2"]
    runs = [
        [*SAMPLE, "--animate", "--out", str(tmp_path / "light")],
        ["inpaint", *changed, "--mask", str(mask), "--out", str(tmp_path / "painted")],
        ["edit", *changed, "--out", str(tmp_path / "edited")],
        ["sample", "--help"],
        [*SAMPLE, "--trainer.devices", "1", "--trainer.accelerator", "cpu", "--out", str(tmp_path / "trained")],
    ]
    command = [sys.executable, "-c", code, json.dumps(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *light, trained = json.loads(done.stdout.splitlines()[-1])
    assert light == [[0, []]] * 4 and trained[0] == 0 and {"lightning", "torchmetrics"} & {*trained[1]}
    assert done.stderr == "" and "`lightgen sample --help trainer`" in done.stdout
    for name in ("000000.png", "000001.png", "grid.png"):
        assert (tmp_path / "light" / name).read_bytes() == (tmp_path / "trained" / name).read_bytes()
    one, many = (json.loads((tmp_path / name / "samples.json").read_text()) for name in ("light", "trained"))
    assert {**one, "seconds": 0, "device": ""} == {**many, "seconds": 0, "device": ""}


def test_threads_that_wait_sleep_from_the_first_operation_on():
    code = """
import os, sys
for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
    os.environ.pop(name, None)
os.environ.update(dict(pair.split("=") for pair in sys.argv[1:]))
from lightgen.cli import main
main.importlib.import_module = lambda name: sys.exit(f"{os.environ.get('GOMP_SPINCOUNT')} {'torch' in sys.modules}")
main.main(["sample"])
"""

    def said(*environment: str) -> str:
        return subprocess.run([sys.executable, "-c", code, *environment], capture_output=True, text=True).stderr.strip()

    assert said() == "1000 False"
    assert said("GOMP_SPINCOUNT=7") == "7 False" and said("OMP_WAIT_POLICY=ACTIVE") == "None False"


@pytest.mark.parametrize("variable", ["LOCAL_RANK", "WORLD_SIZE", "SLURM_NTASKS"])
def test_one_of_several_processes_does_not_take_itself_for_all(monkeypatch, variable):
    for name in one_device.LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert one_device.is_alone()
    with monkeypatch.context() as patched:
        patched.setenv(variable, "0")
        assert not one_device.is_alone()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert not one_device.is_alone()


def test_a_trainer_in_a_config_is_obeyed(tmp_path, monkeypatch):
    (tmp_path / "c.yaml").write_text("num_images: 3\ntrainer:\n  devices: 1\n  accelerator: cpu\n")
    made = []
    monkeypatch.setattr(many_devices, "ManyDevices", lambda options: made.append(options) or OneDevice())
    given = ["--config", str(tmp_path / "c.yaml"), "--sampler.steps", "1", "--out", str(tmp_path)]
    assert main([*SAMPLE[:3], *given]) == 0
    assert [options["accelerator"] for options in made] == ["cpu"]
    assert main([*SAMPLE, "--out", str(tmp_path / "other")]) == 0 and len(made) == 1


def test_loading_draws_nothing_and_moves_no_generator():
    state = torch.get_rng_state()
    loaded = lightgen.load(PRIOR)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(7)
    assert lightgen.checkpoint.fingerprint(lightgen.load(PRIOR)) == lightgen.checkpoint.fingerprint(loaded)


def test_what_no_state_dict_has_is_right_in_what_is_loaded():
    for name in lightgen.zoo():
        loaded = lightgen.load(name)
        again = lightgen.registry.build(lightgen.registry.describe(loaded), loaded.kind)
        saved = loaded.state_dict().keys()
        buffers = {name: b for name, b in loaded.named_buffers() if name not in saved}
        for key, value in again.named_buffers():
            assert key in saved or torch.equal(buffers.pop(key), value)
        assert not buffers


def test_undrawn_weights_are_not_drawn_and_all_else_is_as_ever(monkeypatch):
    interface = Interface(lightgen.layout.Layout((4, 4), 8), 9)
    torch.manual_seed(0)
    drawn = Transformer(interface, dim=16, depth=1, heads=2, dim_head=8)
    state = torch.get_rng_state()
    with undrawn():
        filled = Transformer(interface, dim=16, depth=1, heads=2, dim_head=8)
        # The memory has whatever it had, so that only the generator shows that nothing was drawn.
        start = torch.get_rng_state()
        nn.Linear(8, 8), nn.Conv2d(3, 3, 3), nn.Embedding(5, 3), torch.randn(3), torch.rand(2)
        VQ(8, 4), ResidualVQ(8, 2, 4), nn.init.trunc_normal_(torch.empty(9)), nn.init.xavier_normal_(torch.empty(3, 3))
        assert torch.equal(torch.get_rng_state(), start)
    assert torch.equal(torch.get_rng_state(), state)
    filled.load_state_dict(drawn.state_dict())
    for (name, a), (other, b) in zip(drawn.named_buffers(), filled.named_buffers(), strict=True):
        assert name == other and torch.equal(a, b)
    assert all(p.requires_grad for p in filled.parameters())
    assert torch.equal(torch.randn(2), torch.randn(2, generator=torch.Generator().set_state(state)))
