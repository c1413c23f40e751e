"""Put a trained checkpoint into the zoo: weights in float16, and a card that says what it is, whence, and how good.

    python benchmarks/studies/zoo.py runs/icons64-sundae/last.ckpt icons64-sundae --seconds 2100 \\
        --about "SUNDAE on icons, by text" --command "lightgen fit --config icons64.yaml ..."

What is scored is what was written, as float16. Of a tokenizer: held-out pictures through it. Of a prior: as many
pictures as there are held-out ones, by its own sampler, and bits per token where it has a likelihood. Of one that is
told the ids of a coarser prior: bits per token and PSNR, told the right ones, as in levels.py. Parameters of a prior
are those of its network; steps and images seen are those of the last run of the command.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml
from emoji_health import health_on
from figures import bits, psnr
from lightning.pytorch import Trainer
from priors import encoded, sampled
from torch import Tensor
from trained_on import held_out, pictures_of

from lightgen.bench.likelihood import BITS, bits_per_token
from lightgen.bench.runner import Runner
from lightgen.checkpoint import KEY, export, fingerprint, load, read
from lightgen.cli.many_devices import TRAINER_DEFAULTS
from lightgen.condition import Condition
from lightgen.data.base import ImageData
from lightgen.functional.files import save_json
from lightgen.metrics.protocols import Offline
from lightgen.pretrained import CARD, FOLDER
from lightgen.prior import Prior
from lightgen.provenance import provenance
from lightgen.tokenizers.base import Tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("name", help="what follows `zoo:`")
    parser.add_argument("--about", required=True, help="the line that `lightgen list zoo` prints")
    parser.add_argument("--command", required=True, help="that trained it")
    parser.add_argument("--tokenizer", type=Path, help="the tokenizer in the zoo that a prior shares")
    parser.add_argument("--coarser", help="checkpoint of the prior whose ids this one is told")
    parser.add_argument("--seconds", type=float, required=True, help="that training took")
    args = parser.parse_args()
    folder = FOLDER / args.name
    export(args.checkpoint, folder, half=True, tokenizer=args.tokenizer)
    model, contents = load(folder), read(args.checkpoint)
    data = pictures_of(str(args.checkpoint))
    if args.coarser is None:
        found = scores(model, folder, data)
    else:
        pictures = [held_out(each) for each in (pictures_of(args.coarser), data)]
        found = scores_of_refiner(load(args.coarser), model, *pictures)
    config = yaml.safe_load(contents[KEY]["config"])
    options = config["data"]["init_args"]
    card = {
        "kind": model.kind if args.coarser is None else "refiner",
        "about": args.about,
        "command": args.command,
        "parameters": sum(p.numel() for p in (model.network if isinstance(model, Prior) else model).parameters()),
        "steps": contents["global_step"],
        "images_seen": contents["global_step"] * options["batch_size"],
        "seconds": args.seconds,
        "data": f"{data.title}, fingerprint {data.fingerprint}",
        "weights": fingerprint(model),
        "scores": {name: round(value, 4) for name, value in found.items()},
        "scored_with": provenance(),
    }
    save_json(card, folder / CARD)
    print(args.name, card["parameters"], card["scores"])


def scores(model: Any, folder: Path, data: ImageData) -> dict[str, float]:
    """What the card says of its quality."""
    if isinstance(model, Tokenizer):
        return health_on(data.dataset("val"), model)
    assert isinstance(model, Prior)
    runner = Runner(data, Offline(), Trainer(**TRAINER_DEFAULTS))
    what = runner.measurement("sampler", str(folder), 0, runner.evaluator.num_real, model.recipe)
    found = runner.run(what).scores
    of_each = bits_per_token(model, data.dataset("val"), 0)
    if of_each is not None:
        found[BITS] = float(of_each.mean())
    return found


def scores_of_refiner(low: Prior, high: Prior, coarse: Tensor, fine: Tensor) -> dict[str, float]:
    """Of the finer prior, told the right ids of held-out pictures, which are given in both sizes."""
    ids, told = encoded(high, fine), Condition({"coarse": encoded(low, coarse)})
    made = psnr(sampled(high, told, len(ids)), fine)
    return {
        "bits per fine token": float(bits(high.process, high.network, ids, told).mean()),
        "psnr": float(made.mean()),
    }


if __name__ == "__main__":
    main()
