"""Draws what a run logged in training, for `docs/training.md`.

python benchmarks/studies/loss_curves.py runs/icons64-tokenizer train/l1 train/mse train/perceptual --out curves.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def curves(run: Path, names: list[str]) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of each name, over all parts of an interrupted run."""
    found: dict[str, tuple[list[int], list[float]]] = {name: ([], []) for name in names}
    for part in sorted(run.glob("lightning_logs/version_*"), key=lambda path: int(path.name.rpartition("_")[2])):
        events = EventAccumulator(str(part), size_guidance={"scalars": 0})
        events.Reload()
        for name in names:
            if name in events.Tags()["scalars"]:
                found[name][0].extend(event.step + 1 for event in events.Scalars(name))
                found[name][1].extend(event.value for event in events.Scalars(name))
    return found


def main() -> None:
    """A panel for each name."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    plt.rcParams["svg.fonttype"] = "none"
    figure, panels = plt.subplots(1, len(args.names), figsize=(3.6 * len(args.names), 2.8), layout="constrained")
    found = curves(args.run, args.names)
    for panel, name in zip(figure.axes if len(args.names) > 1 else [panels], args.names, strict=True):
        panel.plot(*found[name])
        panel.set(title=name, xlabel="step", ylim=(0, None))
        panel.spines[["top", "right"]].set_visible(False)
        steps, values = found[name]
        print(name, *(f"{steps[i]}: {values[i]:.4f}" for i in range(0, len(steps), max(1, len(steps) // 8))))
    figure.savefig(args.out, metadata={"Date": None})


if __name__ == "__main__":
    main()
