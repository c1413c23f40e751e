"""Pictures of a run between its validations."""

import pytest
import torch

from lightgen.callbacks import Preview
from lightgen.checkpoint import read
from lightgen.cli import fit
from lightgen.figures import read_png

QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.max_steps", "3", "--trainer.val_check_interval", "50"]


@pytest.mark.parametrize(
    ("config", "name"), [("tiny-tokenizer.yaml", "reconstructions"), ("tiny.yaml", "samples")]
)  # fmt: skip
def test_pictures_come_by_the_clock_and_change_nothing(config, name, runs, tmp_path, caplog):
    more = ["--model.tokenizer", str(runs / "tokenizer" / "last.ckpt")] if config == "tiny.yaml" else []
    folders = {every: tmp_path / str(every) for every in (0.0, 1000.0)}
    for every, folder in folders.items():
        args = ["fit", "--config", config, "--trainer.default_root_dir", str(folder), *more, *QUIET]
        assert fit.main(args, Preview(every, num_images=4)) == 0
    often, seldom = folders.values()
    assert read_png(often / f"{name}.png").float().std() > 1 and not (seldom / f"{name}.png").exists()
    one, other = (read(folder / "last.ckpt")["state_dict"] for folder in folders.values())
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_preview_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match=r"every must be at least 0, not -1"):
        Preview(-1)
    with pytest.raises(ValueError, match=r"num_images must be at least 1, not 0"):
        Preview(num_images=0)
