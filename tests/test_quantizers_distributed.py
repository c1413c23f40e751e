"""Two processes train the codebooks, and count the codes, of one with both their batches."""

import subprocess
import sys
import time

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing import start_processes

from lightgen.metrics.codebook import CodebookUsage
from lightgen.quantizers import LFQ, VQ, GradientVQ, GumbelVQ, ProductVQ, ResidualVQ

MAKE = {
    "VQ": lambda: VQ(24, 8, decay=0.5, dead_below=0.5),
    "VQ, cosine, low-dimensional": lambda: VQ(24, 8, decay=0.5, dead_below=0.5, code_dim=3, cosine=True),
    "GradientVQ": lambda: GradientVQ(24, 8),
    "LFQ": lambda: LFQ(5),
    "ResidualVQ": lambda: ResidualVQ(24, 2, 8, decay=0.5, dead_below=0.5),
    "ProductVQ": lambda: ProductVQ(24, 2, 8, decay=0.5, dead_below=0.5),
    "GumbelVQ": lambda: GumbelVQ(24, 8),
}
STEPS, BATCH = 7, 4


def train(name, share):
    """What comes of training on our share of each batch: the state, ids, losses, and gradients of latents."""
    torch.manual_seed(0)
    quantizer = MAKE[name]()
    usage = CodebookUsage(quantizer.vocab_size, quantizer.num_codes)
    found = {"ids": [], "loss": [], "gradient": []}
    for step in range(STEPS):
        generator = torch.Generator().manual_seed(step)
        # In the middle the latents move away, and leave the codes behind.
        x = (torch.randn(BATCH, quantizer.dim, 4, 6, generator=generator) + 8 * (step > 1))[share].requires_grad_()
        quantized = quantizer(x)
        (quantized.loss + quantized.latent.square().mean()).backward()
        usage.update(quantized.ids)
        found["ids"].append(quantized.ids)
        found["loss"].append(quantized.loss.detach())
        found["gradient"].append(x.grad)
        for parameter in quantizer.parameters():
            if dist.is_initialized():
                dist.all_reduce(parameter.grad)
                parameter.grad /= dist.get_world_size()
            parameter.data -= 0.5 * parameter.grad
            parameter.grad = None
    return {**found, "state": quantizer.state_dict(), "usage": usage.compute()}


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    share = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    torch.save({name: train(name, share) for name in MAKE}, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of two processes finds."""
    folder = tmp_path_factory.mktemp("ranks")
    context = start_processes(work, (folder,), nprocs=2, join=False, start_method="spawn")
    assert context is not None
    end = time.monotonic() + 240
    while not context.join(timeout=1):
        if time.monotonic() > end:
            for process in context.processes:
                process.kill()
            pytest.fail("two processes wait for each other")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", MAKE)
def test_two_processes_train_as_one(both, name):
    one, (first, second) = train(name, slice(None)), (found[name] for found in both)
    for step in range(STEPS):
        assert torch.equal(torch.cat([first["ids"][step], second["ids"][step]]), one["ids"][step])
        torch.testing.assert_close((first["loss"][step] + second["loss"][step]) / 2, one["loss"][step])
        # Each rank's loss is a mean over half as many latents; what DDP does to parameters halves it.
        gradient = torch.cat([first["gradient"][step], second["gradient"][step]]) / 2
        torch.testing.assert_close(gradient, one["gradient"][step], rtol=1e-4, atol=1e-6)
    for key, value in one["state"].items():
        assert torch.equal(first["state"][key], second["state"][key])
        torch.testing.assert_close(first["state"][key], value, rtol=1e-4, atol=1e-5)
    for key, value in one["usage"].items():
        assert first["usage"][key] == second["usage"][key] == value
    if name not in ("GradientVQ", "LFQ", "GumbelVQ"):
        # Without revival, one code or two take all.
        assert len(one["ids"][-1].unique()) > 12


COMMAND = [
    sys.executable, "-m", "lightgen", "fit", "--config", "tiny-tokenizer.yaml", "--trainer.max_steps", "6",
    "--trainer.val_check_interval", "6", "--trainer.enable_progress_bar", "false",
    "--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", "0.01",
    "--model.tokenizer.quantizer", "ResidualVQ", "--model.tokenizer.quantizer.vocab_size", "32",
    "--model.tokenizer.quantizer.dim", "4", "--model.tokenizer.quantizer.decay", "0.8",
    "--model.tokenizer.quantizer.dead_below", "0.5",
]  # fmt: skip


def fit(root, *args):
    """The state after six steps through the command line."""
    command = [*COMMAND, "--trainer.default_root_dir", str(root), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return torch.load(root / "last.ckpt", weights_only=True)["state_dict"]


def test_two_processes_of_the_command_line_train_as_one(tmp_path):
    one = fit(tmp_path / "one", "--data.batch_size", "8")
    two = fit(tmp_path / "two", "--data.batch_size", "4", "--trainer.strategy", "ddp", "--trainer.devices", "2",
              "--trainer.accelerator", "cpu")  # fmt: skip
    assert int(one["tokenizer.quantizer.steps"]) == 6
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-4)
