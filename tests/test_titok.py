"""TiTok's tokenizer, whose tokens stand nowhere in the picture: ids and pixels are those of the original."""

from typing import ClassVar

import pytest
import torch
from peers.base import Peer, attend
from peers.titok import TiTokBERT
from published import MaskGIT, pictures
from safetensors.torch import save_file
from test_cli_errors import mistake

import lightgen
from lightgen.cli.main import main
from lightgen.quantizers import Codebook
from lightgen.tokenizers import TiTok


class _Tokenizer(Peer):
    """Under the published names. Pictures of 16x16, patches of 4x4, six tokens."""

    patch, side, num, code = 4, 4, 6, 5
    widths: ClassVar = {"encoder": 64, "decoder": 128}

    def __init__(self):
        self.pixels = MaskGIT(dim=12)
        super().__init__()

    def ask(self):
        self(pictures(2))
        painted = {name: tensor for name, tensor in self.pixels.tensors.items() if name.startswith("decoder.")}
        self.tensors |= {f"pixel_{name}": tensor for name, tensor in painted.items()}

    def transformer(self, half, x):
        x = self.layer_norm(f"{half}.ln_pre", x, 1e-5)
        for i in range(2):
            name, dim = f"{half}.transformer.{i}", x.shape[-1]
            y = self.layer_norm(f"{name}.ln_1", x, 1e-5)
            weight = self.tensor(f"{name}.attn.in_proj_weight", 3 * dim, dim, spread=1.5 * dim**-0.5)
            q, k, v = (y @ weight.T + self.tensor(f"{name}.attn.in_proj_bias", 3 * dim, spread=0.3)).chunk(3, -1)
            x = x + self.linear(f"{name}.attn.out_proj", attend(q, k, v, dim // 64), dim)
            y = self.linear(f"{name}.mlp.c_fc", self.layer_norm(f"{name}.ln_2", x, 1e-5), 4 * dim)
            x = x + self.linear(f"{name}.mlp.c_proj", torch.nn.functional.gelu(y), dim)
        return x

    def conv(self, name, x, out):
        """1x1, of (B, C, n)."""
        weight = self.tensor(f"{name}.weight", out, x.shape[1], 1, 1, spread=1.5 * x.shape[1] ** -0.5)
        bias = self.tensor(f"{name}.bias", out, spread=0.3)
        return torch.nn.functional.conv2d(x[..., None], weight, bias)[..., 0]

    def places(self, half, x):
        start = self.tensor(f"{half}.class_embedding", 1, x.shape[-1]).expand(len(x), 1, -1)
        table = self.tensor(f"{half}.positional_embedding", 1 + self.side**2, x.shape[-1])
        return torch.cat([start, x], 1) + table

    def __call__(self, images):
        dim = self.widths["encoder"]
        kernel = self.tensor("encoder.patch_embed.weight", dim, 3, self.patch, self.patch, spread=0.4)
        bias = self.tensor("encoder.patch_embed.bias", dim, spread=0.3)
        x = torch.nn.functional.conv2d((images + 1) / 2, kernel, bias, self.patch).flatten(2).permute(0, 2, 1)
        x = self.places("encoder", x)
        latents = self.tensor("latent_tokens", self.num, dim)
        latents = latents + self.tensor("encoder.latent_token_positional_embedding", self.num, dim)
        x = self.transformer("encoder", torch.cat([x, latents.expand(len(x), -1, -1)], 1))
        x = self.layer_norm("encoder.ln_post", x[:, 1 + self.side**2 :], 1e-5)
        # Numbers of the picture in their order, under another shape; no transpose.
        x = self.conv("encoder.conv_out", x.reshape(len(x), dim, self.num), self.code)
        codes = self.tensor("quantize.embedding.weight", self.vocab_size, self.code)
        codes, x = codes / codes.norm(dim=1, keepdim=True), x / x.norm(dim=1, keepdim=True)
        ids = torch.einsum("bdn,vd->bnv", x, codes).argmax(-1)
        return ids, self.images(codes[ids])

    def images(self, x):
        dim = self.widths["decoder"]
        x = self.linear("decoder.decoder_embed", x, dim)
        x = x + self.tensor("decoder.latent_token_positional_embedding", self.num, dim)
        blank = self.tensor("decoder.mask_token", 1, 1, dim).expand(len(x), self.side**2, dim)
        x = self.transformer("decoder", torch.cat([self.places("decoder", blank), x], 1))[:, 1 : 1 + self.side**2]
        x = self.layer_norm("decoder.ln_post", x, 1e-5).permute(0, 2, 1)
        x = self.conv("decoder.ffn.2", self.conv("decoder.ffn.0", x, 2 * dim).tanh(), 20)
        codes = self.tensor("pixel_quantize.embedding.weight", 20, 12, spread=3.0)
        latent = torch.einsum("bvn,vd->bdn", x.softmax(1), codes).unflatten(2, (self.side, self.side))
        return self.pixels.images(latent).clamp(-1, 1)


class _Prior(TiTokBERT):
    """A prior on six tokens a picture."""

    grid = (1, 6)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder of the published tokenizer, and that of a prior on its tokens."""
    folder = tmp_path_factory.mktemp("titok")
    (folder / "tokenizer").mkdir()
    (folder / "prior").mkdir()
    save_file(dict(_Tokenizer().tensors), folder / "tokenizer" / "model.safetensors")
    save_file(dict(_Prior().tensors), folder / "prior" / "model.safetensors")
    return folder


def test_ids_and_pixels_are_those_of_the_original(files, tmp_path):
    assert main(["import", "--kind", "titok", "--weights", str(files / "tokenizer"), "--out", str(tmp_path / "t")]) == 0
    tokenizer, images = lightgen.load(tmp_path / "t"), pictures(8)
    expected, painted = _Tokenizer()(images)
    assert len(expected.unique()) > 5 and painted.std() > 0.1
    with torch.no_grad():
        assert torch.equal(tokenizer.encode(images), expected)
        torch.testing.assert_close(tokenizer.decode(expected), painted, rtol=0, atol=1e-4)


def test_prior_and_tokenizer_come_in_one_call_and_are_sampled(files, tmp_path, capsys):
    out = str(tmp_path / "prior.ckpt")
    assert main(["import", "--kind", "titok", "--weights", str(files / "prior"), "--heads", "4", "--tokenizer",
                 str(files / "tokenizer"), "--out", out]) == 0  # fmt: skip
    for sampler in ("MaskGIT", "Ancestral", "EBSampler"):
        assert main(["sample", "--ckpt_path", out, "--num_images", "2", "--sampler", sampler, "--out",
                     str(tmp_path / sampler)]) == 0  # fmt: skip
    prior = lightgen.load(out)
    picture, hole = prior.sample(1)[0], torch.zeros(16, 16, dtype=torch.bool)
    hole[:8] = True
    with pytest.raises(ValueError, match="only where tokens stand on a grid"):
        prior.inpaint(picture, hole)


def test_a_damaged_tokenizer_is_one_line(files, tmp_path, capsys):
    tensors = _Tokenizer().tensors
    given = ["import", "--kind", "titok", "--weights", str(tmp_path / "t.bin"), "--out", str(tmp_path / "o.ckpt")]
    torch.save({**tensors, "surplus": torch.zeros(1)}, tmp_path / "t.bin")
    assert "surplus: surplus" in mistake(capsys, given)
    del tensors["pixel_decoder.up.1.block.0.norm1.weight"]
    torch.save(tensors, tmp_path / "t.bin")
    assert "missing: pixel_decoder.up.1.block.0.norm1.weight" in mistake(capsys, given)
    assert "5 heads do not divide" in mistake(capsys, [*given, "--heads", "5"])


@pytest.mark.parametrize(("num", "size", "millions"), [(32, (1024, 24, 16), 641.0), (64, (768, 12, 12), 204.8),
                                                       (128, (512, 8, 8), 83.6)])  # fmt: skip
def test_published_sizes(num, size, millions):
    with torch.device("meta"):
        tokenizer = TiTok(Codebook(4096, 12, unit=True), num, encoder=size, decoder=size)
    assert sum(tensor.numel() for tensor in tokenizer.state_dict().values()) / 1e6 == pytest.approx(millions, abs=0.1)
