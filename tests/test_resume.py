"""A killed run, resumed, ends with the weights of an unbroken one; Ctrl-C loses nothing."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

import lightgen
from lightgen.callbacks import Generation, StopOnInterrupt
from lightgen.cli.main import main
from lightgen.data import SyntheticImages
from lightgen.figures import read_png, sheet
from lightgen.functional.random import Noise
from lightgen.modules import PriorModule

STEPS = 100
COMMAND = [
    sys.executable, "-m", "lightgen", "fit", "--config", "tiny.yaml", "--trainer.max_steps", str(STEPS),
    "--checkpoints.every_n_train_steps", "7", "--trainer.val_check_interval", "40",
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
        assert f"saved {last}" in err and "Traceback" not in err
        closing = f"interrupted at step {stopped_at}; go on with the same command and --ckpt_path {last}"
        assert err.splitlines()[-1] == f"lightgen: {closing}"
    finish(start(tmp_path, tokenizer_checkpoint, "--ckpt_path", str(last)))
    resumed = torch.load(last, weights_only=True)
    assert resumed["global_step"] == unbroken["global_step"] == STEPS
    for part in ("state_dict", "current_model_state"):
        assert resumed[part].keys() == unbroken[part].keys()
        for name, tensor in unbroken[part].items():
            assert torch.equal(resumed[part][name], tensor), (part, name)


def fit(root, tokenizer, *more):
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", str(root)]
    return main(["fit", "--config", "tiny.yaml", "--model.tokenizer", str(tokenizer), *quiet, *map(str, more)])


def test_new_runs_keep_what_earlier_ones_left(tmp_path, tokenizer_checkpoint, capsys):
    options = ["--trainer.max_steps", "2", "--trainer.limit_val_batches", "0"]
    left = []
    for seed in (0, 5, 6):
        assert fit(tmp_path, tokenizer_checkpoint, *options, "--seed_everything", seed) == 0
        left.append((tmp_path / "last.ckpt").read_bytes())
    found = [(tmp_path / f"{name}.ckpt").read_bytes() for name in ("earlier", "earlier-2", "last")]
    assert found == left and len(set(left)) == 3
    said = capsys.readouterr().err
    assert "a checkpoint of an earlier run" in said and "now earlier.ckpt" in said and "now earlier-2.ckpt" in said


@pytest.mark.parametrize("where", ["batch", "sampling"])
def test_an_interruption_ends_a_validation(tmp_path, tokenizer_checkpoint, capsys, monkeypatch, where):
    """At once, without scores of a part of it; what goes on from there is an unbroken run."""
    options = [
        "--trainer.max_steps",
        "14",
        "--trainer.val_check_interval",
        "10",
        "--checkpoints.every_n_train_steps",
        "99",
    ]
    assert fit(tmp_path / "unbroken", tokenizer_checkpoint, *options) == 0
    batches = []

    def interrupt(module, *args):
        batches.append(args)
        signal.raise_signal(signal.SIGINT)

    owner, name = (PriorModule, "validation_step") if where == "batch" else (Generation, "_sample")
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, after(getattr(owner, name), interrupt))
        assert fit(tmp_path / "broken", tokenizer_checkpoint, *options) == 130
    assert len(batches) == 1
    said = capsys.readouterr().err
    assert "interrupted: saving after this step" in said and "interrupted at step 10; go on with" in said
    scores = EventAccumulator(str(next((tmp_path / "broken" / "lightning_logs").iterdir()))).Reload().Tags()["scalars"]
    assert ("val/loss" in scores) == (where == "sampling")
    last = tmp_path / "broken" / "last.ckpt"
    assert fit(tmp_path / "broken", tokenizer_checkpoint, *options, "--ckpt_path", last) == 0
    unbroken = torch.load(tmp_path / "unbroken" / "last.ckpt", weights_only=True)
    resumed = torch.load(last, weights_only=True)
    for part in ("state_dict", "current_model_state"):
        assert all(torch.equal(resumed[part][name], tensor) for name, tensor in unbroken[part].items())


def after(function, more):
    """A method that does more when it is done."""

    def both(self, *args):
        result = function(self, *args)
        more(self, *args)
        return result

    return both


def test_what_a_run_shows_beside_its_checkpoint(runs):
    for name, picture in (("prior", "samples.png"), ("tokenizer", "reconstructions.png")):
        assert read_png(runs / name / picture).float().std() > 1
        (logs,) = (runs / name / "lightning_logs").iterdir()
        tags = EventAccumulator(str(logs)).Reload().Tags()
        assert {"train/learning_rate", "train/steps_per_second"} <= set(tags["scalars"])
        assert "config/text_summary" in tags["tensors"] and f"val/{picture[:-4]}" in tags["images"]


def test_pictures_of_a_run_say_what_they_are(runs):
    """In TensorBoard as beside the checkpoint: step, sampler, warps and seed, and each picture's class."""
    prior, made = lightgen.load(runs / "prior" / "last.ckpt"), read_png(runs / "prior" / "samples.png")
    label = prior.completed(None, Noise(0, torch.arange(8))).tensors["label"]
    title = f"step 20, seed 0: {prior.recipe.sampler}, {prior.recipe.warps}"
    blank = torch.full((8, 3, 16, 16), 255, dtype=torch.uint8)
    words = sheet(blank, title, [prior.classes[number] for number in label.tolist()])
    assert made.shape == words.shape and (made[words < 128] < 128).all() and (words < 128).sum() > 1000
    pairs = read_png(runs / "tokenizer" / "reconstructions.png")
    words = sheet(blank[:1], "step 20: originals, and under each row of them their reconstructions")
    assert torch.equal(pairs[:, :18, :150], words[:, :18, :150])
    for name, shown in (("prior", made), ("tokenizer", pairs)):
        (logs,) = (runs / name / "lightning_logs").iterdir()
        events = EventAccumulator(str(logs)).Reload()
        tag = "val/samples" if name == "prior" else "val/reconstructions"
        picture = Image.open(io.BytesIO(events.Images(tag)[-1].encoded_image_string))
        assert torch.equal(torch.from_numpy(np.array(picture)).permute(2, 0, 1), shown)


def test_a_run_without_a_step_says_so_and_leaves_nothing(tmp_path, tokenizer_checkpoint, capsys):
    assert fit(tmp_path / "runs" / "none", tokenizer_checkpoint, "--trainer.max_steps", 0) == 0
    assert "nothing to train: the run is at step 0, and trainer.max_steps is 0" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [["--model.conditioner.num_classes", "5"], ["--trainer.precision", "64-true"]])
def test_a_refused_run_leaves_nothing(tmp_path, tokenizer_checkpoint, wrong):
    """Refused in the hooks of the fit, when the logger has made its folder."""
    assert fit(tmp_path / "runs" / "none", tokenizer_checkpoint, *wrong) == 2
    assert list(tmp_path.iterdir()) == []
    kept = tmp_path / "runs" / "lightning_logs" / "version_0"
    kept.mkdir(parents=True)
    assert fit(tmp_path / "runs", tokenizer_checkpoint, *wrong) == 2
    assert list(kept.parent.iterdir()) == [kept]


def test_a_first_step_that_is_never_made_has_nothing_to_save(tmp_path, tokenizer_checkpoint, capsys, monkeypatch):
    # A process that a shell put into the background ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(PriorModule, "setup", lambda *args, **kwargs: signal.raise_signal(signal.SIGINT))
    assert fit(tmp_path / "run", tokenizer_checkpoint) == 130
    # Lightning lets nobody interrupt it any more.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen")]
    assert "before the first step" in line and "the same command again" in line
    assert not (tmp_path / "run").exists()


def test_there_are_no_more_workers_than_cores():
    assert SyntheticImages(16, num_workers=1000).train_dataloader().num_workers == len(os.sched_getaffinity(0))


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
