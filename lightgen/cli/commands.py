"""The commands of `lightgen`: by name, the module in `lightgen.cli` that has its `main`, and what `--help` says."""

from __future__ import annotations

COMMANDS = {
    "fit": ("fit", "train a tokenizer or a prior from YAML; resumes with --ckpt_path"),
    "validate": ("validate", "score a checkpoint on the validation split"),
    "test": ("validate", "score a checkpoint on the test split"),
    "data": ("data", "draw free emoji in eight styles, with captions, into a folder to train on; resumes"),
    "encode": ("encode", "the ids of pictures in a token cache, to train priors on; resumes, and shares the work"),
    "index": (
        "index",
        "the nearest pictures of each picture, kept in a token cache, for priors that are told neighbours",
    ),
    "sample": ("sample", "make pictures from a prior's checkpoint, with any sampler that fits it"),
    "inpaint": ("inpaint", "fill the masked part of a picture, or continue it on a larger canvas"),
    "reconstruct": ("reconstruct", "send pictures through a tokenizer: side-by-side sheet, PSNR, SSIM, codebook usage"),
    "import": (
        "import_weights",
        "turn published weights into a checkpoint of lightgen; `lightgen list importer` names the kinds",
    ),
    "export": ("export", "write a tokenizer or a prior as a folder of safetensors and JSON"),
    "push": ("push", "publish a checkpoint on the Hugging Face Hub, with a card that shows its pictures and scores"),
    "bench": ("bench", "tune and compare samplers at equal network evaluations; also `bench compare | replay | page`"),
    "demo": ("demo", "the whole job on emoji in twelve minutes on two cores: train, sample, compare samplers"),
    "list": ("list", "every component by kind, with its source paper"),
}

EXAMPLES = {
    "fit": (
        "lightgen fit --config emoji64-tokenizer.yaml",
        "lightgen fit --config emoji64.yaml --model.tokenizer runs/emoji64-tokenizer/last.ckpt",
        "lightgen fit --config emoji64.yaml --ckpt_path runs/emoji64/last.ckpt    # goes on with a run",
        "lightgen fit --init_from P --data ImageFolder --data.root FOLDER    # trains a prior or a tokenizer on",
    ),
    "validate": ("lightgen validate --config emoji64.yaml --ckpt_path runs/emoji64/last.ckpt",),
    "test": ("lightgen test --config emoji64.yaml --ckpt_path runs/emoji64/last.ckpt",),
    "encode": (
        "lightgen encode --tokenizer zoo:emoji64-tokenizer --out emoji-tokens",
        "lightgen encode --tokenizer runs/ffhq256-tokenizer/last.ckpt --data.mirror true --num_crops 4 --out ids",
    ),
    "index": (
        "lightgen index --tokenizer zoo:emoji64-tokenizer --neighbours 8 --out emoji-tokens",
        "lightgen sample --ckpt_path P --index emoji-tokens --like cat.png --out s    # trained with Neighbours",
    ),
    "sample": (
        "lightgen sample --ckpt_path zoo:emoji64-causal --num_images 36 --out samples",
        "lightgen sample --ckpt_path zoo:emoji64-sundae --sampler.steps 50 --guidance.scale 3 --animate --out s",
        "lightgen sample --ckpt_path zoo:emoji64-absorbing --sampler MaskGIT --warps.temperature 0.5 --out m",
        'lightgen sample --ckpt_path P --text "a red heart" "a fox" --style noto --out t    # knows text',
    ),
    "inpaint": (
        "lightgen inpaint --ckpt_path zoo:emoji64-sundae --image cat.png --mask mask.png --composite --out painted",
        "lightgen inpaint --ckpt_path zoo:emoji64-sundae --image cat.png --canvas 1x2 --place 0,0 --out wider",
    ),
    "reconstruct": ("lightgen reconstruct --ckpt_path zoo:emoji64-tokenizer --out reconstructions",),
    "import": (
        "lightgen import --kind taming --weights last.ckpt --config model.yaml --out vqgan.ckpt",
        "lightgen import --kind taming --help    # what this kind takes",
    ),
    "push": (
        "lightgen push --ckpt_path runs/emoji64/last.ckpt --to hf:USER/emoji64 --license apache-2.0",
        "lightgen sample --ckpt_path hf:USER/emoji64    # from anywhere",
    ),
    "bench": (
        "lightgen bench --config emoji64.yaml --out runs/bench-emoji64",
        "lightgen bench page runs/bench-emoji64    # tables, figures and web page again",
    ),
}
"""What `--help` of a command ends with."""
