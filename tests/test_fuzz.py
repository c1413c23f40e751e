"""A small share of what the fuzzers try; the whole is `python tests/fuzz/NAME.py --times N`."""

import random

import pytest
from fuzz import damage, options

TIMES = {"pictures": 150, "weights": 12, "rows": 25}


@pytest.mark.parametrize("target", damage.TARGETS)
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path, target):
    generator = random.Random(f"1 {target}")
    wrong = [damage.TARGETS[target](tmp_path, generator) for _ in range(TIMES[target])]
    assert [line for line in wrong if line] == []


def test_wrong_options_are_one_line(tmp_path, tokenizer_checkpoint, prior_checkpoint):
    assert options.fuzz(tmp_path, tokenizer_checkpoint, prior_checkpoint, times=15, seed=7) == []


def test_rows_that_are_json_and_no_rows_are_refused_by_file_and_line(tmp_path):
    path = tmp_path / damage.RESULTS.name
    first, *others = damage.RESULTS.read_text(encoding="utf-8").splitlines(keepends=True)
    for broken in (first.replace("num_images", "num_pictures"), "[]\n", '{"version": "two"}\n', '{"version": 2}\n'):
        path.write_text(others[0] + broken, encoding="utf-8")
        with pytest.raises(ValueError, match=rf"line 2 of {path} is damaged; delete it"):
            damage.read_rows(tmp_path)
