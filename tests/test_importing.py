"""Published tokenizers compute with lightgen what they computed before; their files are read without running them."""

import io
import json
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from published import Diffusers, Gumbel, LlamaGen, MaskBit, MaskGIT, Published, Unleashing, pictures
from safetensors.torch import save_file
from test_cli_errors import mistake

import lightgen
from lightgen.checkpoint import fingerprint, load_tokenizer
from lightgen.cli.main import main
from lightgen.importers import base
from lightgen.importers.base import Imported, Importer, importers
from lightgen.tokenizers import VQGAN, MaskGITVQGAN

# Each with names of its checkpoint, to hold the references to what is published.
FAMILIES = {
    "taming-f16": ("taming", lambda: Published(latent=8, dim=8), ["encoder.down.2.attn.1.proj_out.weight"]),
    "taming-gumbel-f8": ("taming", lambda: Gumbel(latent=6, dim=6), ["quantize.proj.bias", "quantize.embed.weight"]),
    "ldm-f4": ("ldm", lambda: Published(attention=()), ["encoder.mid.attn_1.q.weight", "post_quant_conv.bias"]),
    "ldm-f8": ("ldm", lambda: Published(multipliers=(1, 2, 2, 1)), ["decoder.up.1.upsample.conv.weight"]),
    "ldm-noattn": ("ldm", lambda: Published(attention=(), middle_attention=False), ["decoder.mid.block_2.norm1.bias"]),
    "diffusers": (
        "diffusers",
        Diffusers,
        ["encoder.down_blocks.2.attentions.0.to_out.0.weight", "decoder.up_blocks.1.upsamplers.0.conv.weight"],
    ),
    "llamagen-16": ("llamagen", LlamaGen, ["encoder.conv_blocks.2.attn.0.k.weight", "decoder.mid.1.norm.weight"]),
    "llamagen-8": (
        "llamagen",
        lambda: LlamaGen(multipliers=(1, 2, 2, 4), attention=(3,)),
        ["encoder.conv_blocks.3.attn.1.v.bias", "encoder.conv_blocks.1.res.0.nin_shortcut.weight"],
    ),
    "maskgit": ("maskgit", MaskGIT, ["encoder.mid.1.conv2.weight", "decoder.up.1.upsample_conv.bias"]),
    "unleashing-vqgan": (
        "unleashing-vqgan",
        Unleashing,
        ["ae.encoder.blocks.3.conv.weight", "ae.encoder.blocks.7.conv_out.weight", "ae.generator.blocks.2.q.weight"],
    ),
    "unleashing-wide": ("unleashing-vqgan", lambda: Unleashing(multipliers=(1, 2, 2), attention=(1, 2)), []),
}


def encoded(tokenizer, images):
    with torch.no_grad():
        ids = tokenizer.encode(images)
        return ids, tokenizer.decode(ids)


def run(*args):
    assert main([str(arg) for arg in args]) == 0


@pytest.fixture
def taming(tmp_path):
    """A small VQ-GAN of taming-transformers, its ids and images, and its file."""
    reference = Published()
    ids, images = reference(pictures())
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": OrderedDict(reference.tensors), "epoch": 3}, path)
    return reference, ids, images, path


def config_of(reference: Published) -> dict:
    sizes = {
        "double_z": False, "z_channels": reference.latent, "resolution": 16, "in_channels": 3, "out_ch": 3,
        "ch": reference.width, "ch_mult": list(reference.multipliers), "num_res_blocks": reference.num_res_blocks,
        "attn_resolutions": [16 // 2**level for level in reference.attention], "dropout": 0.0,
    }  # fmt: skip
    params = {"embed_dim": reference.dim, "n_embed": reference.vocab_size, "ddconfig": sizes}
    return {"model": {"target": "taming.models.vqgan.VQModel", "params": params}}


@pytest.mark.parametrize("name", FAMILIES)
def test_ids_and_pixels_are_those_of_the_original(name, tmp_path):
    kind, make, names = FAMILIES[name]
    reference = make()
    ids, images = reference(pictures())
    assert set(names) <= reference.tensors.keys()
    assert len(ids.unique()) > 8 and (images.abs() == 1).float().mean() < 0.2
    save_file(reference.tensors, tmp_path / "weights.safetensors")
    run("import", "--kind", kind, "--weights", tmp_path / "weights.safetensors", "--image_size", 16,
        "--out", tmp_path / "out.ckpt")  # fmt: skip
    tokenizer = load_tokenizer(tmp_path / "out.ckpt")
    assert type(tokenizer) is (MaskGITVQGAN if kind == "maskgit" else VQGAN) and not tokenizer.training
    assert tokenizer.layout.grid == tuple(ids.shape[1:]) and tokenizer.layout.vocab_size == reference.vocab_size
    own_ids, own_images = encoded(tokenizer, pictures())
    assert torch.equal(own_ids, ids)
    torch.testing.assert_close(own_images, images, rtol=0, atol=1e-4)
    for image, own in zip(pictures(), own_ids, strict=True):
        assert torch.equal(tokenizer.encode(image[None])[0], own)


def test_maskbit_divides_the_bits_of_a_cell_into_two_ids(tmp_path):
    """Low bits first, each in the order of the original."""
    reference = MaskBit(dim=6)
    ids, images = reference(pictures())
    assert len(ids.unique()) > 8 and reference.tensors["encoder.down.1.down_conv.bias"].shape == (32,)
    torch.save(reference.tensors, tmp_path / "weights.bin")
    for num_codes in (2, 1):
        run("import", "--kind", "maskbit-tokenizer", "--weights", tmp_path / "weights.bin", "--image_size", 16,
            "--num_codes", num_codes, "--out", tmp_path / "out.ckpt")  # fmt: skip
        tokenizer = load_tokenizer(tmp_path / "out.ckpt")
        assert tokenizer.layout.num_codes == num_codes and tokenizer.layout.vocab_size == 2 ** (6 // num_codes)
        own_ids, own_images = encoded(tokenizer, pictures())
        expected = torch.stack([ids % 8, ids // 8], 1) if num_codes == 2 else ids
        assert torch.equal(own_ids, expected)
        torch.testing.assert_close(own_images, images, rtol=0, atol=1e-4)
    del reference.tensors["encoder.conv_out.bias"]
    torch.save(reference.tensors, tmp_path / "weights.bin")
    with pytest.raises(ValueError, match=r"missing: encoder\.conv_out\.bias"):
        importers()["maskbit-tokenizer"](16)(tmp_path / "weights.bin")
    with pytest.raises(ValueError, match=r"num_codes must be at least 1 and divide bits \(6\), not 4"):
        importers()["maskbit-tokenizer"](16, num_codes=4)(tmp_path / "weights.bin")


@pytest.mark.parametrize("name", FAMILIES)
def test_training_can_go_on_around_the_codes(name, tmp_path):
    kind, make, _ = FAMILIES[name]
    reference = make()
    reference(pictures())
    save_file(reference.tensors, tmp_path / "weights.safetensors")
    tokenizer = importers()[kind](image_size=16)(tmp_path / "weights.safetensors").component.train()
    images, quantized = tokenizer(pictures())
    torch.testing.assert_close(tokenizer.decode(quantized.ids), images.clamp(-1, 1), rtol=0, atol=1e-4)
    (images.square().mean() + quantized.loss).backward()
    assert [n for n, p in tokenizer.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert "quantizer.codes" not in dict(tokenizer.named_parameters())
    assert tokenizer.last_layer.out_channels == 3


def test_config_gives_the_architecture(taming, tmp_path, capsys):
    reference, ids, _, path = taming
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config_of(reference)))
    command = ["import", "--kind", "taming", "--weights", path, "--config", tmp_path / "config.yaml"]
    run(*command, "--out", tmp_path / "out.ckpt")
    assert "16x16, as the config says" in capsys.readouterr().out
    tokenizer = lightgen.load(tmp_path / "out.ckpt")
    assert tokenizer.image_size == (16, 16) and torch.equal(encoded(tokenizer, pictures())[0], ids)
    run(*command, "--image_size", 32, "--out", tmp_path / "larger.ckpt")
    larger = lightgen.load(tmp_path / "larger.ckpt")
    assert larger.layout.grid == (8, 8) and torch.equal(
        larger.encode(pictures(size=32)), reference(pictures(size=32))[0]
    )


def test_second_stage_checkpoint_with_a_discriminator(tmp_path, capsys):
    """What is no tokenizer is left out, and that is said."""
    reference = Published()
    ids, _ = reference(pictures())
    tensors = {f"first_stage_model.{name}": tensor for name, tensor in reference.tensors.items()}
    tensors |= {"first_stage_model.loss.discriminator.main.0.weight": torch.ones(2)}
    tensors |= {"transformer.tok_emb.weight": torch.ones(3), "transformer.head.weight": torch.ones(3)}
    torch.save({"state_dict": tensors}, tmp_path / "net2net.ckpt")
    nested = {"model": {"params": {"first_stage_config": config_of(reference)["model"]}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(nested))
    run("import", "--kind", "ldm", "--weights", tmp_path / "net2net.ckpt", "--config", tmp_path / "config.yaml",
        "--out", tmp_path / "out.ckpt")  # fmt: skip
    shown = capsys.readouterr().out
    assert "left out 'first_stage_model', tensors: 1" in shown and "left out 'transformer', tensors: 2" in shown
    assert torch.equal(lightgen.load(tmp_path / "out.ckpt").encode(pictures()), ids)


@pytest.mark.parametrize("old", [False, True])
def test_diffusers_folder(old, tmp_path):
    reference = Diffusers()
    ids, images = reference(pictures())
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"} if old else {}
    tensors = dict(reference.tensors)
    for new, name in names.items():
        tensors = {key.replace(f".{new}.", f".{name}."): tensor for key, tensor in tensors.items()}
    folder = tmp_path / "vqvae"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(reference.config()))
    if old:
        torch.save(tensors, folder / "diffusion_pytorch_model.bin")
    else:
        save_file(tensors, folder / "diffusion_pytorch_model.safetensors")
    run("import", "--kind", "diffusers", "--weights", folder, "--out", tmp_path / "out.ckpt")
    own_ids, own_images = encoded(lightgen.load(tmp_path / "out.ckpt"), pictures())
    assert torch.equal(own_ids, ids)
    torch.testing.assert_close(own_images, images, rtol=0, atol=1e-4)


def test_pixel_range_of_diffusers_models_that_decode_from_the_codebook(tmp_path):
    reference = Diffusers()
    unit = pictures() / 2 + 0.5
    ids, _ = reference(unit)
    save_file(reference.tensors, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**reference.config(), "lookup_from_codebook": True}))
    importer = importers()["diffusers"]
    assert torch.equal(importer()(tmp_path).component.encode(pictures()), ids)
    assert torch.equal(importer(pixel_range=(-1.0, 1.0))(tmp_path).component.encode(unit), ids)


@pytest.mark.parametrize("holder", ["ema", "model"])
def test_llamagen_prefers_averaged_weights_and_drops_its_usage_curve(holder, tmp_path):
    reference, other = LlamaGen(), {"encoder.conv_in.weight": torch.zeros(1)}
    ids, _ = reference(pictures())
    tensors = {**reference.tensors, "quantize.codebook_used": torch.zeros(65536)}
    torch.save({"model": other if holder == "ema" else tensors, holder: tensors, "steps": 5}, tmp_path / "vq.pt")
    imported = importers()["llamagen"](image_size=16)(tmp_path / "vq.pt")
    assert torch.equal(imported.component.encode(pictures()), ids)
    assert imported.notes == ("left out 'quantize', tensors: 1",)


def test_missing_surplus_and_misshapen_tensors_are_listed(taming, tmp_path, capsys):
    tensors = dict(taming[0].tensors)
    del tensors["decoder.up.0.block.2.conv2.bias"]
    tensors["post_quant_conv.weight"] = torch.zeros(12, 6, 1, 1)
    tensors |= {f"extra.{i:02d}": torch.zeros(1) for i in range(14)}
    torch.save(tensors, tmp_path / "wrong.ckpt")
    args = ["import", "--kind", "taming", "--weights", str(tmp_path / "wrong.ckpt"), "--image_size", "16"]
    line = mistake(capsys, [*args, "--out", str(tmp_path / "out.ckpt")])
    assert "missing: decoder.up.0.block.2.conv2.bias; surplus: extra.00, extra.01" in line
    assert "extra.09 and 4 more" in line and "extra.10" not in line
    assert "post_quant_conv.weight (12, 6, 1, 1) where (12, 5, 1, 1) is needed" in line
    assert not (tmp_path / "out.ckpt").exists()


@pytest.mark.parametrize("kind", importers())
def test_a_checkpoint_of_another_family(kind, taming, tmp_path, capsys):
    if kind in ("taming", "ldm"):
        weights = tmp_path / "other.safetensors"
        reference = LlamaGen()
        reference(pictures())
        save_file(reference.tensors, weights)
    else:
        weights = taming[3]
    line = mistake(capsys, ["import", "--kind", kind, "--weights", str(weights), "--out", str(tmp_path / "o.ckpt")])
    assert "missing: " in line or "surplus: " in line
    assert str(weights) in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"double_z": True}, "double_z must be False"),
        ({"ch": 64}, "of another shape"),
        ({"attn_resolutions": [8, 4]}, "missing: encoder.down.1.attn.0.norm.weight"),
        ({"ch_mult": None}, "is no config of taming"),
        ({"resolution": 18}, "divisible by 4"),
        ({"out_ch": 4}, "in_channels and out_ch must be equal"),
    ],
)
def test_a_config_that_does_not_fit(change, said, taming, tmp_path, capsys):
    config = config_of(taming[0])
    config["model"]["params"]["ddconfig"] |= change
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    args = ["import", "--kind", "taming", "--weights", str(taming[3]), "--config", str(tmp_path / "config.yaml")]
    assert said in mistake(capsys, [*args, "--out", str(tmp_path / "o.ckpt")])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"norm_type": "spatial"}, "norm_type must be group"),
        ({"act_fn": "relu"}, "act_fn must be one of"),
        ({"block_out_channels": [32, 48, 64]}, "multiples of the first"),
        ({"up_block_types": ["UpDecoderBlock2D"] * 3}, "attention at the same levels"),
        ({"down_block_types": ["DownBlock2D"] * 3}, "there is no block DownBlock2D"),
        ({"_class_name": "AutoencoderKL"}, "must be VQModel"),
        ({"in_channels": 1}, "must be equal"),
    ],
)
def test_a_diffusers_config_that_does_not_fit(change, said, tmp_path, capsys):
    save_file({"encoder.conv_in.weight": torch.zeros(1)}, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({**Diffusers().config(), **change}))
    args = ["import", "--kind", "diffusers", "--weights", str(tmp_path), "--out", str(tmp_path / "o.ckpt")]
    assert said in mistake(capsys, args)


def test_files_that_are_not_there_or_are_no_checkpoints(taming, tmp_path, capsys):
    def said(kind, weights, *more):
        args = ["import", "--kind", kind, "--weights", str(weights), "--out", str(tmp_path / "o.ckpt"), *more]
        return mistake(capsys, args)

    (tmp_path / "text.ckpt").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save({"state_dict": {"epoch": 3}}, tmp_path / "empty.ckpt")
    torch.save([torch.ones(1)], tmp_path / "list.ckpt")
    assert "there is no weights file" in said("taming", tmp_path / "none.ckpt")
    assert "not a checkpoint that torch can read" in said("taming", tmp_path / "text.ckpt")
    assert "is no safetensors file" in said("taming", tmp_path / "text.safetensors")
    assert "holds no tensors by name" in said("taming", tmp_path / "empty.ckpt")
    assert "holds no tensors by name" in said("taming", tmp_path / "list.ckpt")
    assert "there is no diffusion_pytorch_model.safetensors" in said("diffusers", tmp_path)
    assert "No such file" in said("taming", taming[3], "--config", str(tmp_path / "none.yaml"))
    assert "there is no option --config" in said("llamagen", taming[3], "--config", str(tmp_path / "none.yaml"))
    assert "image_size must be at least 1" in said("taming", taming[3], "--image_size", "0")
    assert "pixel_range" in said("taming", taming[3], "--pixel_range", "[1, 0]")
    assert "--kind must be one of amused, " in said("vqvae", taming[3])


def test_an_importer_declares_its_options_and_may_bring_a_prior(prior_checkpoint, tmp_path, capsys):
    class Kept(Importer):
        """Priors that somebody kept elsewhere.

        Args:
            prior: where they were kept
            times: 100 % more of them
        """

        name = "kept"

        def __init__(self, prior: Path, times: int = 1) -> None:
            self.prior, self.times = prior, times

        def __call__(self, weights: Path) -> Imported:
            return Imported(lightgen.load(self.prior), (f"{weights.name}, {self.times} times",))

    args = ["import", "--kind", "kept", "--weights", "w.pt", "--out", str(tmp_path / "out.ckpt")]
    run(*args, "--prior", prior_checkpoint, "--times", 2)
    shown = capsys.readouterr().out
    assert shown == f"w.pt, 2 times\nPrior of 16 codes, 4x4 tokens a picture: {tmp_path / 'out.ckpt'}\n"
    assert fingerprint(lightgen.load(tmp_path / "out.ckpt")) == fingerprint(lightgen.load(prior_checkpoint))
    assert "prior" in mistake(capsys, args)
    assert "--times must be a whole number" in mistake(
        capsys, [*args, "--prior", str(prior_checkpoint), "--times", "x"]
    )
    with pytest.raises(SystemExit):
        main([*args, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "kept: Priors that somebody kept elsewhere." in shown
    assert "--prior PATH where they were kept" in shown and "--image_size" not in shown


def test_a_name_is_one_importers(monkeypatch):
    classes = [SimpleNamespace(name="taming", __module__=module, __name__="Taming") for module in ("ours", "yours")]
    monkeypatch.setattr(base, "components", lambda kind: classes)
    with pytest.raises(ValueError, match=r"'taming' is that of ours.Taming and yours.Taming"):
        importers()


class Evil:
    """A pickle that would run a command, in one of several ways."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


class ModelCheckpoint(dict):
    """Like the callbacks and settings that Lightning's older checkpoints hold: a dictionary with attributes."""

    def __init__(self, **attributes):
        super().__init__(attributes)
        self.attributes = attributes


class Items(list):
    """Like the lists of settings that older checkpoints hold."""


def nested_pickle(command):
    buffer = io.BytesIO()
    torch.save(Evil(os.system, command), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("zipped", [True, False])
def test_foreign_objects_are_passed_over_and_nothing_is_run(zipped, taming, tmp_path, monkeypatch):
    """The tensors are read from between all that a pickle can try, in both of torch's formats."""
    reference, ids, _, _ = taming
    trace = tmp_path / "executed"
    command = f"touch {trace}"
    (tmp_path / "foreign_module.py").write_text(f"open({str(trace)!r}, 'w')\nclass Setting: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    foreign = type("Setting", (), {"__module__": "foreign_module"})
    monkeypatch.setitem(sys.modules, "foreign_module", type(sys)("foreign_module"))
    sys.modules["foreign_module"].Setting = foreign
    path = tmp_path / "evil.ckpt"
    contents = {
        "callbacks": {ModelCheckpoint: {"best": torch.zeros(3)}, "other": ModelCheckpoint(monitor="val/rec_loss")},
        "hyper_parameters": [foreign(), Items([1, Items([2])]), Evil(os.system, command)],
        "lr_schedulers": Evil(eval, f"open({str(trace)!r}, 'w')"),
        "loops": Evil(torch.storage._load_from_bytes, nested_pickle(command)),
        "imported": Evil(__import__, "foreign_module"),
        "state_dict": OrderedDict(reference.tensors, evil=Evil(os.system, command)),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "epoch": Evil(exec, f"open({str(trace)!r}, 'w')"),
    }  # fmt: skip
    torch.save(contents, path, _use_new_zipfile_serialization=zipped)
    del sys.modules["foreign_module"]
    imported = importers()["taming"](image_size=16)(path)
    assert torch.equal(imported.component.encode(pictures()), ids)
    assert not trace.exists() and "foreign_module" not in sys.modules
    # The file is as evil as it seems.
    torch.load(path, weights_only=False, pickle_module=pickle)
    assert trace.exists()


def test_the_docs_name_every_kind():
    text = (Path(__file__).parents[1] / "docs" / "importing.md").read_text(encoding="utf-8")
    ours = [name for name, kind in importers().items() if kind.__module__.startswith("lightgen.")]
    assert len(ours) > 8 and [name for name in ours if f"`{name}`" not in text] == []
