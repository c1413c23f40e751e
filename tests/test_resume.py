"""A killed run, resumed, ends with the weights of an unbroken one; Ctrl-C loses nothing."""

import signal
import subprocess
import sys
import time

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader

from lightgen.callbacks import StopOnInterrupt

STEPS = 300
COMMAND = [
    sys.executable, "-m", "lightgen", "fit", "--config", "tiny.yaml", "--trainer.max_steps", str(STEPS),
    "--checkpoints.every_n_train_steps", "7", "--trainer.val_check_interval", "100",
]  # fmt: skip


def start(root, tokenizer, *more):
    args = [*COMMAND, "--trainer.default_root_dir", str(root), "--model.tokenizer", str(tokenizer), *more]
    return subprocess.Popen(args, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out + err


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, tokenizer_checkpoint):
    root = tmp_path_factory.mktemp("unbroken")
    finish(start(root, tokenizer_checkpoint))
    return torch.load(root / "last.ckpt", weights_only=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_resumed_weights_are_those_of_an_unbroken_run(tmp_path, tokenizer_checkpoint, unbroken, number):
    process = start(tmp_path, tokenizer_checkpoint)
    last = tmp_path / "last.ckpt"
    while not last.is_file() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=300)
    stopped_at = torch.load(last, weights_only=True)["global_step"]
    assert 0 < stopped_at < STEPS
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert f"interrupted at step {stopped_at}" in err and f"--ckpt_path {last}" in err and f"saved {last}" in err
        assert "Traceback" not in err
    finish(start(tmp_path, tokenizer_checkpoint, "--ckpt_path", str(last)))
    resumed = torch.load(last, weights_only=True)
    assert resumed["global_step"] == unbroken["global_step"] == STEPS
    for part in ("state_dict", "current_model_state"):
        assert resumed[part].keys() == unbroken[part].keys()
        for name, tensor in unbroken[part].items():
            assert torch.equal(resumed[part][name], tensor), (part, name)


def test_a_new_run_keeps_what_an_earlier_one_left(tmp_path, tokenizer_checkpoint):
    options = ["--trainer.max_steps", "2", "--trainer.limit_val_batches", "0"]
    finish(start(tmp_path, tokenizer_checkpoint, *options))
    earlier = (tmp_path / "last.ckpt").read_bytes()
    said = finish(start(tmp_path, tokenizer_checkpoint, *options, "--seed_everything", "5"))
    assert (tmp_path / "earlier.ckpt").read_bytes() == earlier != (tmp_path / "last.ckpt").read_bytes()
    assert "a checkpoint of an earlier run" in said and "earlier.ckpt" in said


@pytest.mark.parametrize(("interrupted_in", "batches"), [(0, 4), (3, 4), (4, 8), (9, 10)])
def test_an_interruption_waits_for_the_gradients_of_a_step_to_be_used(tmp_path, interrupted_in, batches):
    """Checkpoints hold no gradients. The last step of the epoch of ten batches takes the two that are left."""

    class Model(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.seen = torch.nn.Linear(1, 1), 0

        def training_step(self, batch, batch_idx):
            self.seen += 1
            if batch_idx == interrupted_in:
                stop.received = True
            return self.layer(batch).mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    stop, model = StopOnInterrupt(), Model()
    trainer = Trainer(callbacks=[stop], accumulate_grad_batches=4, max_epochs=2, logger=False, accelerator="cpu",
                      enable_checkpointing=False, enable_progress_bar=False, default_root_dir=tmp_path)  # fmt: skip
    trainer.fit(model, DataLoader(torch.ones(10, 1)))
    assert model.seen == batches and trainer.global_step == -(-batches // 4)
