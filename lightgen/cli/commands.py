"""The commands of `lightgen`: by name, the module in `lightgen.cli` that has its `main`, and what `--help` says."""

from __future__ import annotations

COMMANDS = {
    "fit": ("fit", "train a tokenizer, a prior or a scorer from YAML; resumes with --ckpt_path"),
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
    "grid": ("grid", "the same pictures over any two settings, side by side, as PNG and HTML"),
    "app": ("app", "a page on this machine: generate step by step, inpaint, compare, with every picture's settings"),
    "show": ("show", "what made a picture of lightgen's, and the command that makes it again"),
    "edit": ("edit", "change whole pictures without a mask, as little or as much as --strength says"),
    "reconstruct": ("reconstruct", "send pictures through a tokenizer: side-by-side sheet, PSNR, SSIM, codebook usage"),
    "import": (
        "import_weights",
        "turn published weights into a checkpoint of lightgen; `lightgen list importer` names the kinds",
    ),
    "export": ("export", "write a tokenizer, a prior or a scorer as a folder of safetensors and JSON"),
    "push": ("push", "publish a checkpoint on the Hugging Face Hub, with a card that shows its pictures and scores"),
    "bench": ("bench", "tune and compare samplers at equal network evaluations; also `bench compare | replay | page`"),
    "demo": ("demo", "the whole job on emoji in twelve minutes on two cores: train, sample, compare samplers"),
    "list": ("list", "every component by kind, with its source paper"),
}

READ_BEFORE = {
    "fit": {
        "--init_from PATH": "a checkpoint whose weights training begins with: of a prior, a tokenizer or a scorer, "
        "also zoo:NAME; no config is needed",
    },
}
"""Options that no parser has, because they are read before it is made: what they take, and what they are for."""

EXAMPLES = {
    "fit": (
        "lightgen fit --config emoji64-tokenizer.yaml",
        "lightgen fit --config emoji64.yaml --model.tokenizer runs/emoji64-tokenizer/last.ckpt",
        "lightgen fit --config emoji64.yaml --ckpt_path runs/emoji64/last.ckpt    # goes on with a run",
        "lightgen fit --init_from P --data ImageFolder --data.root FOLDER    # begins with the weights in P",
    ),
    "validate": (
        "lightgen validate --ckpt_path runs/emoji64/last.ckpt",
        "lightgen validate --config emoji64.yaml --ckpt_path runs/emoji64/last.ckpt    # logs into its run's folder",
    ),
    "test": (
        "lightgen test --ckpt_path runs/emoji64/last.ckpt",
        "lightgen test --config emoji64.yaml --ckpt_path runs/emoji64/last.ckpt    # logs into its run's folder",
    ),
    "encode": (
        "lightgen encode --tokenizer zoo:emoji64-tokenizer --out emoji-tokens",
        "lightgen encode --tokenizer runs/ffhq256-tokenizer/last.ckpt --data.mirror true --num_crops 4 --out ids",
    ),
    "index": (
        "lightgen index --tokenizer zoo:emoji64-tokenizer --neighbours 8 --out emoji-tokens",
        "lightgen sample --ckpt_path P --neighbours emoji-tokens --like cat.png --out n    # trained with Neighbours",
    ),
    "sample": (
        'lightgen sample --ckpt_path zoo:icons64-causal --text "red heart" --style noto --num_images 8 --out samples',
        "lightgen sample --ckpt_path zoo:icons64-sundae --sampler.steps 50 --guidance.scale 3 --animate --out s",
        "lightgen sample --ckpt_path zoo:icons64-absorbing --sampler MaskGIT --warps.temperature 0.5 --out m",
        "lightgen sample --from samples/000007.png --seed 7 --out varied    # the same settings, other pictures",
    ),
    "grid": (
        "lightgen grid --ckpt_path zoo:icons64-absorbing --x steps=4,8,16 --y sampler=MaskGIT,Halton --out grid",
        "lightgen grid --from samples/000007.png --x temperature=0.5,1 --y guidance=1,2,4 --num_images 4 --out g",
    ),
    "app": ("lightgen app", "lightgen app --ckpt_path runs/emoji64/last.ckpt --port 8000"),
    "show": ("lightgen show samples/000007.png",),
    "inpaint": (
        "lightgen inpaint --ckpt_path zoo:icons64-sundae --image cat.png --mask mask.png --composite --out painted",
        "lightgen inpaint --ckpt_path zoo:icons64-sundae --image cat.png --canvas 1x2 --place 0,0 --out wider",
    ),
    "edit": (
        "lightgen edit --ckpt_path zoo:icons64-sundae --image cat.png --label Flags --strength 0.4 --out edited",
        "lightgen edit --ckpt_path P --image FOLDER --text 'a red car' --num_images 3 --out edited",
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
