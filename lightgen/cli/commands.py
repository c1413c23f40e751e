"""The commands of `lightgen`: by name, the module in `lightgen.cli` that has its `main`, and what `--help` says."""

from __future__ import annotations

COMMANDS = {
    "fit": ("fit", "train a tokenizer or a prior from YAML; resumes with --ckpt_path"),
    "validate": ("validate", "score a checkpoint on the validation split"),
    "test": ("validate", "score a checkpoint on the test split"),
    "encode": ("encode", "the ids of pictures in a token cache, to train priors on; resumes, and shares the work"),
    "sample": ("sample", "make pictures from a prior's checkpoint, with any sampler that fits it"),
    "inpaint": ("inpaint", "fill the masked part of a picture, or continue it on a larger canvas"),
    "reconstruct": ("reconstruct", "send pictures through a tokenizer: side-by-side sheet, PSNR, SSIM, codebook usage"),
    "import": (
        "import_weights",
        "turn published weights into a checkpoint of lightgen; `lightgen list importer` names the kinds",
    ),
    "export": ("export", "write a tokenizer or a prior as a folder of safetensors and JSON"),
    "bench": ("bench", "tune and compare samplers at equal network evaluations; also `bench compare | replay | page`"),
    "demo": ("demo", "the whole job on emoji in twelve minutes on two cores: train, sample, compare samplers"),
    "list": ("list", "every component by kind, with its source paper"),
}
