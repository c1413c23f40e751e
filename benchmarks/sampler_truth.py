"""How far every sampler is from the truth with a perfect network, by its number of steps.

Total variation distance on a random joint distribution of 4 tokens of 3 ids, as a table in markdown. The number of
draws sets how small a distance can be seen; the last row says what exact draws would have.

    python benchmarks/sampler_truth.py
"""

from __future__ import annotations

import argparse
import inspect

from lightgen.bench.joint import Joint, V
from lightgen.processes.base import Process
from lightgen.registry import components
from lightgen.samplers.base import Sampler

STEPS = (1, 2, 4, 16, 64, 512)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=20_000)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    arguments = parser.parse_args()
    joint = Joint()
    row("sampler", "trained with", *(f"S = {steps}" for steps in arguments.steps))
    row(*["---"] * (2 + len(arguments.steps)))
    for cls in components("sampler"):
        assert issubclass(cls, Sampler)
        for process in fitting(cls):
            cells = [f"{joint.measure(made, process, arguments.draws):.3f}" for made in sized(cls, arguments.steps)]
            blank = [""] * (len(arguments.steps) - len(cells))
            row(f"`{cls.__name__}`", f"`{type(process).__name__}`", *cells, *blank)
    row("exact draws", "", *[f"{joint.sampling_error(arguments.draws):.3f}"] * len(arguments.steps))


def fitting(sampler: type[Sampler]) -> list[Process]:
    """The processes whose networks the sampler accepts; to a perfect network, those that only mask are one."""
    found: dict[object, Process] = {}
    for cls in components("process"):
        assert issubclass(cls, Process)
        if cls.family in sampler.accepts:
            found.setdefault((cls.family, cls.reads_time), cls(V))
    return list(found.values())


def sized(sampler: type[Sampler], counts: list[int]) -> list[Sampler]:
    """The sampler at each number of steps; only once where it has none."""
    if "steps" not in inspect.signature(sampler).parameters:
        return [sampler()]  # type: ignore[call-arg]
    return [sampler(steps=steps) for steps in counts]


def row(*cells: str) -> None:
    """Print a row of the table."""
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
