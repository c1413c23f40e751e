"""`lightgen list`: what there is to choose from."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from lightgen.cli.plain import PlainParser
from lightgen.registry import Component, components


def main(args: list[str]) -> int:
    """Print every component, or those of one kind."""
    kinds = sorted({c.kind for c in components()})
    parser = PlainParser(prog="lightgen list", description="Every component that a config can name.")
    parser.add_argument("kind", nargs="?", help=f"one of {', '.join(kinds)}; all if not given")
    kind = parser.parse_args(args[1:]).kind
    if kind is not None and kind not in kinds:
        raise ValueError(f"no kind {kind!r}; there are {', '.join(kinds)}")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("kind", "name", "noise", "what it is", "source"):
        table.add_column(heading, no_wrap=heading in ("kind", "name"))
    for component in components(kind):
        table.add_row(component.kind, component.__name__, _noise(component), _summary(component), component.source)
    console = Console()
    console.print(table, width=None if console.is_terminal else 160)
    return 0


def _summary(component: type[Component]) -> str:
    return (component.__doc__ or "").strip().split("\n")[0]


def _noise(component: type[Component]) -> str:
    families = set(getattr(component, "accepts", ()))
    if hasattr(component, "family"):
        families.add(component.family)
    return ", ".join(sorted(f.value for f in families))
