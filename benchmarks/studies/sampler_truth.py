"""How far every sampler is from the truth with a perfect network, by its number of steps.

Total variation distance on a random joint distribution of 4 tokens of 3 ids, as a table in markdown. The number of
draws sets how small a distance can be seen; the last row says what exact draws would have.

    python benchmarks/studies/sampler_truth.py
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterator
from functools import partial

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
    joint, counts = Joint(), arguments.steps
    row("sampler", "trained with", *(f"S = {steps}" for steps in counts))
    row(*["---"] * (2 + len(counts)))
    for name, make in samplers():
        for process in fitting(make()):
            # A sampler without a number of steps has one column.
            sized = [make(steps=steps) for steps in counts] if hasattr(make(), "steps") else [make()]
            cells = [f"{joint.measure(sampler, process, arguments.draws):.3f}" for sampler in sized]
            row(name, f"`{type(process).__name__}`", *cells, *[""] * (len(counts) - len(cells)))
    row("exact draws", "", *[f"{joint.sampling_error(arguments.draws):.3f}"] * len(counts))


def samplers() -> Iterator[tuple[str, Callable[..., Sampler]]]:
    """Every sampler by name, and with every strategy of remasking where it takes one."""
    for cls in components("sampler"):
        if "remasking" in inspect.signature(cls).parameters:
            for strategy in components("remasking"):
                yield f"`{cls.__name__}`, `{strategy.__name__}`", partial(cls, remasking=strategy())
        else:
            yield f"`{cls.__name__}`", cls  # type: ignore[misc]


def fitting(sampler: Sampler) -> list[Process]:
    """The processes whose networks a sampler accepts; to a perfect network, those that only mask are one."""
    found: dict[object, Process] = {}
    for cls in components("process"):
        assert issubclass(cls, Process)
        if cls.family in sampler.accepts:
            found.setdefault((cls.family, cls.reads_time), cls(V))
    return list(found.values())


def row(*cells: str) -> None:
    """Print a row of the table."""
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
