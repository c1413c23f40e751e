"""Training of tokenizers with a discriminator: whose weights move, what counts as a batch, and what is skipped."""

import copy
import itertools

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.plugins.precision import MixedPrecision

from lightgen.callbacks import Checkpoints, Refit
from lightgen.checkpoint import load
from lightgen.cli.main import main
from lightgen.data import SyntheticImages
from lightgen.losses import R1, Adversarial, DiffAugment, LeCam, PatchGAN
from lightgen.losses.reconstruction import ReconstructionLoss
from lightgen.modules import TokenizerModule
from lightgen.quantizers import FSQ, VQ, GradientVQ
from lightgen.tokenizers import VQGAN
from lightgen.types import to_unit

SGD = torch.optim.SGD


def rate(value):
    return lambda parameters: SGD(parameters, lr=value)


def tokenizer(quantizer=None, **more):
    torch.manual_seed(0)
    quantizer = quantizer or FSQ((4, 4))
    sizes = {"width": 8, "multipliers": (1,), "num_res_blocks": 1, "attention_resolutions": (), "patch": 4}
    return VQGAN(quantizer, 16, **sizes, **more)


def adversarial(**kwargs):
    torch.manual_seed(1)
    more = {"augment": DiffAugment(), "regularisers": [R1(0.1), LeCam()], **kwargs}
    return Adversarial(PatchGAN(width=4, num_stages=1), **more)


def data(batch_size=4):
    return SyntheticImages(16, 100, batch_size=batch_size, val_fraction=0.2, test_fraction=0.0)


def train(module, batches, root, *callbacks, ckpt_path=None, batch_size=4, **kwargs):
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    loop = {"max_steps": batches, "max_epochs": -1, "limit_val_batches": 0, "use_distributed_sampler": False}
    trainer = Trainer(**{**silent, **loop, **kwargs}, default_root_dir=root, callbacks=[Checkpoints(1000), *callbacks])
    trainer.fit(module, datamodule=data(batch_size), ckpt_path=ckpt_path)
    return trainer


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before, after, prefix):
    return {n for n in before if n.startswith(prefix) and not torch.equal(before[n], after[n])}


@pytest.mark.parametrize(("tokenizer_rate", "discriminator_rate"), [(0.1, 0.0), (0.0, 0.1), (0.1, 0.1)])
def test_each_step_changes_its_own_network_alone(tmp_path, tokenizer_rate, discriminator_rate):
    module = TokenizerModule(
        tokenizer(), adversarial=adversarial(regularisers=()), optimizer=rate(tokenizer_rate),
        discriminator_optimizer=rate(discriminator_rate),
    )  # fmt: skip
    before = weights(module)
    train(module, 3, tmp_path)
    after = weights(module)
    assert bool(changed(before, after, "tokenizer.")) == (tokenizer_rate > 0)
    assert bool(changed(before, after, "adversarial.")) == (discriminator_rate > 0)


def test_the_discriminator_changes_the_tokenizers_step_and_only_from_its_start(tmp_path):
    def after(batches, **kwargs):
        module = TokenizerModule(tokenizer(), optimizer=rate(0.1), **kwargs)
        train(module, batches, tmp_path)
        return {n: t for n, t in weights(module).items() if n.startswith("tokenizer.")}

    plain, late, ramped = (
        after(3),
        after(3, adversarial=adversarial(start=3)),
        after(4, adversarial=adversarial(start=3, ramp=9)),
    )
    assert not changed(plain, late, "tokenizer.")
    assert not changed(after(4), ramped, "tokenizer.")
    assert changed(after(4), after(4, adversarial=adversarial(start=3)), "tokenizer.")


@pytest.mark.parametrize("with_adversarial", [False, True])
def test_batches_are_batches_whatever_the_optimizers(tmp_path, with_adversarial):
    seen = []
    module = TokenizerModule(
        tokenizer(), adversarial=adversarial() if with_adversarial else None, optimizer=rate(0.01),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step),
    )  # fmt: skip
    step = module.training_step
    module.training_step = lambda batch, batch_idx: seen.append(batch_idx) or step(batch, batch_idx)
    trainer = train(module, 7, tmp_path)
    assert trainer.global_step == len(seen) == 7
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0.01 * 0.5**7
    if with_adversarial:
        assert module.optimizer_d.optimizer.param_groups[0]["lr"] == 0.01 * 0.5**7
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 7 and ("discriminator" in saved) == with_adversarial


def assert_close(a, b):
    assert a.keys() == b.keys()
    for name, tensor in a.items():
        torch.testing.assert_close(b[name], tensor, rtol=1e-3, atol=1e-5, msg=name)


def test_accumulated_batches_step_as_one(tmp_path):
    """Two batches of four, accumulated, move both networks like one batch of eight."""
    found = []
    for batch_size, accumulated in ((8, 1), (4, 2)):
        module = TokenizerModule(
            tokenizer(), adversarial=adversarial(weight=0.0, augment=None, regularisers=()), optimizer=rate(0.05)
        )
        train(module, 1, tmp_path, batch_size=batch_size, accumulate_grad_batches=accumulated)
        found.append(weights(module))
    assert_close(*found)


def disturb_on_rank_one(module):
    """As after another seed."""
    if torch.distributed.get_rank() == 1:
        for parameter in module.adversarial.parameters():
            torch.nn.init.normal_(parameter)


def test_two_processes_train_as_one(tmp_path):
    """Each with half of the batch: gradients, adaptive weight and moving averages are those of all pictures."""
    found = []
    for batch_size, two in ((8, {}), (4, {"strategy": "ddp_fork", "devices": 2})):
        module = TokenizerModule(
            tokenizer(), adversarial=adversarial(start=1, ramp=2), optimizer=rate(0.05),
            discriminator_optimizer=rate(0.1),
        )  # fmt: skip
        if two:
            module.setup = lambda stage, module=module: disturb_on_rank_one(module)
        root = tmp_path / str(batch_size)
        train(module, 5, root, batch_size=batch_size, gradient_clip_val=0.5, **two)
        found.append(torch.load(root / "last.ckpt", weights_only=True)["state_dict"])
    assert_close(*found)
    before = weights(TokenizerModule(tokenizer(), adversarial=adversarial()))
    assert changed(before, found[1], "adversarial.discriminator.") and changed(before, found[1], "tokenizer.")


def test_a_failure_on_one_process_skips_the_update_on_both(tmp_path):
    module = TokenizerModule(tokenizer(), _FailsOnRankOne({2}), adversarial=adversarial(), optimizer=rate(0.01))
    step = module.on_before_optimizer_step
    record = tmp_path / "skipped"

    def spied(optimizer):
        step(optimizer)
        with (record.with_name(f"skipped{module.global_rank}")).open("a") as file:
            file.write(str(module.guard.skipped))

    module.on_before_optimizer_step = spied
    train(module, 4, tmp_path, strategy="ddp_fork", devices=2)
    assert [(tmp_path / f"skipped{rank}").read_text() for rank in (0, 1)] == ["0011", "0011"]


def test_both_gradients_are_clipped(tmp_path):
    module = TokenizerModule(tokenizer(), adversarial=adversarial(), optimizer=rate(1.0))
    before = weights(module)
    train(module, 1, tmp_path, gradient_clip_val=1e-3)
    after = weights(module)
    for prefix in ("tokenizer.", "adversarial.discriminator."):
        moved = [after[n] - before[n] for n in before if n.startswith(prefix)]
        assert float(torch.cat([m.flatten() for m in moved]).norm()) == pytest.approx(1e-3, rel=1e-2)


class _Fails(ReconstructionLoss):
    """Not finite at some calls: in the loss, or in its gradient alone."""

    def __init__(self, calls, where="loss"):
        super().__init__()
        self.calls, self.where, self.call = calls, where, 0

    def __call__(self, reconstruction, images):
        if self.call in self.calls:
            bad = reconstruction * torch.nan if self.where == "loss" else (reconstruction * 0).abs().sqrt()
            reconstruction = reconstruction + bad
        self.call += 1
        return super().__call__(reconstruction, images)


class _FailsOnRankOne(_Fails):
    def __call__(self, reconstruction, images):
        if torch.distributed.get_rank() == 0:
            self.calls = ()
        return super().__call__(reconstruction, images)


# The second replaces dead codes, which are parameters, in every forward pass.
@pytest.mark.parametrize("quantizer", [VQ(16, 8), GradientVQ(16, 8, dead_below=100.0)])
@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("with_adversarial", [False, True])
def test_an_update_that_is_not_finite_leaves_no_trace(tmp_path, quantizer, where, with_adversarial):
    def made(loss):
        return TokenizerModule(
            tokenizer(copy.deepcopy(quantizer)),
            loss,
            adversarial=adversarial() if with_adversarial else None,
            optimizer=rate(0.01),
        )

    module = made(_Fails({2}, where))
    states = []
    step = module.training_step
    module.training_step = lambda batch, batch_idx: states.append(weights(module)) or step(batch, batch_idx)
    trainer = train(module, 4, tmp_path)
    states.append(weights(module))
    assert trainer.global_step == 4 and module.guard.skipped == 1
    moved = [bool(changed(a, b, "")) for a, b in itertools.pairwise(states)]
    assert moved == [True, True, False, True]
    assert all(tensor.isfinite().all() for tensor in states[-1].values())


def test_too_many_in_a_row_end_the_run_and_leave_a_good_checkpoint(tmp_path):
    module = TokenizerModule(
        tokenizer(VQ(16, 8)), _Fails(set(range(5, 99))), adversarial=adversarial(), optimizer=rate(0.01), max_skipped=3
    )
    with pytest.raises(FloatingPointError, match=r"^training ran away: the last 3 updates had"):
        train(module, 50, tmp_path, Checkpoints(1))
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    # The first of them may be its batch's fault. From the second on nothing is saved.
    assert saved["global_step"] == 6
    assert all(tensor.isfinite().all() for tensor in saved["state_dict"].values())
    load(tmp_path / "last.ckpt", "tokenizer")


def test_the_command_line_says_so_in_one_line(tmp_path, capsys):
    options = ["--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", str(tmp_path)]
    options += ["--model.optimizer.lr", "1e30", "--model.max_skipped", "3"]
    assert main(["fit", "--config", "tiny-tokenizer.yaml", *options]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen: ")]
    assert len(lines) == 1 and lines[0].startswith("lightgen: training ran away: the last 3 updates")


def test_failures_now_and_then_end_nothing(tmp_path):
    module = TokenizerModule(tokenizer(), _Fails({1, 2, 4, 5, 7}), optimizer=rate(0.01), max_skipped=3)
    train(module, 10, tmp_path)
    assert module.guard.skipped == 5


def test_weight_averaging_averages_the_tokenizer(tmp_path):
    module = TokenizerModule(tokenizer(), adversarial=adversarial(), optimizer=rate(0.05))
    states = []
    step = module.training_step
    module.training_step = lambda batch, batch_idx: states.append(weights(module)) or step(batch, batch_idx)
    train(module, 4, tmp_path, EMAWeightAveraging(decay=0.5))
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    name = "tokenizer." + next(n for n, _ in module.tokenizer.named_parameters())
    average = states[1][name]
    for state in (*states[2:], saved["current_model_state"]):
        average = 0.5 * average + 0.5 * state[name]
    torch.testing.assert_close(saved["state_dict"][name], average)
    assert not torch.equal(average, saved["current_model_state"][name])
    torch.testing.assert_close(dict(load(tmp_path / "last.ckpt", "tokenizer").named_parameters())[name[10:]], average)


def assert_equal(a, b, where=""):
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, pair in enumerate(zip(a, b, strict=True)):
            assert_equal(*pair, f"{where}/{i}")
    else:
        assert a == b, where


def test_a_resumed_run_is_an_unbroken_one_to_the_bit(tmp_path):
    """Weights of both networks, both optimizers and schedules, moving averages; over the end of an epoch (20)."""

    def run(root, batches, ckpt_path=None):
        module = TokenizerModule(
            tokenizer(VQ(16, 8)), adversarial=adversarial(start=4, ramp=16), optimizer=torch.optim.Adam,
            scheduler=lambda optimizer: torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.9**step),
        )  # fmt: skip
        train(module, batches, root, EMAWeightAveraging(decay=0.9), ckpt_path=ckpt_path)
        return torch.load(root / "last.ckpt", weights_only=True)

    unbroken = run(tmp_path / "unbroken", 25)
    first = run(tmp_path / "broken", 13)
    resumed = run(tmp_path / "broken", 25, tmp_path / "broken" / "last.ckpt")
    parts = ["global_step", "state_dict", "current_model_state", "averaging_state", "discriminator"]
    for part in [*parts, "optimizer_states", "lr_schedulers"]:
        assert_equal(resumed[part], unbroken[part], part)
    assert unbroken["discriminator"]["optimizer"]["state"][0]["step"] == 21
    assert changed(first["current_model_state"], unbroken["current_model_state"], "adversarial.discriminator.")


def test_float16_scales_both_optimizers(tmp_path):
    """The scale of the loss, which keeps small gradients from vanishing, leaves no trace in the weights."""
    found = []
    for scale in (1.0, 2.0**10):
        plugins = [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))]
        module = TokenizerModule(tokenizer(), adversarial=adversarial(), optimizer=rate(0.05))
        train(module, 3, tmp_path, plugins=plugins)
        assert module.guard.skipped == 0
        found.append(weights(module))
    before = weights(TokenizerModule(tokenizer(), adversarial=adversarial()))
    for prefix in ("tokenizer.", "adversarial.discriminator."):
        a, b, start = (torch.cat([t.flatten().float() for n, t in f.items() if n.startswith(prefix)])
                       for f in (*found, before))  # fmt: skip
        assert (a - start).norm() > 0 and (a - b).norm() < 0.05 * (a - start).norm()


@torch.no_grad()
def mean_square(coder, ids, images):
    return float((coder.decode(ids) - images).square().mean())


@pytest.mark.parametrize("averaged", [False, True])
def test_phase_two_keeps_every_id_and_makes_better_pictures(tmp_path, averaged):
    first = TokenizerModule(tokenizer(VQ(32, 8)), optimizer=lambda p: torch.optim.Adam(p, 3e-3))
    train(first, 10, tmp_path)
    images = to_unit(data().dataset("val").images())
    before = load(tmp_path / "last.ckpt", "tokenizer")
    second = TokenizerModule(
        str(tmp_path / "last.ckpt"), ReconstructionLoss(mse=1.0), trained="decoder",
        adversarial=adversarial(start=5, ramp=20, weight=0.1), optimizer=lambda p: torch.optim.Adam(p, 3e-3),
    )  # fmt: skip
    train(second, 40, tmp_path / "second", *([EMAWeightAveraging(decay=0.9)] if averaged else []))
    after = load(tmp_path / "second" / "last.ckpt", "tokenizer")
    for part in ("encoder", "quantizer"):
        old, new = before.get_submodule(part).state_dict(), after.get_submodule(part).state_dict()
        assert all(torch.equal(new[name], tensor) for name, tensor in old.items()), part
    ids = before.encode(images)
    assert torch.equal(after.encode(images), ids)
    # Averaged weights lag behind: 0.905 with torch 2.7.
    assert mean_square(after, ids, images) < (0.95 if averaged else 0.9) * mean_square(before, ids, images)


def test_all_of_a_loaded_tokenizer_trains(tmp_path):
    first = TokenizerModule(tokenizer(VQ(32, 8)))
    train(first, 2, tmp_path)
    module = TokenizerModule(str(tmp_path / "last.ckpt"), optimizer=rate(0.1))
    before = copy.deepcopy(weights(module))
    train(module, 2, tmp_path / "second")
    moved = changed(before, weights(module), "tokenizer.")
    assert {name.split(".")[1] for name in moved} == {"encoder", "decoder", "quantizer"}


def test_refit_starts_from_centres_of_the_encoders_latents(tmp_path):
    first = TokenizerModule(tokenizer(VQ(32, 8)))
    train(first, 5, tmp_path)
    old = load(tmp_path / "last.ckpt", "tokenizer")
    module = TokenizerModule(
        str(tmp_path / "last.ckpt"), quantizer=VQ(6, 8, dead_below=0.0), optimizer=rate(0.0), codebook_weight=0.0
    )
    for part in ("encoder", "decoder"):
        assert_equal(module.tokenizer.get_submodule(part).state_dict(), old.get_submodule(part).state_dict())
    codebooks = []
    step = module.training_step
    module.training_step = lambda batch, batch_idx: codebooks.append(codebook(module)) or step(batch, batch_idx)
    train(module, 1, tmp_path / "second", Refit(num_images=40, batch_size=16))
    images = data().dataset("train").images()[::2]
    with torch.no_grad():
        latents = old.encoder(to_unit(images)).movedim(1, -1).flatten(0, 2)
    (centres,) = codebooks
    nearest = torch.cdist(latents, centres).argmin(1)
    assert len(nearest.unique()) == 6
    means = torch.stack([latents[nearest == code].mean(0) for code in range(6)])
    assert (means - centres).norm() < 0.2 * (means - latents.mean(0)).norm()
    assert load(tmp_path / "second" / "last.ckpt", "tokenizer").layout.vocab_size == 6


def test_refit_sees_latents_of_the_tokenizers_own_range_of_pixels(tmp_path):
    module = TokenizerModule(tokenizer(VQ(6, 8, dead_below=0.0), pixel_range=(0.0, 1.0)), optimizer=rate(0.0),
                             codebook_weight=0.0)  # fmt: skip
    seen = []
    module.tokenizer.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    train(module, 1, tmp_path, Refit(num_images=40, batch_size=16))
    assert seen[0].min() >= 0


def codebook(module):
    return module.tokenizer.quantizer.lookup(torch.arange(6).view(1, 1, 6))[0, :, 0].T.clone()


def test_refit_needs_a_codebook(tmp_path):
    with pytest.raises(ValueError, match="Refit needs a codebook that learns, VQ, not FSQ"):
        train(TokenizerModule(tokenizer()), 1, tmp_path, Refit())


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ValueError, match="at least 24 pixels a side, not \\(16, 16\\)"):
        TokenizerModule(tokenizer(), adversarial=Adversarial(PatchGAN()))
    with pytest.raises(ValueError, match="dim must be that of the tokenizer's, 2, not 8"):
        TokenizerModule(tokenizer(), quantizer=VQ(16, 8))
    with pytest.raises(ValueError, match="no tokenizer at"):
        TokenizerModule(str(tmp_path / "none.ckpt"))
    with pytest.raises(ValueError, match="patience must be at least 1, not 0"):
        TokenizerModule(tokenizer(), max_skipped=0)
